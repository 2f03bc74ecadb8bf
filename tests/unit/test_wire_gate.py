"""What passes and what is held: on literal bytes, without a socket or an event loop's turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from grader.errors import Internal
from grader.history.events import StepEnded
from grader.wire.gate import Gate, Hold, Where
from grader.wire.passage import AHEAD_LIMIT, BUFFER_LIMIT, PRELUDE_LIMIT
from grader.wire.steps import SYNC_COMMIT, WireStep
from tests.unit.wire_bytes import (
    BOUND,
    FLUSH,
    PARSED,
    RUN,
    SYNC,
    Talk,
    bind,
    columns,
    describe,
    done,
    error,
    execute,
    extended,
    message,
    parse,
    query,
    ready,
    row,
)

INSERT = "INSERT INTO t VALUES (1)"


def closed() -> Talk:
    talk = Talk()
    talk.gate.close()
    return talk


def armed(
    talk: Talk, predicate: Callable[[WireStep], bool], where: Where = "before", limit: int | None = None
) -> Hold:
    hold = Hold(talk.gate, lambda function: function(), predicate, where, limit)
    talk.gate.arm(hold)
    return hold


def on_loop(body: Callable[[], None]) -> None:
    """Grants are futures, which belong to a loop."""

    async def run() -> None:
        body()

    asyncio.run(run())


def held(talk: Talk) -> str | None:
    return talk.gate.held[0].sql if talk.gate.held else None


def test_a_closed_gate_holds_a_query_until_it_is_granted() -> None:
    def body() -> None:
        talk = closed()
        assert talk.client(query("SELECT 1")) == b""
        [step] = talk.gate.held
        assert (step.service, step.connection, step.backend_pid, step.step) == ("w", 1, 4711, 1)
        assert (step.sql, step.transaction, step.answer) == ("SELECT 1", "I", None)
        assert talk.began == []
        granted = talk.gate.grant(step)
        assert talk.take()[0] == query("SELECT 1")
        assert talk.gate.held == ()
        assert not granted.done()
        assert talk.server(done("SELECT 1") + ready()) == done("SELECT 1") + ready()
        answer = granted.result()
        assert answer is not None
        assert answer.tag == "SELECT 1"

    on_loop(body)


def test_what_prepares_an_execute_waits_with_it_so_that_the_server_takes_no_lock() -> None:
    talk = closed()
    assert talk.client(extended("SELECT 1") + SYNC) == b""
    talk.gate.release(talk.gate.held[0])
    assert talk.take()[0] == extended("SELECT 1") + FLUSH


def test_a_flush_of_the_client_passes_with_what_it_flushes() -> None:
    talk = closed()
    data = parse("SELECT 1", "s") + describe("S", "s") + FLUSH
    assert talk.client(data) == data
    talk.server(PARSED + columns(23))
    assert talk.client(bind((), "s") + execute() + SYNC) == b""
    assert held(talk) == "SELECT 1"


def test_a_sync_without_writes_follows_by_itself_and_belongs_to_the_granted_step() -> None:
    def body() -> None:
        talk = closed()
        talk.client(extended("SELECT 1") + SYNC)
        granted = talk.gate.grant(talk.gate.held[0])
        talk.take()
        talk.server(RUN + done("SELECT 1"))
        assert talk.take()[0] == SYNC
        assert not granted.done()
        talk.server(ready())
        assert granted.done()

    on_loop(body)


def test_a_sync_that_commits_is_held_as_a_step() -> None:
    def body() -> None:
        talk = closed()
        talk.client(extended(INSERT) + SYNC)
        granted = talk.gate.grant(talk.gate.held[0])
        talk.take()
        talk.server(RUN + done("INSERT 0 1"))
        assert granted.done()
        assert talk.take()[0] == b""
        [step] = talk.gate.held
        assert (step.sql, step.step, step.would_commit, step.wrote) == (SYNC_COMMIT, 2, True, True)
        granted = talk.gate.grant(step)
        assert talk.take()[0] == SYNC
        talk.server(ready())
        answer = granted.result()
        assert answer is not None
        assert answer.committed
        assert talk.began == [(1, INSERT, "I"), (2, SYNC_COMMIT, "I")]

    on_loop(body)


def test_a_pipeline_passes_step_by_step_with_flushes_and_no_sync_of_ours() -> None:
    talk = closed()
    sqls = ["BEGIN", INSERT, "UPDATE t SET a = 2", "COMMIT"]
    tags = ["BEGIN", "INSERT 0 1", "UPDATE 1", "COMMIT"]
    assert talk.client(b"".join(extended(sql) for sql in sqls) + SYNC) == b""
    for sql, tag, state in zip(sqls, tags, "ITTT", strict=True):
        [step] = talk.gate.held
        assert (step.sql, step.transaction) == (sql, state)
        assert step.would_commit is (sql == "COMMIT")
        talk.gate.release(step)
        assert talk.take()[0] == extended(sql) + FLUSH
        assert talk.server(RUN + done(tag)) == RUN + done(tag)
    assert talk.take()[0] == SYNC
    talk.server(ready())
    assert [outcome[1] for outcome in talk.outcome] == tags


def test_an_execute_that_was_sent_ahead_of_the_closing_is_flushed_and_waited_for() -> None:
    talk = Talk()
    assert talk.client(extended("BEGIN")) == extended("BEGIN")
    talk.gate.close()
    assert talk.client(extended(INSERT)) == FLUSH
    assert list(talk.gate.held) == []
    talk.server(RUN + done("BEGIN"))
    [step] = talk.gate.held
    assert (step.sql, step.transaction) == (INSERT, "T")


def test_after_an_error_the_rest_of_the_pipeline_passes_unheld_up_to_the_sync() -> None:
    talk = closed()
    talk.client(extended("SELECT 1/0") + extended(INSERT) + SYNC + extended("SELECT 2") + SYNC)
    talk.gate.release(talk.gate.held[0])
    talk.take()
    talk.server(PARSED + BOUND + error("22012"))
    assert talk.take()[0] == extended(INSERT) + SYNC
    assert talk.gate.held == ()
    talk.server(ready())
    assert held(talk) == "SELECT 2"


def test_copied_data_passes_while_its_step_is_under_way() -> None:
    talk = closed()
    talk.client(extended("COPY t FROM STDIN") + SYNC)
    talk.gate.release(talk.gate.held[0])
    talk.take()
    talk.server(RUN + message("G", b"\0\0\0"))
    assert talk.take()[0] == SYNC  # which the server ignores
    data = message("d", b"1\n") + message("c")
    assert talk.client(data + SYNC) == data
    talk.server(done("COPY 1"))
    assert held(talk) == SYNC_COMMIT


def test_a_large_query_is_held_by_its_head_and_passes_whole() -> None:
    talk = closed()
    data = query("SELECT '" + "x" * 500_000 + "'")
    for at in range(0, len(data), 100_000):
        assert talk.client(data[at : at + 100_000]) == b""
    talk.gate.release(talk.gate.held[0])
    assert talk.take()[0] == data


def test_a_large_query_that_was_granted_by_its_head_streams_on() -> None:
    talk = closed()
    data = query("SELECT '" + "x" * 500_000 + "'")
    talk.client(data[:100_000])
    talk.gate.release(talk.gate.held[0])
    assert talk.take()[0] + talk.client(data[100_000:]) == data


def test_large_parameters_go_ahead_of_their_execute_within_a_bound() -> None:
    talk = closed()
    data = parse("SELECT $1") + bind([b"x" * (3 * PRELUDE_LIMIT)]) + execute() + SYNC
    passed = b""
    for at in range(0, len(data), 100_000):
        passed += talk.client(data[at : at + 100_000])
        assert talk.passage._kept <= PRELUDE_LIMIT + 200_000
    assert passed == data[: -len(execute() + SYNC)]
    talk.gate.release(talk.gate.held[0])
    assert talk.take()[0] == execute() + FLUSH


def test_no_more_is_read_from_a_client_that_sends_on_while_it_is_held() -> None:
    talk = closed()
    while talk.passage.takes_from_client:
        assert talk.client(query("SELECT '" + "x" * 90_000 + "'")) == b""
    assert talk.passage._kept < BUFFER_LIMIT + 100_000


def test_no_more_is_read_from_a_client_that_is_far_ahead_of_the_server() -> None:
    talk = Talk()
    talk.client(extended("SELECT 1") * (AHEAD_LIMIT + 1))
    assert not talk.passage.takes_from_client
    talk.server((RUN + done("SELECT 1")) * AHEAD_LIMIT)
    assert talk.passage.takes_from_client


def test_an_answer_is_withheld_and_given_with_all_that_came_after() -> None:
    def body() -> None:
        talk = closed()
        talk.client(query(INSERT))
        granted = talk.gate.grant(talk.gate.held[0], withhold=True)
        assert talk.server(done("INSERT 0 1") + ready()) == b""
        assert granted.done()
        [step] = talk.gate.held
        assert isinstance(step.answer, StepEnded)
        assert (step.answer.tag, step.answer.committed) == ("INSERT 0 1", True)
        note = message("A", b"\0\0\0\1c\0p\0")
        assert talk.server(note) == b""
        talk.gate.release(step)
        assert talk.take()[1] == done("INSERT 0 1") + ready() + note
        assert talk.server(note) == note
        assert talk.client(query("SELECT 1")) == b""
        assert held(talk) == "SELECT 1"

    on_loop(body)


def test_while_the_answer_to_a_write_is_withheld_its_sync_is_not_sent() -> None:
    def body() -> None:
        talk = closed()
        talk.client(extended(INSERT) + SYNC)
        talk.gate.grant(talk.gate.held[0], withhold=True)
        assert talk.take()[0] == extended(INSERT) + FLUSH
        assert talk.server(RUN + done("INSERT 0 1")) == b""
        assert talk.take()[0] == b""
        talk.gate.release(talk.gate.held[0])
        assert talk.take() == (b"", RUN + done("INSERT 0 1"))
        assert held(talk) == SYNC_COMMIT

    on_loop(body)


def test_of_an_answer_too_long_to_keep_the_end_stays() -> None:
    def body() -> None:
        talk = closed()
        talk.client(query("SELECT n"))
        talk.gate.grant(talk.gate.held[0], withhold=True)
        rows = row(b"x" * 1000) * 1000
        passed = b"".join(talk.server(rows) for _ in range(5))
        assert passed
        assert talk.passage.takes_from_server
        passed += talk.server(done("SELECT 5000") + ready())
        assert done("SELECT 5000") not in passed
        talk.gate.release(talk.gate.held[0])
        assert passed + talk.take()[1] == rows * 5 + done("SELECT 5000") + ready()

    on_loop(body)


def test_a_hold_takes_what_matches_and_nothing_else() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: step.would_commit)
    assert talk.client(query("BEGIN")) == query("BEGIN")
    talk.server(done("BEGIN") + ready("T"))
    assert talk.client(query(INSERT)) == query(INSERT)
    talk.server(done("INSERT 0 1") + ready("T"))
    assert not hold.is_holding
    assert talk.client(query("COMMIT")) == b""
    assert [step.sql for step in hold.held] == ["COMMIT"]
    hold.release()
    assert (hold.held, talk.take()[0]) == ((), query("COMMIT"))
    talk.server(done("COMMIT") + ready())
    assert talk.client(query(INSERT)) == query(INSERT)


def test_a_hold_before_the_commit_of_an_autocommitted_write_lets_the_write_itself_pass() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: step.would_commit)
    assert talk.client(extended(INSERT) + SYNC) == extended(INSERT) + FLUSH
    talk.server(RUN + done("INSERT 0 1"))
    assert [step.sql for step in hold.held] == [SYNC_COMMIT]
    hold.release()
    assert talk.take()[0] == SYNC


def test_a_hold_withholds_an_answer() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: "INSERT" in step.sql, "answer")
    assert talk.client(query(INSERT)) == query(INSERT)
    assert not hold.is_holding
    assert talk.server(done("INSERT 0 1") + ready()) == b""
    [step] = hold.held
    assert step.answer is not None
    hold.release()
    assert talk.take()[1] == done("INSERT 0 1") + ready()


def test_releasing_a_hold_before_the_answer_is_there_withholds_nothing() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: True, "answer")
    talk.client(query(INSERT))
    hold.release()
    assert talk.server(done("INSERT 0 1") + ready()) == done("INSERT 0 1") + ready()


def test_a_limit_lets_later_steps_pass() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: True, limit=1)
    assert talk.client(query("SELECT 1")) == b""
    talk.gate.release(talk.gate.held[0])
    assert talk.take()[0] == query("SELECT 1")
    talk.server(done("SELECT 1") + ready())
    assert not hold.is_holding
    assert talk.client(query("SELECT 2")) == query("SELECT 2")


def test_a_hold_can_cut_instead() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: True)
    talk.client(query(INSERT))
    hold.cut(client=False)
    assert talk.cuts == [(False, True)]
    assert hold.held == ()
    assert talk.began == []


def test_a_predicate_that_fails_holds_nothing_and_is_told_to_its_owner() -> None:
    talk = Talk()
    hold = armed(talk, lambda step: step.nonsense)  # type: ignore[attr-defined]
    assert talk.client(query("SELECT 1")) == query("SELECT 1")
    with pytest.raises(Internal, match="predicate"):
        hold.wait(0)


def test_opening_the_gate_lets_everything_go() -> None:
    talk = closed()
    talk.client(extended("BEGIN") + extended(INSERT) + SYNC)
    talk.gate.open()
    assert talk.take()[0] == extended("BEGIN") + FLUSH
    talk.server(RUN + done("BEGIN"))
    assert talk.take()[0] == extended(INSERT) + FLUSH
    talk.server(RUN + done("INSERT 0 1"))
    assert talk.take()[0] == SYNC
    talk.server(ready("T"))
    assert talk.client(query("COMMIT")) == query("COMMIT")


def test_a_connection_that_ends_settles_what_was_granted() -> None:
    def body() -> None:
        talk = closed()
        talk.client(query("SELECT 1"))
        granted = talk.gate.grant(talk.gate.held[0])
        talk.gate.leave(1)
        assert granted.result() is None

    on_loop(body)


def test_a_step_can_be_granted_only_while_it_is_held() -> None:
    def body() -> None:
        talk = closed()
        talk.client(query("SELECT 1"))
        [step] = talk.gate.held
        talk.gate.grant(step, withhold=True)
        with pytest.raises(Internal, match="not held"):
            talk.gate.grant(step)
        talk.server(done("SELECT 1") + ready())
        with pytest.raises(Internal, match="is done"):
            talk.gate.grant(talk.gate.held[0])

    on_loop(body)


def test_gates_can_share_a_bell() -> None:
    async def body() -> None:
        gate = Gate()
        talk = Talk(Gate(gate.bell))
        talk.gate.close()
        waiting = asyncio.ensure_future(gate.bell.wait())
        await asyncio.sleep(0)
        talk.client(query("SELECT 1"))
        await asyncio.wait_for(waiting, 1)

    asyncio.run(body())


def test_a_frozen_passage_passes_nothing_and_then_everything() -> None:
    talk = Talk()
    talk.passage.is_frozen = True
    assert talk.client(query("SELECT 1")) == b""
    assert not talk.passage.takes_from_server
    talk.passage.is_frozen = False
    assert talk.passage.pump() == query("SELECT 1")
