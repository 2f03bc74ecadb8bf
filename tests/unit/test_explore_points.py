"""What has to hold wherever a signal comes, and how a point that broke it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from grader.explore.life import Connections, LifeStep, Place, Taken, steps_of
from grader.explore.point_lanes import SHOWN_AFTER, point_lanes
from grader.explore.point_rules import broken_point, place_words
from grader.explore.points import MOST_TURNS, Point, in_lane, point_of, points_of
from grader.explore.rules import Broken
from grader.explore.trace import GRADER, Entry
from grader.history.events import Moment, StepEnded
from grader.model import Counterexample
from grader.wire import SYNC_COMMIT, WireStep
from tests.unit.histories import Story

A, B = "worker-A", "worker-B"
CLAIM = "UPDATE tasks SET status = 'processing'"
DONE = "UPDATE tasks SET status = 'completed'"


def point(at: float = 9.0, **changed: Any) -> Moment:
    """The note of a kill of A after its claim; B rescues."""
    detail = {"signal": "SIGKILL", "step": 2, "where": "answer", "sql": CLAIM, "task": "7", "title": "title 7"}
    detail |= {"service": A, "inserted": 1.0, "sent": 3.0, "left": "processing", "rescuer": B, "done": True}
    return Moment(at=at, name="point", detail=detail | changed)


def stop(**changed: Any) -> Moment:
    return point(**{"signal": "SIGTERM", "exited": 0, "left": "completed", "rescuer": None, **changed})


def killed() -> Story:
    """A claims, and is killed."""
    story = Story().start(A).start(B).insert("7", 1.05).step(A, 1.9, CLAIM, took=0.2, tag="UPDATE 1")
    return story.claim("7", 2.0, A).signal(A, "SIGKILL", 3.0).exit(A, 3.1, status=-9)


def rescued() -> Story:
    story = killed().update("7", 4.0, B, status="pending", assigned_worker=None).claim("7", 4.5, B)
    return story.complete("7", 5.0, B)


def broken(story: Story, moment: Moment) -> Broken | None:
    return broken_point(story.history(), moment)


def rule(story: Story, moment: Moment) -> str | None:
    found = broken(story, moment)
    return found.rule if found else None


# ---------------------------------------------------------------- after a kill


def test_a_task_that_another_worker_recovers_and_completes_is_well() -> None:
    assert rule(rescued(), point()) is None


def test_a_task_that_was_completed_before_the_kill_is_well() -> None:
    assert rule(killed().complete("7", 2.9, A), point()) is None


def test_a_task_that_was_never_claimed_by_the_killed_one_is_well() -> None:
    story = Story().start(A).start(B).insert("7", 1.05).claim("7", 4.0, B).complete("7", 5.0, B)
    assert rule(story, point(where="before")) is None


def test_a_task_that_is_done_again_after_it_was_cut_off_is_well() -> None:
    assert rule(rescued(), point(left="processing")) is None


def test_a_task_that_is_not_completed_in_time_is_lost() -> None:
    found = broken(killed(), point(done=False))
    assert found is not None
    assert found.rule == "not-completed"
    assert found.sentence == (
        f"SIGKILL after the server did {CLAIM}, before the worker knew: "
        "task 7 is processing, and another worker does not bring it to its end"
    )


def test_a_task_that_is_gone_is_lost() -> None:
    found = broken(Story().start(A), point(done=False))
    assert found is not None
    assert "task 7 is gone from the table" in found.sentence


def test_a_task_that_both_complete_is_completed_twice() -> None:
    story = killed().complete("7", 2.9, A).complete("7", 5.0, B)
    found = broken(story, point())
    assert found is not None
    assert found.rule == "completed-twice"
    assert f"by {A} and by {B}" in found.sentence


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_completed_task_that_becomes_anything_else_is_brought_back(status: str) -> None:
    found = broken(killed().complete("7", 2.9, A).update("7", 4.0, B, status=status), point())
    assert found is not None
    assert found.rule == "brought-back"
    assert f"task 7 was completed, and then {B} set it {status}" in found.sentence


def test_a_completed_task_that_is_merely_written_again_is_well() -> None:
    assert rule(killed().complete("7", 2.9, A).update("7", 2.95, A, assigned_worker=None), point()) is None


def test_what_the_grader_sets_for_the_next_point_is_no_completion() -> None:
    assert (
        rule(
            rescued().update("7", 8.0, None, status="pending").update("7", 8.1, None, status="completed"), point()
        )
        is None
    )


# ---------------------------------------------------------------- after a stop


@pytest.mark.parametrize("left", ["pending", "completed"])
def test_a_worker_that_ends_with_status_0_and_leaves_nothing_in_hand_is_well(left: str) -> None:
    assert rule(killed(), stop(left=left)) is None


@pytest.mark.parametrize(
    ("changed", "wanted", "words"),
    [
        ({"exited": None}, "waits-for-ever", "worker-A did not end"),
        ({"exited": None, "left": "processing"}, "waits-for-ever", "worker-A did not end"),
        ({"left": "processing"}, "not-completed", "task 7 is left processing"),
        ({"left": "failed"}, "not-completed", "task 7 is left failed"),
        ({"left": None}, "not-completed", "task 7 is gone from the table"),
        ({"exited": 1, "left": "processing"}, "not-completed", "task 7 is left processing"),
        ({"exited": 1}, "worker-ended", "worker-A ended with exit status 1"),
        ({"exited": -15}, "worker-ended", "worker-A was ended by signal 15"),
    ],
)
def test_what_breaks_a_rule_after_a_stop(changed: dict[str, Any], wanted: str, words: str) -> None:
    found = broken(killed(), stop(**changed))
    assert found is not None
    assert (found.rule, found.at) == (wanted, 9.0)
    assert found.sentence.endswith(f": {words}")


@pytest.mark.parametrize(
    ("where", "sql", "words"),
    [
        ("before", CLAIM, f"SIGKILL before the server saw {CLAIM}"),
        ("answer", "COMMIT /* by Sync */", "SIGKILL after the server did COMMIT, before the worker knew"),
        ("answer", "/* only a comment */", "SIGKILL after the server did COMMIT, before the worker knew"),
        ("waiting", CLAIM, f"SIGKILL while {CLAIM} waited for a lock"),
        ("connecting", "(connects)", "SIGKILL while the worker was connecting"),
    ],
)
def test_a_place_is_told_in_words(where: str, sql: str, words: str) -> None:
    assert place_words(point(where=where, sql=sql)) == words


def test_long_sql_is_cut_in_the_words_of_a_place() -> None:
    assert len(place_words(point(sql="SELECT " + "x" * 500))) < 150


# ---------------------------------------------------------------- the points of a life


def test_every_step_has_a_point_before_it_and_one_behind_it() -> None:
    look, claim = Place("SELECT", "", 1), Place(CLAIM, "SELECT", 1)
    steps = [
        LifeStep(1, look, "pending", may_wait=False, is_idle=False),
        LifeStep(2, claim, "pending", may_wait=True, is_idle=False),
    ]
    assert [(p.number, p.where) for p in points_of(steps, connecting=False)] == [
        (1, "before"),
        (1, "answer"),
        (2, "before"),
        (2, "waiting"),
        (2, "answer"),
    ]
    assert points_of(steps, connecting=True)[0] == Point(
        0, Place("(connects to the database)", "", 1), "pending", "connecting"
    )


@pytest.mark.parametrize(("is_idle", "turns"), [(False, MOST_TURNS), (True, 1)])
def test_a_step_that_comes_round_all_the_time_has_points_for_its_first_turns_alone(
    is_idle: bool, turns: int
) -> None:
    steps = [
        LifeStep(turn, Place("SELECT", "", turn), "processing", may_wait=False, is_idle=is_idle)
        for turn in range(1, MOST_TURNS + 10)
    ]
    points = points_of(steps, connecting=False)
    assert {point.place.turn for point in points} == set(range(1, turns + 1))
    assert {point.is_idle for point in points} == {is_idle}


def sent(sql: str, connection: int = 1) -> WireStep:
    return WireStep(A, connection, None, 1, sql, (), "I", wrote=False, would_commit=False)


def answered(rows: int | None, tag: str = "SELECT 0", sqlstate: str | None = None) -> StepEnded:
    return StepEnded(
        at=1.0,
        service=A,
        connection=1,
        step=1,
        tag=tag,
        rows=rows,
        sqlstate=sqlstate,
        message=None,
        values=(),
        parameters=(),
        transaction="T",
        committed=False,
    )


def taken(step: WireStep, answer: StepEnded | None, fresh: bool = True) -> Taken:
    entry = Entry(A, step.sql, 1.0, step, 1, answer=answer)
    return Taken(entry, step.sql, "", fresh, "pending")


def idle(*steps: Taken) -> list[bool]:
    return [step.is_idle for step in steps_of(steps)]


def test_a_transaction_that_looked_and_met_nothing_is_idle_to_its_end() -> None:
    ended = taken(sent("COMMIT"), answered(None, "COMMIT"), fresh=False)
    assert idle(taken(sent("SELECT"), answered(0)), ended) == [True, True]


def test_a_transaction_that_met_a_row_anywhere_is_not_idle_nor_are_those_beside_it_by_that() -> None:
    looks, beside = taken(sent("SELECT"), answered(0)), taken(sent("SELECT", 2), answered(0))
    claims = taken(sent(CLAIM), answered(1, "UPDATE 1"), fresh=False)
    ends = taken(sent("COMMIT"), answered(None, "COMMIT"), fresh=False)
    assert idle(looks, beside, claims, ends) == [False, True, False, False]


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(taken(sent("SELECT"), None), id="its answer is not known"),
        pytest.param(taken(sent("SELECT"), answered(None, "", "40001")), id="it failed"),
        pytest.param(taken(sent("NOTIFY tasks"), answered(None, "NOTIFY")), id="it has no count of rows"),
        pytest.param(taken(sent(SYNC_COMMIT), answered(None, "")), id="a Sync makes an earlier statement durable"),
    ],
)
def test_in_doubt_a_step_is_not_idle(step: Taken) -> None:
    assert idle(step) == [False]


def test_another_row_lock_can_hold_up_the_first_statement_of_a_transaction_that_writes_a_row() -> None:
    writes = taken(sent(CLAIM), answered(1, "UPDATE 1"))
    later = taken(sent(CLAIM), answered(1, "UPDATE 1"), fresh=False)
    calls = taken(sent("SELECT claim_task()"), answered(1, "SELECT 1"))
    reads = taken(sent("SELECT id FROM tasks"), answered(1, "SELECT 1"))
    misses = taken(sent(CLAIM), answered(0, "UPDATE 0"))
    assert [step.may_wait for step in steps_of([writes, later, calls, reads, misses])] == [
        True,
        False,
        True,
        False,
        False,
    ]


def lane_points(*idle: bool) -> list[Point]:
    """Two points of each step."""
    return [
        Point(number, Place(f"SELECT {number}", "", 1), "pending", where, is_idle)
        for number, is_idle in enumerate(idle, 1)
        for where in ("before", "answer")
    ]


def test_the_lanes_have_every_point_once() -> None:
    points = lane_points(True, False, False, True, False)
    lanes = [in_lane(points, lane, 2) for lane in range(2)]
    assert sorted((*lanes[0], *lanes[1]), key=points.index) == points
    assert all(lanes)


def test_a_step_is_in_the_same_lane_however_many_looks_round_come_before_it() -> None:
    few, many = lane_points(True, False, False), lane_points(True, True, False, True, False)
    for lane in range(2):
        of_few = [point.where for point in in_lane(few, lane, 2) if not point.is_idle]
        of_many = [point.where for point in in_lane(many, lane, 2) if not point.is_idle]
        assert of_few == of_many == ["before", "answer"]
    assert [p.number for p in in_lane(few, 0, 2) if not p.is_idle] == [2, 2]
    assert [p.number for p in in_lane(many, 0, 2) if not p.is_idle] == [3, 3]


def test_a_place_is_found_again_whatever_the_values_but_only_after_the_same_statement() -> None:
    done = Place("UPDATE tasks SET status = 'completed' WHERE id = 7", "SELECT 1", 1)
    assert done.has("UPDATE tasks SET status = 'completed' WHERE id = 8", "SELECT 2")
    assert not done.has("UPDATE tasks SET status = 'completed' WHERE id = 8", "COMMIT")
    assert not done.has("DELETE FROM tasks", "SELECT 1")


def test_a_place_is_the_same_in_whatever_order_two_threads_took_turns_on_one_connection() -> None:
    looks, claims, ends = (sent("SELECT"), True), (sent(CLAIM), True), (sent(DONE), True)
    commit = (sent("COMMIT"), False)
    places = []
    for order in ((claims, commit, ends, commit, looks), (claims, commit, looks, ends, commit)):
        connections = Connections()
        places.append({connections.next(step, is_fresh=fresh) for step, fresh in order})
    assert places[0] == places[1]
    assert ("COMMIT", DONE) in places[0]
    assert (DONE, "") in places[0]


def test_connections_do_not_mix_in_what_came_before() -> None:
    connections = Connections()
    connections.next(sent("SELECT FOR UPDATE", 1), is_fresh=True)
    connections.next(sent("UPDATE heartbeats", 2), is_fresh=True)
    assert connections.next(sent("COMMIT", 1), is_fresh=False) == ("COMMIT", "SELECT FOR UPDATE")


def test_a_point_is_read_from_a_history_as_it_was_noted() -> None:
    detail = {"step": 2, "where": "answer", "sql": CLAIM, "after": "SELECT", "turn": 3, "status": "pending"}
    assert point_of(detail) == Point(2, Place(CLAIM, "SELECT", 3), "pending", "answer")


# ---------------------------------------------------------------- lanes


def lanes(story: Story, moment: Moment, seen: int = 3) -> Counterexample:
    return point_lanes(story.history(), moment, seen)


def lines(shown: Counterexample) -> list[tuple[str, str, str]]:
    return [(step.lane, step.text, step.result) for step in shown.steps]


def test_a_kill_after_the_answer_is_shown_where_it_came() -> None:
    shown = lanes(killed(), point(done=False))
    assert lines(shown) == [
        (A, CLAIM, "1 row; the worker is not told"),
        (GRADER, f"SIGKILL to {A}", ""),
        (A, "is ended by signal 9", ""),
    ]
    assert [step.number for step in shown.steps] == [1, 2, 3]
    assert shown.steps[0].changes == ("task 7: pending → processing, assigned_worker id-of-worker-A",)
    assert (shown.lanes, shown.setup) == ((A, GRADER, B), "task 7 is pending, “title 7”")
    assert (shown.schedule, shown.replays) == ("SIGKILL answer 2", 3)
    assert "does not bring it to its end" in shown.rule


def test_a_kill_before_the_server_saw_it_shows_the_statement_that_was_held() -> None:
    shown = lanes(killed(), point(where="before", sql=DONE, done=False))
    assert lines(shown)[1:3] == [
        (A, DONE, "held: the server does not see it"),
        (GRADER, f"SIGKILL to {A}", ""),
    ]


def test_a_kill_during_a_wait_shows_for_whom_it_waited() -> None:
    shown = lanes(killed(), point(where="waiting", done=False))
    assert lines(shown)[0] == (A, CLAIM, "1 row; it waits for the grader, which holds the row")


def test_a_stop_while_connecting_shows_no_statement() -> None:
    story = Story().start(A).insert("7", 1.05).signal(A, "SIGTERM", 3.0).exit(A, 3.5, status=1)
    shown = lanes(story, stop(where="connecting", exited=1))
    assert lines(shown) == [(GRADER, f"SIGTERM to {A}", ""), (A, "ends, exit status 1", "")]
    assert shown.lanes == (A, GRADER)


def test_lines_before_the_task_was_there_are_left_out() -> None:
    story = killed().step(A, 0.5, "SELECT id FROM tasks").step(A, 0.99, "SELECT id FROM tasks")
    assert lines(lanes(story, point(done=False)))[0][1] == CLAIM


def test_lines_after_the_note_and_those_without_effect_are_left_out() -> None:
    story = killed().step(A, 1.5, "BEGIN", tag="BEGIN").step(A, 9.5, "SELECT id FROM tasks")
    assert len(lanes(story, point(done=False)).steps) == 3


def test_of_the_other_worker_only_what_changed_the_task_is_shown() -> None:
    story = rescued().step(B, 3.5, "SELECT id FROM tasks").step(B, 4.9, DONE, took=0.2, tag="UPDATE 1")
    shown = [(text, result) for lane, text, result in lines(lanes(story, point())) if lane == B]
    assert shown == [(DONE, "1 row")]


def test_of_many_lines_after_the_signal_the_first_are_shown() -> None:
    story = killed()
    for number in range(30):
        story.step(A, 3.2 + number / 10, f"SELECT {number}0 FROM tasks")
    shown = lanes(story, stop(exited=1, left="processing"))
    assert len(shown.steps) == 1 + SHOWN_AFTER + 1


def test_a_statement_without_an_answer_and_one_that_failed_are_told() -> None:
    story = killed()
    story.step(A, 2.5, "SELECT id FROM tasks")
    story.events.pop()
    assert lines(lanes(story, point(done=False)))[1][2].startswith("no answer")
