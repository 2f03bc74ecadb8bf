"""From a trace and its history to the lanes that a student reads."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from grader.explore.counterexample import MOST_LINES, length_until, to_counterexample
from grader.explore.rules import Broken
from grader.explore.trace import GRADER, Entry, Trace
from grader.history.events import StepEnded
from grader.model import Counterexample, LaneStep
from grader.wire import SYNC_COMMIT, WireStep
from tests.unit.histories import PIDS, Story

A, B = "worker-A", "worker-B"
SELECT = "SELECT id, title FROM tasks WHERE status = 'pending'"
UPDATE = "UPDATE tasks SET status = 'processing'"


class Script:
    """A trace written down: one entry after the other, numbered as they come."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.count = 0

    def step(
        self, lane: str, at: float, sql: str, *, took: float = 0.1, number: bool = True, **came: Any
    ) -> Script:
        entry = self.begin(lane, at, sql, number=number)
        entry.withheld = came.pop("withheld", False)
        self.trace.end(entry, answer(lane, **came), at + took)
        return self

    def begin(self, lane: str, at: float, sql: str, *, number: bool = True, waits_for: str | None = None) -> Entry:
        self.count += number
        step = WireStep(lane, PIDS[lane], PIDS[lane], 1, sql, (), "I", wrote=False, would_commit=False)
        entry = Entry(lane, sql, at, step, self.count if number else 0, waits_for=waits_for)
        self.trace.begin(entry)
        return entry

    def shown(self, at: float, story: Story | None = None, **more: Any) -> Counterexample:
        told = {
            "lanes": (A, B),
            "setup": "one pending task",
            "schedule": ("A", "B"),
            "titles": {"7": "title 7", "8": "title 8"},
            "replays": 3,
            **more,
        }
        broken = Broken("claimed-twice", "7", "task 7 was claimed twice", at, told.pop("since", None))
        history = (story or Story()).history()
        return to_counterexample(self.trace, history, broken, **told)

    def result(self, **more: Any) -> str:
        [step] = self.shown(9.0, **more).steps
        return step.result


def answer(lane: str, tag: str = "SELECT 0", rows: int | None = 0, **more: Any) -> StepEnded:
    told = {
        "at": 0.0,
        "service": lane,
        "connection": PIDS[lane],
        "step": 1,
        "tag": tag,
        "rows": rows,
        "sqlstate": None,
        "message": None,
        "values": (),
        "parameters": (),
        "transaction": "I",
        "committed": False,
    }
    return StepEnded(**{**told, **more})


# ---------------------------------------------------------------- lines and numbers


def test_lines_are_numbered_in_the_order_in_which_they_came() -> None:
    shown = Script().step(A, 1.0, SELECT).step(B, 2.0, SELECT).step(A, 3.0, UPDATE).shown(9.0)
    assert [(step.number, step.lane, step.text) for step in shown.steps] == [
        (1, A, SELECT),
        (2, B, SELECT),
        (3, A, UPDATE),
    ]
    assert (shown.lanes, shown.setup, shown.schedule, shown.replays) == ((A, B), "one pending task", "A B", 3)


def test_a_worker_that_never_had_its_turn_has_a_lane_all_the_same() -> None:
    assert Script().step(A, 1.0, SELECT).shown(9.0).lanes == (A, B)


def test_the_grader_has_a_lane_where_it_did_something() -> None:
    script = Script()
    script.trace.does("locks the row of task 7", 0.5)
    shown = script.step(A, 1.0, SELECT).shown(9.0)
    assert shown.lanes == (A, B, GRADER)
    assert shown.steps[0] == LaneStep(1, GRADER, "locks the row of task 7")


def test_a_statement_that_waits_has_two_lines_and_its_result_in_the_second() -> None:
    script = Script()
    entry = script.begin(B, 1.0, UPDATE, waits_for=A)
    script.step(A, 2.0, "COMMIT", tag="COMMIT", rows=None)
    script.trace.end(entry, answer(B, "UPDATE 1", 1), 2.5)
    first, _, last = script.shown(9.0).steps
    assert (first.waits_for, first.goes_on, first.result, first.transaction) == (A, False, "", None)
    assert (last.waits_for, last.goes_on, last.result, last.transaction) == (None, True, "1 row", "I")
    assert first.text == last.text == UPDATE


def test_a_statement_that_waits_to_the_end_has_one_line_without_a_result() -> None:
    script = Script()
    script.begin(B, 1.0, UPDATE, waits_for=A)
    [step] = script.shown(9.0).steps
    assert (step.waits_for, step.result, step.goes_on) == (A, "", False)


def test_steps_without_a_place_in_the_schedule_are_left_out() -> None:
    script = Script().step(A, 1.0, "BEGIN", tag="BEGIN", rows=None, number=False).step(A, 2.0, SELECT)
    assert [step.text for step in script.shown(9.0).steps] == [SELECT]


def test_a_step_without_a_place_is_shown_if_it_changed_a_row() -> None:
    story = Story().start(A).insert("7", 0.5).claim("7", 1.05, A)
    shown = Script().step(A, 1.0, UPDATE, number=False, tag="UPDATE 1", rows=1).shown(9.0, story)
    assert [step.text for step in shown.steps] == [UPDATE]


def test_of_many_lines_the_last_are_kept_and_numbered_from_one() -> None:
    script = Script()
    for number in range(MOST_LINES + 5):
        script.step(A, number * 1.0, f"SELECT {number}0")
    steps = script.shown(999.0).steps
    assert len(steps) == MOST_LINES
    assert (steps[0].number, steps[0].text) == (1, "SELECT 50")


def test_sql_is_on_one_line_without_comments_and_bounded() -> None:
    text = "SELECT 1 /* why */\n  FROM tasks -- because\n WHERE x = '" + "y" * 500 + "'"
    [step] = Script().step(A, 1.0, text).shown(9.0).steps
    assert step.text.startswith("SELECT 1 FROM tasks WHERE x = 'yyy")
    assert len(step.text) == 400


# ---------------------------------------------------------------- where the rule broke


def test_what_comes_after_the_rule_broke_is_left_out() -> None:
    script = Script().step(A, 1.0, SELECT).step(B, 2.0, UPDATE).step(A, 3.0, UPDATE)
    assert len(script.shown(2.05).steps) == 2
    assert length_until(script.trace, 2.05) == 2
    assert length_until(script.trace, float("inf")) == 3


def test_the_rule_is_told_with_the_steps_in_which_it_broke() -> None:
    script = Script().step(A, 1.0, UPDATE).step(A, 2.0, SELECT).step(B, 3.0, UPDATE)
    assert script.shown(3.05, since=1.05).rule == "task 7 was claimed twice (steps 1 and 3)"
    assert script.shown(3.05).rule == "task 7 was claimed twice (step 3)"
    assert script.shown(2.5).rule == "task 7 was claimed twice"


def test_a_rule_that_breaks_when_a_wait_is_over_is_told_with_the_line_of_the_end() -> None:
    script = Script()
    script.step(A, 1.0, UPDATE, tag="UPDATE 1", rows=1)
    entry = script.begin(B, 2.0, UPDATE, waits_for=A)
    script.step(A, 3.0, "COMMIT", tag="COMMIT", rows=None)
    script.trace.end(entry, answer(B, "UPDATE 1", 1), 3.5)
    script.step(A, 4.0, SELECT)
    shown = script.shown(3.4, since=1.05)
    assert shown.rule.endswith("(steps 1 and 4)")
    assert [step.goes_on for step in shown.steps] == [False, False, False, True]


# ---------------------------------------------------------------- results in words


@pytest.mark.parametrize(
    ("sql", "came", "words"),
    [
        (SELECT, {}, "nothing found"),
        (SELECT, {"tag": "SELECT 1", "rows": 1, "values": ("7", "title 7")}, "task 7"),
        (SELECT, {"tag": "SELECT 1", "rows": 1, "values": ("7",)}, "task 7"),
        (SELECT, {"tag": "SELECT 2", "rows": 2, "values": ("7", "title 7", "8", "title 8")}, "task 7, 8"),
        (SELECT, {"tag": "SELECT 2", "rows": 2, "values": ("x", "7")}, "2 rows"),
        (SELECT, {"tag": "SELECT 1", "rows": 1, "values": ("count",)}, "1 row"),
        (UPDATE, {"tag": "UPDATE 0", "rows": 0}, "0 rows"),
        (UPDATE, {"tag": "UPDATE 1", "rows": 1}, "1 row"),
        ("LOCK TABLE tasks", {"tag": "LOCK TABLE", "rows": None}, "done"),
        ("COMMIT", {"tag": "COMMIT", "rows": None}, "done"),
        ("COMMIT", {"tag": "ROLLBACK", "rows": None}, "rolled back"),
        (SYNC_COMMIT, {"tag": "COMMIT", "rows": None}, "done"),
        (UPDATE, {"tag": "", "rows": None, "sqlstate": "40001", "message": "no\nway"}, "error 40001: no way"),
        (UPDATE, {"tag": "UPDATE 1", "rows": 1, "withheld": True}, "1 row; the answer is withheld"),
        (SELECT, {"withheld": True}, "nothing found; the answer is withheld"),
    ],
)
def test_a_result_is_told_in_a_few_words(sql: str, came: dict[str, Any], words: str) -> None:
    assert Script().step(A, 1.0, sql, **came).result() == words


def test_a_connection_that_is_gone_is_told() -> None:
    script = Script()
    script.trace.end(script.begin(A, 1.0, UPDATE), None, 2.0)
    assert script.result() == "its connection is gone"


def test_changes_stand_at_the_statement_that_made_them() -> None:
    story = Story().start(A).start(B).insert("7", 0.5).claim("7", 2.05, B).complete("7", 3.05, B)
    script = Script().step(A, 2.0, UPDATE, took=0.3, tag="UPDATE 0").step(B, 2.02, UPDATE, tag="UPDATE 1", rows=1)
    first, second, third = script.step(B, 3.0, "UPDATE tasks SET status = 'completed'").shown(9.0, story).steps
    assert first.changes == ()
    assert second.changes == ("task 7: pending → processing, assigned_worker id-of-worker-B",)
    assert third.changes == ("task 7: processing → completed",)


def test_a_change_stands_at_the_end_of_a_statement_that_had_to_wait() -> None:
    story = Story().start(A).start(B).insert("7", 0.5).claim("7", 2.4, B)
    script = Script()
    entry = script.begin(B, 1.0, UPDATE, waits_for=A)
    script.trace.end(entry, answer(B, "UPDATE 1", 1), 2.5)
    first, last = script.shown(9.0, story).steps
    assert (first.changes, len(last.changes)) == ((), 1)


def test_what_the_grader_inserted_is_no_change_of_anybodys() -> None:
    story = Story().start(A).insert("7", 1.05)
    [step] = Script().step(A, 1.0, SELECT).shown(9.0, story).steps
    assert step.changes == ()


def test_a_counterexample_comes_back_from_json_as_it_was() -> None:
    story = Story().start(A).insert("7", 0.5).claim("7", 1.05, A)
    shown = Script().step(A, 1.0, UPDATE, tag="UPDATE 1", rows=1).shown(9.0, story)
    assert Counterexample.from_fields(json.loads(json.dumps(dataclasses.asdict(shown)))) == shown
