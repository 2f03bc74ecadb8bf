"""The relay with a real server: outages, cuts, disconnects, noise, floods, COPY, cancelling."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from grader.errors import Internal
from grader.history.events import ConnectionClosed, ConnectionOpened, ConnectionReady, StepBegan, StepEnded
from grader.history.recorder import Clock, Recorder
from grader.postgres import ScenarioDatabase, Server
from grader.wire import Wire, WireStep
from grader.wire.address import ServerAddress
from grader.wire.gate import Gate
from tests.integration.wire_server import Bench, bench, one_by_one, steps


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture
def made(wire: Wire, embedded_server: Server, database: ScenarioDatabase) -> Iterator[Bench]:
    with bench(wire, embedded_server, database) as made:
        yield made


def sqls(made: Bench) -> list[str]:
    return [began.sql for began, _ in steps(list(made.recorder.events()))]


def raw(made: Bench) -> socket.socket:
    return socket.create_connection((made.relay.host, made.relay.port), timeout=10)


# ---------------------------------------------------------------- the life of a connection


def test_a_connection_is_told_from_its_login_to_its_end(made: Bench) -> None:
    with made.connect() as connection:
        pid = connection.info.backend_pid
        connection.execute("SELECT 1")
        [view] = made.relay.connections()
    assert made.until_closed() == ["terminate"]
    [opened], [ready], [closed] = made.of(ConnectionOpened), made.of(ConnectionReady), made.of(ConnectionClosed)
    assert opened.connection == ready.connection == closed.connection == view.connection
    assert ready.backend_pid == view.backend_pid == pid
    assert (opened.service, view.transaction, view.under_way, view.held) == ("worker-A", "I", None, None)
    assert opened.at <= ready.at <= (view.idle_since or 0) <= closed.at
    made.until("the relay to forget it", lambda: made.relay.connections() == ())


def test_the_view_of_a_connection_shows_what_is_under_way_and_since_when_it_is_idle(made: Bench) -> None:
    with made.connect(autocommit=False) as connection, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(connection.execute, "SELECT pg_sleep(0.2)")
        made.until_event("the sleep", lambda e: isinstance(e, StepBegan) and "sleep" in e.sql)
        [view] = made.relay.connections()
        assert view.under_way is not None
        assert (view.under_way.sql, view.transaction, view.idle_since) == ("SELECT pg_sleep(0.2)", "T", None)
        asked.result()
        [view] = made.relay.connections()
        assert view.idle_since == made.of(StepEnded)[-1].at


def test_a_refused_login_is_no_ready_connection(made: Bench) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(made.url, password="wrong")
    made.until_closed()
    assert len(made.of(ConnectionOpened)) == 1
    assert made.of(ConnectionReady) == []


def test_encryption_is_declined_and_the_client_goes_on_in_the_clear(made: Bench) -> None:
    with made.connect(sslmode="prefer") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_tls_without_asking_is_closed_cleanly(made: Bench) -> None:
    with raw(made) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert client.recv(1) == b""
    assert made.of(ConnectionOpened) == []


def test_protocol_3_2_and_its_longer_key(made: Bench) -> None:
    try:
        connection = made.connect(max_protocol_version="3.2")
    except psycopg.ProgrammingError:  # a libpq older than PostgreSQL 18
        pytest.skip("libpq does not know max_protocol_version")
    with connection:
        assert made.of(ConnectionReady)[0].backend_pid == connection.info.backend_pid


def test_an_unknown_minor_version_is_negotiated_with_the_server(made: Bench) -> None:
    with raw(made) as client:
        body = struct.pack("!I", 3 << 16 | 9999) + f"user\0x\0database\0{made.database.name}\0\0".encode()
        client.sendall(struct.pack("!I", len(body) + 4) + body)
        assert client.recv(1) in (b"v", b"E")


def test_a_cancel_request_reaches_the_server_and_is_no_connection_of_the_service(made: Bench) -> None:
    with made.connect() as connection, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(connection.execute, "SELECT pg_sleep(30)")
        sleeps = (
            f"SELECT FROM pg_stat_activity WHERE pid = {connection.info.backend_pid} AND wait_event = 'PgSleep'"
        )
        made.until("the sleep", lambda: made.rows(sleeps))  # a server that is not at it yet ignores the request
        connection.cancel_safe(timeout=10)
        with pytest.raises(psycopg.errors.QueryCanceled):
            asked.result(10)
    made.until_closed()
    assert [e.sqlstate for e in made.of(StepEnded)] == ["57014"]
    assert len(made.of(ConnectionOpened)) == 1


def test_a_goodbye_that_came_just_before_the_relay_closes_is_one(made: Bench, wire: Wire) -> None:
    connection = made.connect()

    async def at_one_moment() -> None:  # the loop has had no turn in which to read what the client said last
        connection.close()
        await made.relay.end()

    wire.run(at_one_moment(), 10)
    assert made.until_closed() == ["terminate"]


def test_a_server_that_ends_a_session_closes_it(made: Bench) -> None:
    with contextlib.closing(made.connect()) as connection:
        made.rows(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert made.until_closed() == ["server"]


def test_a_server_that_is_not_there_closes_the_connection(wire: Wire, database: ScenarioDatabase) -> None:
    recorder = Recorder(Clock())
    relay = wire.open_relay(service="api", server=ServerAddress("/nowhere", 1), recorder=recorder)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.service_url(relay.host, relay.port))
    relay.close()
    assert [e.by for e in recorder.events() if isinstance(e, ConnectionClosed)] == ["server"]


# ---------------------------------------------------------------- a client that goes away


def test_a_client_that_vanishes_while_a_step_is_held_is_passed_on_at_once(made: Bench) -> None:
    connection = made.connect()
    pid = connection.info.backend_pid
    with made.relay.hold(lambda step: True) as hold, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(connection.execute, "INSERT INTO tasks (title) VALUES ('x')")
        assert hold.wait(10) is not None
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
        with pytest.raises(psycopg.OperationalError):
            asked.result(10)
        assert made.until_closed() == ["client"]
        assert not hold.is_holding
        made.until("the backend to be gone", lambda: made.backend_is_gone(pid))
    connection.close()
    assert made.rows("SELECT FROM tasks") == []


def test_a_statement_that_is_under_way_when_its_client_dies_is_done_by_the_server(made: Bench) -> None:
    [task] = made.database.insert_tasks([{"title": "x"}])
    client = made.connect()
    pid = client.info.backend_pid
    with made.server.connect(database=made.database.name) as locker, locker.transaction():
        locker.execute("SELECT FROM tasks FOR UPDATE")
        client.pgconn.send_query(b"UPDATE tasks SET status = 'failed'")
        made.until("the update to be blocked", lambda: made.rows(f"SELECT FROM unnest(pg_blocking_pids({pid}))"))
        client.close()
        assert made.until_closed() in (["client"], ["terminate"])
        assert not made.backend_is_gone(pid)
    made.until("the backend to be gone", lambda: made.backend_is_gone(pid))
    assert made.database.tasks()[task]["status"] == "failed"


# ---------------------------------------------------------------- outages


def test_an_outage_cuts_what_is_there_and_refuses_what_comes(made: Bench) -> None:
    connection = made.connect()
    made.relay.refuse()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            raw(made)
    with socket.socket() as thief:
        with pytest.raises(OSError, match="in use"):
            thief.bind((made.relay.host, made.relay.port))
    made.relay.accept()
    with made.connect() as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    assert made.until_closed(2) == ["grader", "terminate"]
    connection.close()


def test_outages_can_follow_each_other_quickly(made: Bench) -> None:
    for _ in range(20):
        made.relay.refuse()
        made.relay.refuse()
        made.relay.accept()
        made.relay.accept()
        with made.connect() as connection:
            connection.execute("SELECT 1")


def test_in_a_stall_nothing_is_answered_and_afterwards_everything_is(made: Bench) -> None:
    def ask_anew() -> Any:
        with made.connect() as connection:
            return connection.execute("SELECT 'new'").fetchone()

    with made.connect() as connection, ThreadPoolExecutor(2) as threads:
        made.relay.stall()
        old = threads.submit(lambda: connection.execute("SELECT 'old'").fetchone())
        new = threads.submit(ask_anew)
        time.sleep(0.2)  # nothing is what is waited for
        assert not old.done()
        assert not new.done()
        assert made.of(StepBegan) == []
        made.relay.accept()
        assert (old.result(10), new.result(10)) == (("old",), ("new",))


def test_a_client_that_vanishes_in_a_stall_is_passed_on(made: Bench) -> None:
    connection = made.connect()
    made.relay.stall()
    connection.close()
    assert made.until_closed() in (["terminate"], ["client"])
    made.until("the backend to be gone", lambda: made.backend_is_gone(made.of(ConnectionReady)[0].backend_pid))


def test_a_connection_can_be_cut_and_the_others_live_on(made: Bench) -> None:
    with made.connect() as first, made.connect() as second:
        views = {view.backend_pid: view for view in made.relay.connections()}
        made.relay.cut(views[first.info.backend_pid].connection)
        with pytest.raises(psycopg.OperationalError):
            first.execute("SELECT 1")
        assert second.execute("SELECT 1").fetchone() == (1,)
        made.relay.cut()
        with pytest.raises(psycopg.OperationalError):
            second.execute("SELECT 1")


def test_one_side_alone_can_be_cut(made: Bench) -> None:
    connection = made.connect(autocommit=False)
    pid = connection.info.backend_pid
    connection.execute("INSERT INTO tasks (title) VALUES ('x')")
    hold = made.relay.hold_commits()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(connection.commit)
        assert hold.wait(10) is not None
        hold.cut(server=False)
        with pytest.raises(psycopg.OperationalError):
            asked.result(10)
    assert made.until_closed() == ["grader"]
    assert not made.backend_is_gone(pid)  # it waits for a client that is gone
    made.relay.close()
    made.until("the backend to be gone", lambda: made.backend_is_gone(pid))
    connection.close()


def test_a_closed_relay_gives_its_port_back(made: Bench) -> None:
    connection = made.connect()
    made.relay.close()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with socket.create_server((made.relay.host, made.relay.port)):
        pass
    made.relay.close()
    connection.close()


# ---------------------------------------------------------------- COPY and large things


def test_copy_in_and_out(made: Bench) -> None:
    with made.connect() as connection:
        cursor = connection.cursor()
        with cursor.copy("COPY tasks (title) FROM STDIN") as copy:
            for number in range(10_000):
                copy.write_row((f"task {number}",))
        with cursor.copy("COPY (SELECT title FROM tasks ORDER BY id) TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 10_000
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with cursor.copy("COPY tasks (payload) FROM STDIN") as copy:
                copy.write_row(("no json",))
        assert connection.execute("SELECT 1").fetchone() == (1,)
    answers = [(e.tag or e.sqlstate, e.rows, e.committed) for e in made.of(StepEnded)]
    assert answers == [
        ("COPY 10000", 10_000, True),
        ("COPY 10000", 10_000, False),
        ("22P02", None, False),
        ("SELECT 1", 1, False),
    ]


def test_copy_in_with_every_step_granted_alone(made: Bench) -> None:
    with one_by_one(made) as granted, made.connect(autocommit=False) as connection:
        with connection.cursor().copy("COPY tasks (title) FROM STDIN") as copy:
            for number in range(1000):
                copy.write_row((f"task {number}",))
        connection.commit()
    assert [step.sql for step in granted] == ["BEGIN", "COPY tasks (title) FROM STDIN", "COMMIT"]
    assert len(made.rows("SELECT FROM tasks")) == 1000


def test_a_large_value_passes_both_ways(made: Bench) -> None:
    with made.connect() as connection:
        text = "ż" * 10_000_000
        assert connection.execute("SELECT %s", (text,)).fetchone() == (text,)
    [ended] = made.of(StepEnded)
    assert [len(value) for value in (*ended.parameters, *ended.values)] == [200, 200]


def test_an_endless_answer_that_nobody_reads_is_not_kept(made: Bench) -> None:
    with contextlib.closing(made.connect()) as connection:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        query = "SELECT repeat('x', 100000) FROM generate_series(1, 100000)"  # 10 GB
        connection.pgconn.send_query(query.encode())
        made.until_event("the query", lambda e: isinstance(e, StepBegan))
        pid = connection.info.backend_pid
        waits = f"SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'ClientWrite'"
        made.until("the server to wait", lambda: made.rows(waits))
        with made.connect() as other:
            assert other.execute("SELECT 1").fetchone() == (1,)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 64 * 1024  # KiB
        made.relay.cut()
        made.until("the backend to be gone", lambda: made.backend_is_gone(pid))


def test_a_value_of_many_megabytes_streams_through_and_is_not_kept(made: Bench) -> None:
    size = 200_000_000
    with made.connect() as connection:
        connection.execute("SELECT 1")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with raw(made) as client:
            body = b"\0\3\0\0user\0nobody\0\0"
            client.sendall(struct.pack("!I", len(body) + 4) + body)
            assert client.recv(1) == b"R"  # it is asked for a password now
            client.sendall(b"p" + struct.pack("!I", size))
            with contextlib.suppress(OSError):
                for _ in range(size // 100_000):
                    client.sendall(b"x" * 100_000)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        assert connection.execute("SELECT 1").fetchone() == (1,)


# ---------------------------------------------------------------- noise, and many at once


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 100,
        b"\xff" * 100,
        struct.pack("!II", 8, 1),
        struct.pack("!II", 10_000, 3 << 16) + b"x" * 9_992,
    ],
)
def test_noise_is_closed_cleanly_and_the_others_do_not_notice(made: Bench, noise: bytes) -> None:
    with made.connect() as connection:
        with raw(made) as client:
            client.sendall(noise)
            while client.recv(4096):
                pass
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("noise", [b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"!\0\0\0\4", b"E\0\1\0\0"])
def test_an_absurd_message_after_the_login_ends_the_connection(made: Bench, noise: bytes) -> None:
    with contextlib.closing(made.connect()) as connection:
        os.write(connection.fileno(), noise)
        made.until("the end", lambda: made.of(ConnectionClosed))
        assert made.until_closed() == ["client"]
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_client_that_says_nothing_does_not_hold_anything_up(made: Bench) -> None:
    with raw(made), raw(made) as half:
        half.sendall(b"\0\0")
        with made.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_forty_connections_at_once(made: Bench) -> None:
    def work(number: int) -> Any:
        with made.connect() as connection:
            for _ in range(10):
                found = connection.execute("SELECT %s::int", (number,)).fetchone()
            return found

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(work, range(40))) == [(number,) for number in range(40)]
    assert made.until_closed(40) == ["terminate"] * 40
    assert len({event.backend_pid for event in made.of(ConnectionReady)}) == 40
    for event in made.of(StepEnded):
        assert event.values == event.parameters


# ---------------------------------------------------------------- the gate from threads and from the loop


def test_a_commit_is_held_until_it_is_released(made: Bench) -> None:
    with made.connect(autocommit=False) as connection, made.relay.hold_commits() as hold:
        connection.execute("SELECT 1")
        connection.commit()
        connection.execute("INSERT INTO tasks (title) VALUES ('x')")
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(connection.commit)
            step = hold.wait(10)
            assert step is not None
            assert (step.sql, step.transaction, step.wrote) == ("COMMIT", "T", True)
            [view] = made.relay.connections()
            assert view.held is step
            assert made.rows("SELECT FROM tasks") == []
            hold.release()
            asked.result(10)
    assert len(made.rows("SELECT FROM tasks")) == 1


def test_waiting_for_a_hold_is_bounded(made: Bench) -> None:
    with made.relay.hold(lambda step: True) as hold:
        assert hold.wait(0.01) is None


def test_a_hold_takes_steps_of_several_connections(made: Bench) -> None:
    with made.connect() as a, made.connect() as b, ThreadPoolExecutor(2) as threads:
        with made.relay.hold(lambda step: "tasks" in step.sql) as hold:
            asked = [threads.submit(c.execute, "SELECT FROM tasks") for c in (a, b)]
            made.until("both", lambda: len(hold.held) == 2)
        for one in asked:
            one.result(10)


def test_the_explorer_steers_two_workers_on_the_loop_and_sees_who_is_blocked(
    wire: Wire, embedded_server: Server, database: ScenarioDatabase
) -> None:
    [task] = database.insert_tasks([{"title": "x"}])
    claim = "UPDATE tasks SET assigned_worker = %s WHERE id = %s"

    def work(made: Bench, name: str) -> None:
        with made.connect(autocommit=False) as connection:
            connection.execute(claim, (name, task))
            connection.commit()

    async def arrival(gate: Gate) -> WireStep:
        while not gate.held:
            await gate.bell.wait()
        return gate.held[0]

    async def steer(a: Bench, b: Bench, look: psycopg.Connection[Any]) -> list[str]:
        gates = a.relay.gate, b.relay.gate
        first, second = [await arrival(gate) for gate in gates]  # BEGIN and BEGIN
        await gates[0].grant(first)
        await gates[1].grant(second)
        await gates[0].grant(await arrival(gates[0]))
        blocked = gates[1].grant(await arrival(gates[1]))
        pid = b.relay.connections()[0].backend_pid
        while not look.execute("SELECT pg_blocking_pids(%s)", (pid,)).fetchone()[0]:  # type: ignore[index]
            await asyncio.sleep(0)
        assert not blocked.done()
        await gates[0].grant(await arrival(gates[0]))
        answer = await blocked
        await gates[1].grant(await arrival(gates[1]))
        return [answer.tag] if answer else []

    with (
        bench(wire, embedded_server, database, "worker-A") as a,
        bench(wire, embedded_server, database, "worker-B") as b,
        embedded_server.connect() as look,
        ThreadPoolExecutor(2) as threads,
    ):
        for made in (a, b):
            wire.call(made.relay.gate.close)
        working = [threads.submit(work, made, name) for made, name in ((a, "A"), (b, "B"))]
        assert wire.run(steer(a, b, look), 20) == ["UPDATE 1"]
        for one in working:
            one.result(10)
        assert database.tasks()[task]["assigned_worker"] == "B"


# ---------------------------------------------------------------- the wire itself


def test_leaving_the_wire_closes_all_and_ends_its_thread(
    embedded_server: Server, database: ScenarioDatabase
) -> None:
    recorder = Recorder(Clock())
    with Wire() as wire:
        relay = wire.open_relay(service="api", server=embedded_server.address, recorder=recorder)
        connection = psycopg.connect(database.service_url(relay.host, relay.port), autocommit=True)
        hold = relay.hold(lambda step: True)
        connection.pgconn.send_query(b"SELECT 1")
        assert hold.wait(10)
    assert [e.by for e in recorder.events() if isinstance(e, ConnectionClosed)] == ["grader"]
    assert not [thread for thread in threading.enumerate() if thread is wire._thread]
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


def test_running_a_coroutine_is_bounded_and_tells_what_it_raised(wire: Wire) -> None:
    async def too_long() -> None:
        await asyncio.sleep(60)

    async def broken() -> None:
        raise Internal("broken")

    with pytest.raises(TimeoutError):
        wire.run(too_long(), 0.01)
    with pytest.raises(Internal, match="broken"):
        wire.run(broken(), 5)


def test_relays_do_not_disturb_each_other(made: Bench, wire: Wire, embedded_server: Server) -> None:
    with bench(wire, embedded_server, made.database, "worker-B") as other:
        with made.connect() as mine, other.connect() as others:
            other.relay.refuse()
            with pytest.raises(psycopg.OperationalError):
                others.execute("SELECT 1")
            assert mine.execute("SELECT 1").fetchone() == (1,)
        assert {event.connection for event in made.of(ConnectionOpened)}.isdisjoint(
            event.connection for event in other.of(ConnectionOpened)
        )
