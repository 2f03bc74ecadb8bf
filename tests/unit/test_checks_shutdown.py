"""3a.sigterm-finishes-task: each way to fail it has a hint of its own, from literal histories."""

from __future__ import annotations

from grader.checkpoints import all_checks
from grader.history.events import ChildrenLeft, WaitTimedOut
from grader.judgement import Judgement
from grader.model import Verdict
from tests.unit.histories import Story, undisturbed

CHECK = next(check for check in all_checks() if check.id == "3a.sigterm-finishes-task")


def at_work() -> Story:
    """A worker has a task in hand when SIGTERM comes."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A")
    return story.signal("worker-A", "SIGTERM", 1.3)


def told_twice() -> Story:
    """A worker that completes its task after a second SIGTERM."""
    story = at_work().signal("worker-A", "SIGTERM", 1.5)
    return story.complete("1", 1.9, "worker-A").exit("worker-A", 2.0)


def judged(story: Story) -> Judgement:
    return CHECK.judge(story.history(), told_twice().history(), undisturbed(0.4).history())


def hint_of(story: Story) -> str:
    judgement = judged(story)
    assert judgement.verdict is Verdict.FAIL
    return judgement.hint or CHECK.hint


def test_a_task_that_is_completed_before_an_exit_with_status_zero_passes() -> None:
    assert judged(at_work().complete("1", 1.9, "worker-A").exit("worker-A", 2.0)).verdict is Verdict.PASS


def test_without_a_handler_the_hint_says_that_nothing_caught_the_signal() -> None:
    assert "Nothing caught SIGTERM" in hint_of(at_work().exit("worker-A", 1.303, -15))


def test_behind_a_wrapper_the_hint_says_where_the_signal_went() -> None:
    story = at_work().exit("worker-A", 1.303, -15)
    story.add(ChildrenLeft(at=1.304, service="worker-A", commands=("python -m worker",)))
    assert "passed nothing on" in hint_of(story)


def test_a_handler_that_exits_is_told_from_no_handler() -> None:
    assert "a handler that exits" in hint_of(at_work().exit("worker-A", 1.31, 0))


def test_a_finished_worker_that_stays_is_asked_what_keeps_it_alive() -> None:
    gave_up = WaitTimedOut(at=11.3, waited_for="worker-A to exit", seconds=10.0)
    story = at_work().complete("1", 1.9, "worker-A").add(gave_up)
    assert "something keeps it alive" in hint_of(story)
    assert judged(story).observed == "task 1 completed, still running 10 s after SIGTERM"
    assert "nobody set it" in hint_of(at_work().add(gave_up))


def test_a_worker_that_goes_on_claiming_never_learned_of_the_signal() -> None:
    story = at_work().complete("1", 1.9, "worker-A").insert("2", 1.95).claim("2", 2.0, "worker-A")
    story.add(WaitTimedOut(at=11.3, waited_for="worker-A to exit", seconds=10.0))
    assert "the loop never learned of it" in hint_of(story)


def test_several_tasks_in_hand_of_which_some_are_finished() -> None:
    story = Story().start("worker-A").insert("1", 1.0).insert("2", 1.0).claim("1", 1.1, "worker-A")
    story.claim("2", 1.2, "worker-A").signal("worker-A", "SIGTERM", 1.3).complete("1", 1.9, "worker-A")
    assert "more tasks than it finished" in hint_of(story.exit("worker-A", 2.0))


def test_a_finished_task_with_another_exit_status() -> None:
    story = at_work().complete("1", 1.9, "worker-A").exit("worker-A", 2.0, 1)
    assert "the exit status alone is wrong" in hint_of(story)
    assert judged(story).observed == "task 1 completed, status 1"


def test_where_nothing_better_is_known_the_hint_is_that_of_the_check() -> None:
    assert hint_of(at_work().exit("worker-A", 1.4, 1)) == CHECK.hint
