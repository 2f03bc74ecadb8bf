"""The checks of schedules and points, judged on literal histories."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from grader.checkpoints.points import bears_every_signal, survives_every_crash
from grader.checkpoints.schedules import holds_in_every_order
from grader.declare import Check
from grader.history.timeline import History
from grader.judgement import Judgement, NotObserved
from grader.model import Counterexample, LaneStep, Verdict
from tests.unit.histories import Story

A, B = "worker-A", "worker-B"
TWICE = "task 7 was claimed twice: by worker-A, and then by worker-B"
SHOWN = Counterexample((A, B), (LaneStep(1, A, "SELECT"),), "one pending task", "a rule", "A B", 3)


def inconclusive(check: Check, *histories: History) -> str:
    with pytest.raises(NotObserved) as reason:
        check.judge(*histories)
    return str(reason.value)


# ---------------------------------------------------------------- 3b.interleavings


def explored(situation: str = "one pending task", **changed: Any) -> Story:
    detail = {"situation": situation, "settings": {}, "schedules": 50, "by_preemptions": {"0": 50}, "bound": 2}
    detail |= {"all_within_bound": True, "all_up_to": None, "left_out": 0, "waiting": 0, "undecided": 0}
    return Story().note("explored", 1.0, **{**detail, "reason": None, "seconds": 1.0, **changed})


def five(*changed: Story) -> list[History]:
    """The histories that the check takes; the first of them are given."""
    return [story.history() for story in (*changed, *[explored() for _ in range(5)][len(changed) :])]


def with_example(story: Story, **changed: Any) -> Story:
    seen = Story().start(A).start(B).insert("7", 1.0).claim("7", 2.0, A).claim("7", 2.5, B).complete("7", 3.0, B)
    detail = {"situation": "one pending task", "tasks": ["7"], "stuck": None, "rule": "claimed-twice"}
    events = [event.to_json() for event in seen.events]
    return story.note(
        "counterexample", 0.9, **{**detail, "shown": dataclasses.asdict(SHOWN), "events": events, **changed}
    )


def coverage(**changed: Any) -> str:
    judgement: Judgement = holds_in_every_order.judge(*five(explored(**changed)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.coverage is not None
    return judgement.coverage.split("; ")[0]


def test_every_rule_held_in_every_schedule() -> None:
    judgement = holds_in_every_order.judge(*five())
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "250 schedules, and every rule held in each"


def test_a_submission_in_which_nothing_can_be_stuck_has_one_situation_less() -> None:
    judgement = holds_in_every_order.judge(*five(explored(), explored(), Story().note("nothing-stuck", 1.0)))
    assert (judgement.verdict, judgement.observed) == (
        Verdict.PASS,
        "200 schedules, and every rule held in each",
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "one pending task: 50 schedules (all there are)"),
        ({"schedules": 1}, "one pending task: 1 schedule (all there are)"),
        ({"left_out": 3}, "one pending task: 50 schedules (all with at most 2 preemptions)"),
        ({"left_out": 3, "bound": 1}, "one pending task: 50 schedules (all with at most 1 preemption)"),
        ({"left_out": 3, "bound": 0}, "one pending task: 50 schedules (all with no preemption)"),
        ({"bound": None}, "one pending task: 50 schedules (all there are)"),
        (
            {"all_within_bound": False, "all_up_to": 1, "waiting": 9},
            "one pending task: 50 schedules (all with at most 1 preemption, and some more)",
        ),
        ({"all_within_bound": False, "all_up_to": -1, "waiting": 9}, "one pending task: 50 schedules (not all)"),
        (
            {"all_within_bound": False, "undecided": 2},
            "one pending task: 50 schedules (not all: 2 came to no end)",
        ),
        (
            {"settings": {"enable_sort": "off"}},
            "one pending task: 50 schedules under other plans (all there are)",
        ),
    ],
)
def test_how_much_was_explored_is_told_in_words(changed: dict[str, Any], words: str) -> None:
    assert coverage(**changed) == words


def test_all_with_so_many_preemptions_is_not_said_where_some_could_not_be_walked() -> None:
    words = coverage(all_within_bound=False, all_up_to=1, waiting=9, undecided=3)
    assert "all with" not in words


@pytest.mark.parametrize("place", range(5))
def test_a_counterexample_in_any_situation_fails(place: int) -> None:
    stories = [explored() for _ in range(5)]
    with_example(stories[place])
    judgement = holds_in_every_order.judge(*[story.history() for story in stories])
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == f"{TWICE} (one pending task)"
    assert judgement.counterexample == SHOWN
    assert judgement.hint is None, "the check's own"
    assert judgement.coverage is not None


def test_a_counterexample_outweighs_what_could_not_be_judged() -> None:
    histories = five(with_example(explored(schedules=0, reason="x")), Story().note("not-again", 1.0, rule="x"))
    assert holds_in_every_order.judge(*histories).verdict is Verdict.FAIL


def test_somebody_who_waits_for_ever_has_a_hint_of_its_own() -> None:
    events = [event.to_json() for event in Story().start(A).insert("7", 1.0).claim("7", 2.0, A).events]
    story = with_example(explored(), stuck="worker-B waits for worker-A", events=events)
    judgement = holds_in_every_order.judge(*five(story))
    assert judgement.observed == "worker-B waits for worker-A (one pending task)"
    assert judgement.hint is not None
    assert "lock" in judgement.hint


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (Story(), "the schedules were not walked"),
        (
            explored(schedules=0, reason="worker-A sent no statement"),
            "the schedules of one pending task could not be walked: worker-A sent no statement",
        ),
        (explored(schedules=0), "the schedules of one pending task could not be walked: no time"),
        (
            explored(undecided=6, reason="worker-A sent nothing more"),
            "the schedules of one pending task could not be walked: worker-A sent nothing more",
        ),
        (
            explored().note("not-again", 1.0, rule=TWICE, schedule="A B"),
            f"in one schedule {TWICE}, but not when the schedule was run again",
        ),
    ],
)
def test_what_could_not_be_judged_says_why(first: Story, reason: str) -> None:
    assert inconclusive(holds_in_every_order, *five(first)) == reason


def test_a_few_schedules_that_could_not_be_walked_are_borne() -> None:
    judgement = holds_in_every_order.judge(*five(explored(undecided=5, all_within_bound=False, reason="x")))
    assert judgement.verdict is Verdict.PASS


def test_a_recorded_schedule_that_breaks_no_rule_is_none() -> None:
    story = with_example(
        explored(),
        events=[
            e.to_json() for e in Story().start(A).insert("7", 1.0).claim("7", 2.0, A).complete("7", 3.0, A).events
        ],
    )
    assert inconclusive(holds_in_every_order, *five(story)) == "the recorded schedule breaks no rule"


# ---------------------------------------------------------------- 3b.crash-points, x.signal-points


PLACE = {"sql": "COMMIT", "after": "UPDATE", "turn": 1, "status": "pending"}


def tried(**changed: Any) -> Story:
    """A kill after which the task was completed, noted at 9 s; what is left out can be noted behind it."""
    story = Story().start(A).start(B).insert("7", 1.05).claim("7", 2.0, A).exit(A, 3.0, status=-9)
    return noted(story.claim("7", 4.0, B).complete("7", 5.0, B), **changed)


def noted(story: Story, at: float = 9.0, **changed: Any) -> Story:
    detail = {"signal": "SIGKILL", "step": 2, "where": "answer", "task": "7", "title": "title 7", **PLACE}
    detail |= {"service": A, "inserted": 1.0, "sent": 2.5, "left": "processing", "rescuer": B, "done": True}
    return story.note("point", at, **{**detail, **changed})


def over(story: Story, count: int = 3) -> History:
    return story.note("points", 20.0, signal="SIGKILL", count=count).history()


def stopped(**changed: Any) -> Story:
    return tried(signal="SIGTERM", exited=0, left="completed", rescuer=None, **changed)


def test_points_that_were_borne_pass_with_how_many() -> None:
    judgement = survives_every_crash.judge(over(tried()), over(tried(step=3)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "killed at 2 points, and nothing was lost"
    assert judgement.coverage == "2 of 6 points"


def test_a_stop_that_was_borne_passes() -> None:
    judgement = bears_every_signal.judge(over(stopped()), over(stopped(step=3)))
    assert judgement.observed == "told to stop at 2 points, and nothing was lost"


def test_a_point_that_broke_a_rule_each_time_fails_with_its_lanes() -> None:
    story = tried(done=False)
    for at in (10.0, 11.0):
        noted(story, at, done=False)
    judgement = survives_every_crash.judge(over(story), over(tried(step=3)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed is not None
    assert judgement.observed.startswith("SIGKILL after the server did COMMIT")
    assert judgement.hint is None
    assert judgement.counterexample is not None
    assert (judgement.counterexample.replays, judgement.counterexample.schedule) == (3, "SIGKILL answer 2")
    assert judgement.coverage == "2 of 6 points"


def each_time(**changed: Any) -> Story:
    """The same point, three times."""
    return noted(noted(tried(**changed), 10.0, **changed), 11.0, **changed)


@pytest.mark.parametrize(
    ("exited", "hint"),
    [(None, "keeps the process alive"), (1, "ends with status 0"), (-15, None)],
)
def test_ways_to_break_at_a_stop_are_told_from_each_other(exited: int | None, hint: str | None) -> None:
    story = each_time(signal="SIGTERM", exited=exited, left="completed", rescuer=None)
    judgement = bears_every_signal.judge(over(story), over(stopped(step=3)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.hint is None if hint is None else hint in str(judgement.hint)


def test_a_task_that_is_freed_after_a_kill_and_taken_by_nobody_is_told_from_one_that_is_not_freed() -> None:
    story = Story().start(A).start(B).insert("7", 1.05).claim("7", 2.0, A).exit(A, 3.0, status=-9)
    story.update("7", 4.0, B, status="pending")
    for at in (9.0, 10.0, 11.0):
        noted(story, at, done=False)
    judgement = survives_every_crash.judge(over(story), over(tried(step=3)))
    assert judgement.verdict is Verdict.FAIL
    assert "nobody takes it" in str(judgement.hint)


@pytest.mark.parametrize(
    ("is_done_again", "hint"),
    [(True, "must not be found again"), (False, "What is completed stays completed")],
)
def test_a_task_that_is_done_again_after_a_kill_is_told_from_one_that_is_brought_back(
    is_done_again: bool, hint: str
) -> None:
    story = each_time().start("worker-C").claim("7", 6.0, "worker-C")
    if is_done_again:
        story.complete("7", 7.0, "worker-C")
    judgement = survives_every_crash.judge(over(story), over(tried(step=3)))
    assert judgement.verdict is Verdict.FAIL
    assert hint in str(judgement.hint)


def test_a_point_that_broke_a_rule_and_then_held_is_inconclusive() -> None:
    story = noted(tried(done=False), 10.0)
    story.note("not-again", 11.0, signal="SIGKILL", step=2, where="answer", seen=1)
    reason = inconclusive(survives_every_crash, over(story), over(tried(step=3)))
    assert reason == "SIGKILL at step 2 broke a rule, and not when tried again"


def test_a_point_that_broke_a_rule_and_was_not_reached_again_is_inconclusive() -> None:
    story = tried(done=False)
    missed(story, step=2)
    story.note("not-again", 11.0, signal="SIGKILL", step=2, where="answer", seen=1)
    inconclusive(survives_every_crash, over(story), over(tried(step=3)))


def test_a_life_without_any_point_is_inconclusive() -> None:
    reason = inconclusive(survives_every_crash, over(Story(), 0), over(Story(), 0))
    assert reason == "there was no point at which a signal could be sent"


def test_points_of_which_no_list_could_be_made_say_why() -> None:
    story = Story().note("no-points", 1.0, reason="a worker by itself did not complete a task")
    assert inconclusive(survives_every_crash, story.history(), over(tried())) == (
        "a worker by itself did not complete a task"
    )


def test_points_that_were_not_tried_to_the_end_are_inconclusive() -> None:
    assert inconclusive(survives_every_crash, tried().history(), over(tried())) == "the points were not tried"


def test_too_many_points_that_were_not_reached_are_inconclusive_and_say_why() -> None:
    story = tried()
    for number in range(3, 6):
        missed(story, step=number, sql="SELECT 1")
    assert inconclusive(survives_every_crash, over(story), over(tried())) == (
        "at too many points this time it took another way"
    )


BEAT = "UPDATE tasks SET updated_at = now() WHERE id = 7"
ANOTHER_BEAT = "UPDATE tasks SET updated_at = now() WHERE id = 8"


def missed(story: Story, **changed: Any) -> Story:
    detail = {"step": 5, "where": "answer", "reason": "this time it took another way", **PLACE}
    return story.note("point-missed", 10.0, **{**detail, **changed})


def test_a_turn_that_did_not_come_is_made_up_for_by_another_turn_of_the_same_step() -> None:
    story = noted(tried(), 9.0, step=3, sql=BEAT)
    for turn in range(2, 5):
        missed(story, sql=ANOTHER_BEAT, turn=turn)
    judgement = survives_every_crash.judge(over(story, 5), over(tried(step=40), 1))
    assert judgement.verdict is Verdict.PASS
    assert judgement.coverage == "3 of 6 points; at 3 the worker did not come there"


@pytest.mark.parametrize(
    "other",
    [
        {"where": "before"},
        {"sql": "DELETE FROM tasks"},
        {"after": "SELECT 1"},
        {"status": "processing"},
    ],
    ids=["elsewhere in it", "another statement", "after another statement", "when the task is in other hands"],
)
def test_a_turn_that_did_not_come_is_made_up_for_by_no_other_step(other: dict[str, str]) -> None:
    story = tried()
    for turn in range(2, 5):
        missed(story, turn=turn, **other)
    reason = inconclusive(survives_every_crash, over(story, 5), over(tried(step=40), 1))
    assert reason == "at too many points this time it took another way"


def test_looks_round_that_did_not_come_this_time_are_no_loss() -> None:
    story = tried()
    for turn in range(2, 5):
        missed(story, turn=turn, sql="SELECT 1", idle=True)
    judgement = survives_every_crash.judge(over(story, 5), over(tried(step=40), 1))
    assert judgement.verdict is Verdict.PASS
    assert judgement.coverage == "2 of 6 points; at 3 the worker did not come there"


def test_histories_without_a_single_point_pass_nothing() -> None:
    empty = over(missed(Story(), step=1, where="before", reason="it did not connect"))
    assert "it did not connect" in inconclusive(survives_every_crash, empty, empty)


def test_a_few_points_that_were_not_reached_are_told() -> None:
    story = tried()
    for step in range(3, 23):
        noted(story, 9.0 + step / 100, step=step)
    missed(story, step=30, sql="SELECT 1")
    judgement = survives_every_crash.judge(over(story, 22), over(tried(step=40), 1))
    assert judgement.verdict is Verdict.PASS
    assert judgement.coverage == "22 of 23 points; at 1 the worker did not come there"


def test_a_step_that_nobody_has_to_wait_for_is_no_point() -> None:
    story = tried().note("need-not-wait", 10.0, step=2)
    assert survives_every_crash.judge(over(story, 2), over(tried(step=3), 1)).coverage == "2 of 2 points"
