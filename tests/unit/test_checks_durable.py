"""Which statement changes a task, and which step makes the change durable."""

from __future__ import annotations

import pytest

from grader.checkpoints.durable import AtChange, AtCommit, maker
from grader.history.events import StepBegan, StepEnded, TransactionState
from grader.history.sql import shape
from grader.wire import SYNC_COMMIT, WireStep
from tests.unit.histories import PIDS, Story

A, B = "worker-A", "worker-B"

UPDATE = "UPDATE tasks SET status = 'completed' WHERE id = $1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UPDATE t SET a = 'x' WHERE id = 1", "UPDATE  t SET a = 'yz' -- so\nWHERE id = 27"),
        ("SELECT complete_task(7, 0.25)", "SELECT complete_task(8, 1)"),
    ],
)
def test_statements_that_differ_in_values_have_one_shape(one: str, other: str) -> None:
    assert shape(one) == shape(other)
    assert shape(one) != shape(one.replace("SELECT", "TABLE").replace("SET", "SETS"))


def test_the_statement_during_which_a_row_changed_is_the_one_that_changed_it() -> None:
    story = Story().start(A).insert("7", 0.5)
    story.step(A, 1.0, "SELECT complete_task(7)", took=0.01).complete("7", 1.005, A)
    story.step(A, 1.011, "SELECT next_task()").step(A, 0.99, "SELECT 7 FROM tasks", took=0.009)
    history = story.history()
    assert maker(history, history.story("7").completions[0]) == "SELECT complete_task(?)"


def test_of_statements_sent_together_it_is_the_first_that_was_answered_after_the_change() -> None:
    story = Story().start(A).insert("7", 0.5).complete("7", 1.005, A)
    for number, (sql, ended) in enumerate((("UPDATE a", 1.002), ("UPDATE b", 1.006), ("SELECT c", 1.009))):
        story.add(
            StepBegan(at=1.0, service=A, connection=PIDS[A], step=100 + number, sql=sql, transaction="I"),
            ended_at(ended, 100 + number),
        )
    history = story.history()
    assert maker(history, history.story("7").completions[0]) == "UPDATE b"


def ended_at(at: float, step: int) -> StepEnded:
    return StepEnded(
        at=at,
        service=A,
        connection=PIDS[A],
        step=step,
        tag="UPDATE 1",
        rows=1,
        sqlstate=None,
        message=None,
        values=(),
        parameters=(),
        transaction="I",
        committed=True,
    )


def test_a_change_past_the_wire_has_no_statement() -> None:
    history = Story().start(A).insert("7", 0.5).complete("7", 1.0, B).history()
    assert maker(history, history.story("7").changes[1]) is None


def wire(sql: str, state: TransactionState = "I", *, would_commit: bool = False, connection: int = 1) -> WireStep:
    return WireStep(A, connection, 9, 1, sql, (), state, wrote=False, would_commit=would_commit)


def test_the_change_is_found_on_any_connection() -> None:
    at = AtChange(shape(UPDATE))
    assert [at(wire(UPDATE, "T")), at(wire(UPDATE, connection=2)), at(wire("COMMIT", "T"))] == [True, True, False]


def test_in_a_transaction_the_commit_makes_it_durable() -> None:
    at = AtCommit(shape(UPDATE))
    sent = [wire("BEGIN"), wire(UPDATE, "T"), wire("COMMIT", "T", connection=2), wire("COMMIT", "T")]
    assert [at(step) for step in [*sent, wire("COMMIT", "T")]] == [False, False, False, True, False]


def test_what_is_rolled_back_is_not_made_durable() -> None:
    at = AtCommit(shape(UPDATE))
    assert [at(wire(sql, "T")) for sql in (UPDATE, "ROLLBACK", "COMMIT")] == [False, False, False]


def test_outside_a_transaction_the_query_itself_or_the_sync_behind_it_makes_it_durable() -> None:
    assert AtCommit(shape(UPDATE))(wire(UPDATE, would_commit=True))
    at = AtCommit(shape(UPDATE))
    assert [at(wire(UPDATE)), at(wire(SYNC_COMMIT, would_commit=True))] == [False, True]


def test_a_write_that_does_not_show_is_held_itself() -> None:
    assert AtCommit("SELECT complete_task(?)")(wire("SELECT complete_task(7)"))
