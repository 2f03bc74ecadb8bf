"""3b.sigkill-recovered, 3b.recovery-waits and 3b.recovery-spares-live, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.events import WaitTimedOut
from grader.judgement import NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged

# ---------------------------------------------------------------- 3b.sigkill-recovered


def killed() -> Story:
    """Two workers; the first has a task in hand when it is killed."""
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0).claim("1", 1.1, "worker-A")
    story.note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    return story.signal("worker-A", "SIGKILL", 1.3).exit("worker-A", 1.31, -9, "client")


def freed(at: float) -> Story:
    """The other one frees the task, and completes it."""
    story = killed().update("1", at, "worker-B", status="pending", assigned_worker=None)
    return story.claim("1", at + 0.01, "worker-B").complete("1", at + 0.5, "worker-B")


def gave_up(story: Story) -> Story:
    return story.add(WaitTimedOut(at=8.3, waited_for="task 1 to be completed", seconds=7.0))


def test_a_task_that_is_freed_in_time_and_completed_passes() -> None:
    judgement = judged("3b.sigkill-recovered", freed(3.0))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "freed 1.9 s after its last sign of life, then completed"


@pytest.mark.parametrize(
    ("at", "patience", "verdict"),
    # 1.1, the last sign of life, and 1.5 of timeout, 0.2 of a poll, 0.4 of work, 1 s for each unit of patience.
    [(4.19, 1.0, Verdict.PASS), (4.21, 1.0, Verdict.FAIL), (5.19, 2.0, Verdict.PASS), (5.21, 2.0, Verdict.FAIL)],
)
def test_a_task_that_is_freed_late_fails(at: float, patience: float, verdict: Verdict) -> None:
    assert judged("3b.sigkill-recovered", freed(at), patience=patience).verdict is verdict


def test_the_time_counts_from_a_sign_of_life_that_could_be_seen_only_after_the_kill() -> None:
    story = killed().update("1", 1.35, "worker-A", description="still there")
    story.update("1", 4.3, "worker-B", status="pending", assigned_worker=None)
    judgement = judged("3b.sigkill-recovered", story.claim("1", 4.31, "worker-B").complete("1", 4.8, "worker-B"))
    assert judgement.verdict is Verdict.PASS
    assert str(judgement.observed).startswith("freed 2.9 s after")


def test_what_another_worker_did_to_the_task_before_the_victim_frees_nothing() -> None:
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0).update("1", 1.05, "worker-B", attempts=1)
    story.claim("1", 1.1, "worker-A").note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    story.update("1", 3.0, "worker-B", status="pending", assigned_worker=None)
    judgement = judged("3b.sigkill-recovered", story.claim("1", 3.01, "worker-B").complete("1", 3.5, "worker-B"))
    assert judgement.observed == "freed 1.9 s after its last sign of life, then completed"


def test_a_task_that_nobody_frees_fails_with_how_long_was_waited() -> None:
    judgement = judged("3b.sigkill-recovered", gave_up(killed()))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "task 1 still processing after 7 s"


def test_when_the_other_worker_had_ended_before_the_task_was_due_nobody_could_be_seen_to_free_it() -> None:
    story = gave_up(killed().exit("worker-B", 1.55, 1))
    with pytest.raises(NotObserved, match="worker-B had ended by itself before the task was due"):
        judged("3b.sigkill-recovered", story)


def test_a_worker_that_ends_over_the_task_that_is_due_fails() -> None:
    assert judged("3b.sigkill-recovered", gave_up(killed().exit("worker-B", 2.7, 1))).verdict is Verdict.FAIL


def test_a_claim_that_the_kill_rolled_back_needs_nobody_to_free_it() -> None:
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0)
    story.note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    story.exit("worker-A", 1.31, -9, "client").claim("1", 1.5, "worker-B").complete("1", 1.9, "worker-B")
    judgement = judged("3b.sigkill-recovered", story)
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "the kill rolled the claim back, and another worker completed the task"


def test_a_task_that_was_done_before_the_kill_says_nothing() -> None:
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").complete("1", 1.29, "worker-A")
    story.note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    with pytest.raises(NotObserved, match="completed before the worker died"):
        judged("3b.sigkill-recovered", story)


# ---------------------------------------------------------------- 3b.recovery-waits


def aged() -> Story:
    """A worker died; half of the timeout later there is another one."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").exit("worker-A", 1.3, -9)
    return story.note("aged", 2.0, task="1", seconds=1800.0).start("worker-B", 2.1)


def test_a_young_row_that_is_left_alone_passes() -> None:
    assert judged("3b.recovery-waits", aged().note("looked-enough", 3.5)).verdict is Verdict.PASS


def test_a_young_row_that_is_taken_back_fails() -> None:
    story = aged().update("1", 2.4, "worker-B", status="pending").note("looked-enough", 3.5)
    judgement = judged("3b.recovery-waits", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "taken back 0.4 s later"
    assert judgement.expected == "1800 s in processing with a timeout of 3600 s: left alone"


def test_of_a_young_row_that_is_moved_again_and_again_the_last_five_changes_are_told() -> None:
    story = aged()
    for number in range(6):
        story.update("1", 2.4 + number / 10, "worker-B", status="pending" if number % 2 == 0 else "processing")
    judgement = judged("3b.recovery-waits", story.note("looked-enough", 3.5))
    assert [round(line.at, 1) for line in judgement.evidence] == [2.5, 2.6, 2.7, 2.8, 2.9]


def test_a_row_whose_claim_was_rolled_back_may_be_claimed() -> None:
    story = Story().start("worker-A").insert("1", 1.0).exit("worker-A", 1.3, -9)
    story.note("aged", 2.0, task="1", seconds=1800.0).start("worker-B", 2.1).claim("1", 2.3, "worker-B")
    assert judged("3b.recovery-waits", story.note("looked-enough", 3.5)).verdict is Verdict.PASS


def test_a_second_worker_that_does_not_look_says_nothing() -> None:
    with pytest.raises(NotObserved, match="did not look"):
        judged("3b.recovery-waits", aged())


# ---------------------------------------------------------------- 3b.recovery-spares-live


def two() -> Story:
    """The second worker starts while the first one is at work."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").start("worker-B", 1.3)
    return story.note("second-looked", 1.8, task="1")


def test_a_live_worker_that_keeps_its_task_passes() -> None:
    assert judged("3b.recovery-spares-live", two().complete("1", 2.6, "worker-A")).verdict is Verdict.PASS


def test_a_second_worker_that_takes_the_task_back_fails() -> None:
    story = two().update("1", 1.9, "worker-B", status="pending").complete("1", 2.6, "worker-A")
    assert judged("3b.recovery-spares-live", story).observed == "worker-B took it back"


@pytest.mark.parametrize(
    ("completed", "reason"),
    [(None, "did not complete its task"), (1.7, "done before the second worker had looked")],
)
def test_a_task_that_was_not_in_hand_when_the_second_worker_looked_says_nothing(
    completed: float | None, reason: str
) -> None:
    story = two() if completed is None else two().complete("1", completed, "worker-A")
    with pytest.raises(NotObserved, match=reason):
        judged("3b.recovery-spares-live", story)
