"""The wire and the audit as witnesses of the same thing."""

from __future__ import annotations

from typing import Any

import pytest

from grader.history.events import (
    ConnectionOpened,
    ConnectionReady,
    Event,
    LimitHit,
    LogCut,
    RowChanged,
    StepBegan,
    StepEnded,
)
from grader.history.hits import limit_words, limits_hit
from grader.history.timeline import History
from grader.history.witnesses import CLOCK_TOLERANCE, disagreements

PID = 101
UPDATE = "UPDATE tasks SET status = 'processing' WHERE id = 7"


def connected() -> list[Event]:
    return [
        ConnectionOpened(at=0.0, service="worker-A", connection=1),
        ConnectionReady(at=0.1, service="worker-A", connection=1, backend_pid=PID),
    ]


def step(number: int, at: float, sql: str, tag: str = "", **other: Any) -> list[Event]:
    rows = int(tag.split()[-1]) if tag[-1:].isdigit() else None
    before, after = other.pop("before", "I"), other.pop("after", "I")
    fields: dict[str, Any] = {
        "sqlstate": None,
        "message": None,
        "values": (),
        "parameters": (),
        "committed": after == "I",
        **other,
    }
    common: dict[str, Any] = {"service": "worker-A", "connection": 1, "step": number}
    return [
        StepBegan(at=at, sql=sql, transaction=before, **common),
        StepEnded(at=at + 0.1, tag=tag, rows=rows, transaction=after, **common, **fields),
    ]


def change(at: float, *, operation: Any = "update", pid: int = PID, by_grader: bool = False) -> Event:
    return RowChanged(
        at=at,
        task="7",
        operation=operation,
        before={"id": 7},
        after={"id": 7},
        backend_pid=pid,
        transaction="9",
        committed_at=at,
        by_grader=by_grader,
    )


def told(*events: Event | list[Event]) -> list[str]:
    flat = [each for event in events for each in (event if isinstance(event, list) else [event])]
    return [evidence.text for evidence in disagreements(History(flat))]


def test_a_statement_with_its_change_is_what_happened() -> None:
    assert told(connected(), step(1, 1.0, UPDATE, "UPDATE 1"), change(1.05)) == []


def test_a_change_by_a_server_process_that_no_service_is_connected_to_came_by_another_way() -> None:
    [text] = told(connected(), change(1.05, pid=999))
    assert "server process 999" in text


def test_a_change_of_the_graders_own_needs_no_statement() -> None:
    assert told(connected(), change(1.05, pid=999, by_grader=True)) == []


def test_a_change_while_no_statement_was_under_way_was_not_made_by_one() -> None:
    [text] = told(connected(), step(1, 1.0, UPDATE, "UPDATE 1"), change(1.05), change(3.0))
    assert "no statement was under way" in text


def test_a_statement_whose_answer_never_came_may_have_changed_something_later() -> None:
    began, _ended = step(1, 1.0, UPDATE, "UPDATE 1")
    assert told(connected(), began, change(9.0)) == []


@pytest.mark.parametrize(
    "sql",
    [
        UPDATE,
        "update only public.tasks set status = 'completed'",
        'UPDATE "tasks" SET status = $1',
        "INSERT INTO tasks (title) VALUES ('x')",
        "DELETE FROM tasks WHERE id = 7",
        "/* a comment */ DELETE FROM public.tasks",
    ],
)
def test_a_statement_without_its_change_was_hidden_from_the_audit(sql: str) -> None:
    [text] = told(connected(), step(1, 1.0, sql, f"{sql.split()[0]} 1"))
    assert "the audit has 0 of 1 changes" in text


@pytest.mark.parametrize(
    ("sql", "tag"),
    [
        (UPDATE, "UPDATE 0"),
        ("UPDATE tasks_done SET x = 1", "UPDATE 1"),
        ("UPDATE notes SET task = 7", "UPDATE 1"),
        ("UPDATE other.tasks SET x = 1", "UPDATE 1"),
        ("WITH t AS (SELECT 1) UPDATE tasks SET x = 1", "UPDATE 1"),
        ("UPDATE tasks SET x = 1; SELECT 1", "UPDATE 1"),
        ("SELECT claim()", "SELECT 1"),
    ],
)
def test_what_a_statement_does_not_say_for_certain_proves_nothing(sql: str, tag: str) -> None:
    assert told(connected(), step(1, 1.0, sql, tag)) == []


def test_what_was_rolled_back_left_no_change() -> None:
    begin = step(1, 1.0, "BEGIN", "BEGIN", after="T")
    update = step(2, 1.2, UPDATE, "UPDATE 1", before="T", after="T")
    assert (
        told(connected(), begin, update, step(3, 1.4, "ROLLBACK", "ROLLBACK", before="T", committed=False)) == []
    )


def test_what_was_rolled_back_to_a_savepoint_proves_nothing() -> None:
    assert (
        told(
            connected(),
            step(1, 1.0, "BEGIN", "BEGIN", after="T"),
            step(2, 1.2, UPDATE, "UPDATE 1", before="T", after="T"),
            step(3, 1.4, "ROLLBACK TO a", "ROLLBACK", before="T", after="T"),
            step(4, 1.6, "COMMIT", "COMMIT", before="T"),
        )
        == []
    )


def test_the_changes_of_a_whole_transaction_are_counted_together() -> None:
    events = [
        *connected(),
        *step(1, 1.0, "BEGIN", "BEGIN", after="T"),
        *step(2, 1.2, UPDATE, "UPDATE 1", before="T", after="T"),
        *step(3, 1.4, UPDATE, "UPDATE 2", before="T", after="T"),
        *step(4, 2.6, "COMMIT", "COMMIT", before="T"),
        change(1.25),
        change(1.45),
    ]
    [text] = told(events)
    assert "2 of 3" in text
    assert told(events, change(1.46)) == []


def test_clocks_may_differ_a_little() -> None:
    assert told(connected(), step(1, 1.0, UPDATE, "UPDATE 1"), change(1.0 - CLOCK_TOLERANCE / 2)) == []


def test_a_record_without_the_wire_is_not_compared() -> None:
    assert told(change(1.0)) == []


def test_evidence_is_bounded() -> None:
    assert len(told(connected(), [change(float(number)) for number in range(100)])) == 5


# ---------------------------------------------------------------- limits


def test_limits_that_were_hit_are_told_once_each_in_their_order() -> None:
    hits = limits_hit(
        History(
            [
                LogCut(at=2.0, service="api", kept_bytes=100),
                LimitHit(at=1.0, service="worker-A", limit="memory: 1 GiB"),
                LimitHit(at=1.5, service="worker-A", limit="memory: 1 GiB"),
                LimitHit(at=3.0, service="scenario", limit="time: 300 s"),
            ]
        )
    )
    assert limit_words(hits) == (
        "worker-A hit a limit: memory: 1 GiB; api hit a limit: log: what came after the first 100 bytes is not kept;"
        " the scenario hit a limit: time: 300 s"
    )
