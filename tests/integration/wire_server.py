"""What the tests of the wire share: a relay with its record, a plain forwarder to compare with, granting loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from grader.history.events import ConnectionClosed, Event, StepBegan, StepEnded
from grader.history.recorder import Clock, Recorder
from grader.postgres import ScenarioDatabase, Server
from grader.wire import Gate, Relay, Wire, WireStep


@dataclass(frozen=True)
class Bench:
    """One relay before one database, with its record."""

    wire: Wire
    relay: Relay
    recorder: Recorder
    database: ScenarioDatabase
    server: Server

    @property
    def url(self) -> str:
        return self.database.service_url(self.relay.host, self.relay.port)

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, **{"autocommit": True, **options})

    def rows(self, sql: str) -> list[Any]:
        """Asked around the relay."""
        with self.server.connect(database=self.database.name) as connection:
            return connection.execute(sql).fetchall()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.recorder.events() if isinstance(event, kind)]

    def until(self, what: str, holds: Callable[[], object], timeout: float = 10) -> None:
        """Wait for something that no event tells."""
        end = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < end, f"gave up waiting for {what}"
            time.sleep(0.005)

    def until_event(self, what: str, reached: Callable[[Event], bool], timeout: float = 10) -> None:
        found = self.recorder.wait_until(lambda events: any(map(reached, events)), timeout)
        assert found, f"gave up waiting for {what}"

    def until_closed(self, connections: int = 1) -> list[str]:
        """Who closed what, once so many connections are closed."""
        self.recorder.wait_until(
            lambda events: sum(isinstance(e, ConnectionClosed) for e in events) >= connections, 10
        )
        return [event.by for event in self.of(ConnectionClosed)]

    def backend_is_gone(self, pid: int | None) -> bool:
        return not self.rows(f"SELECT FROM pg_stat_activity WHERE pid = {pid}")


@contextlib.contextmanager
def bench(wire: Wire, server: Server, database: ScenarioDatabase, service: str = "worker-A") -> Iterator[Bench]:
    recorder = Recorder(Clock())
    relay = wire.open_relay(service=service, server=server.address, recorder=recorder)
    try:
        yield Bench(wire, relay, recorder, database, server)
    finally:
        relay.close()


@contextlib.contextmanager
def one_by_one(made: Bench, *, withhold: bool = False) -> Iterator[list[WireStep]]:
    """The gate is closed, and grants every step alone, with its answer withheld and then given, or not."""
    granted: list[WireStep] = []
    stopped = threading.Event()
    gate = made.relay.gate

    async def turn() -> None:
        gate.close()
        while not stopped.is_set():
            if gate.held:
                step = gate.held[0]
                granted.append(step)
                await grant(gate, step, withhold)
            else:
                await gate.bell.wait()

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        turning = thread.submit(made.wire.run, turn(), 60)
        made.until("the gate to be closed", lambda: gate.is_closed)
        try:
            yield granted
        finally:
            stopped.set()
            made.wire.call(gate.bell.ring)
            turning.result()
            made.wire.call(gate.open)


async def grant(gate: Gate, step: WireStep, withhold: bool) -> None:
    answer = await asyncio.wait_for(gate.grant(step, withhold=withhold), 20)
    if withhold and answer is not None:
        [held] = [held for held in gate.held if held.connection == step.connection]
        assert held.answer == answer
        gate.release(held)


@contextlib.contextmanager
def forwarder(server: Server) -> Iterator[int]:
    """A port that leads to the server's socket and knows nothing: what a client sees without a relay."""
    path = server.address.socket_path
    assert path is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_forward, args=(client, str(path)), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _forward(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {client: server, server: client}
        while True:
            for side in select.select([client, server], [], [])[0]:
                try:
                    data = side.recv(65536)
                    other[side].sendall(data)
                except OSError:
                    return
                if not data:
                    return


def steps(events: list[Event]) -> list[tuple[StepBegan, StepEnded | None]]:
    """Every step with its answer, in the order in which they began."""
    ended = {(e.connection, e.step): e for e in events if isinstance(e, StepEnded)}
    began = sorted((e for e in events if isinstance(e, StepBegan)), key=lambda e: e.at)
    return [(e, ended.get((e.connection, e.step))) for e in began]
