"""3b.sigkill-recovered, 3b.recovery-waits and 3b.recovery-spares-live, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.events import Stalled, WaitTimedOut
from grader.judgement import Judgement, NotObserved
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


AGAIN = "worker-A-again"


def restarted(at_work: float = 1.5) -> Story:
    """A worker is killed at work and started again, under the name that it had; then it is at work on another task."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A")
    story.note("killed", 1.3, task="1", victim="worker-A", other=AGAIN)
    story.signal("worker-A", "SIGKILL", 1.3).exit("worker-A", 1.31, -9, "client")
    return story.start(AGAIN, 1.4, WORKER_ID="id-of-worker-A").note("at-work-again", at_work)


def freed_again(at: float, at_work: float = 1.5) -> Story:
    """Its successor frees the task, and completes it."""
    story = restarted(at_work).update("1", at, AGAIN, status="pending", assigned_worker=None)
    return story.claim("1", at + 0.01, AGAIN, "id-of-worker-A").complete("1", at + 1.1, AGAIN)


def recovers(
    first: Story | None = None,
    second: Story | None = None,
    patience: float = 1.0,
    third: Story | None = None,
) -> Judgement:
    stories = (first or freed(3.0), second or freed_again(3.0), third or left(3.1))
    return judged("3b.sigkill-recovered", *stories, patience=patience)


def left(freed: float | None = None, status: str = "pending", looks: int = 8) -> Story:
    """A worker died; another one is told at 3 that its task is too old by now, and watched until 6."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").exit("worker-A", 1.3, -9)
    story.start("worker-B", 1.5).note("left-too-long", 3.0, task="1").update("1", 3.01, None)
    for number in range(looks):
        story.step("worker-B", 3.1 + number / 10, POLL)
    if freed is not None:
        story.update("1", freed, "worker-B", status=status)
    return story.note("watched-enough", 6.0)


def of_the_first(judgement: Judgement) -> str:
    """What it says of the two workers, where the one that was started again does well."""
    observed, _, rest = str(judgement.observed).partition("; started again under its name: ")
    assert rest == "freed 1.9 s after its last sign of life, then completed"
    return observed


def test_a_task_that_is_freed_in_time_and_completed_passes() -> None:
    judgement = recovers(freed(3.0))
    assert judgement.verdict is Verdict.PASS
    assert of_the_first(judgement) == "freed 1.9 s after its last sign of life, then completed"


@pytest.mark.parametrize(
    ("at", "patience", "verdict"),
    # 1.1, the last sign of life, and 1.5 of timeout, 0.2 of a poll, 0.4 of work, 1 s for each unit of patience.
    [(4.19, 1.0, Verdict.PASS), (4.21, 1.0, Verdict.FAIL), (5.19, 2.0, Verdict.PASS), (5.21, 2.0, Verdict.FAIL)],
)
def test_a_task_that_is_freed_late_fails(at: float, patience: float, verdict: Verdict) -> None:
    assert recovers(freed(at), patience=patience).verdict is verdict


def test_the_time_counts_from_a_sign_of_life_that_could_be_seen_only_after_the_kill() -> None:
    story = killed().update("1", 1.35, "worker-A", description="still there")
    story.update("1", 4.3, "worker-B", status="pending", assigned_worker=None)
    judgement = recovers(story.claim("1", 4.31, "worker-B").complete("1", 4.8, "worker-B"))
    assert judgement.verdict is Verdict.PASS
    assert str(judgement.observed).startswith("freed 2.9 s after")


def test_what_another_worker_did_to_the_task_before_the_victim_frees_nothing() -> None:
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0).update("1", 1.05, "worker-B", attempts=1)
    story.claim("1", 1.1, "worker-A").note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    story.update("1", 3.0, "worker-B", status="pending", assigned_worker=None)
    judgement = recovers(story.claim("1", 3.01, "worker-B").complete("1", 3.5, "worker-B"))
    assert of_the_first(judgement) == "freed 1.9 s after its last sign of life, then completed"


def test_a_task_that_nobody_frees_fails_with_how_long_was_waited() -> None:
    judgement = recovers(gave_up(killed()))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "task 1 still processing after 7 s"
    freed = recovers(gave_up(killed().update("1", 3.0, "worker-B", status="pending")))
    assert freed.observed == "task 1 still pending after 7 s"
    assert "nobody takes it" in str(freed.hint)
    assert judgement.hint != freed.hint


def test_when_the_other_worker_had_ended_before_the_task_was_due_nobody_could_be_seen_to_free_it() -> None:
    story = gave_up(killed().exit("worker-B", 1.55, 1))
    with pytest.raises(NotObserved, match="worker-B had ended by itself before the task was due"):
        recovers(story)


def test_a_worker_that_ends_over_the_task_that_is_due_fails() -> None:
    assert recovers(gave_up(killed().exit("worker-B", 2.7, 1))).verdict is Verdict.FAIL


def test_a_claim_that_the_kill_rolled_back_needs_nobody_to_free_it() -> None:
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0)
    story.note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    story.exit("worker-A", 1.31, -9, "client").claim("1", 1.5, "worker-B").complete("1", 1.9, "worker-B")
    judgement = recovers(story)
    assert judgement.verdict is Verdict.PASS
    assert of_the_first(judgement) == "the kill rolled the claim back, and another worker completed the task"


def test_a_task_that_was_done_before_the_kill_says_nothing() -> None:
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").complete("1", 1.29, "worker-A")
    story.note("killed", 1.3, task="1", victim="worker-A", other="worker-B")
    with pytest.raises(NotObserved, match="completed before the worker died"):
        recovers(story)


def test_a_task_that_a_successor_of_the_same_name_completes_passes_and_both_are_told() -> None:
    judgement = recovers(freed(3.1), freed_again(2.9))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == (
        "freed 2.0 s after its last sign of life, then completed; "
        "started again under its name: freed 1.8 s after its last sign of life, then completed"
    )
    assert [(line.at, line.service) for line in judgement.evidence if "SIGKILL" in line.text] == [
        (1.3, "worker-A"),
        (1.3, "worker-A"),
    ]


def test_a_successor_may_take_the_task_under_its_name_without_giving_it_back_first() -> None:
    story = restarted().claim("1", 3.0, AGAIN, "id-of-worker-A").complete("1", 4.0, AGAIN)
    assert str(recovers(second=story).observed).endswith(
        "name: freed 1.9 s after its last sign of life, then completed"
    )


def test_a_task_that_waits_for_another_name_than_that_of_its_owner_fails_with_a_hint_of_its_own() -> None:
    judgement = recovers(second=gave_up(restarted()))
    assert (judgement.verdict, judgement.observed) == (Verdict.FAIL, "task 1 still processing after 7 s")
    assert judgement.expected == "worker-A-again, which has the WORKER_ID of worker-A, completes the task"
    assert "A name does not say who lives" in str(judgement.hint)
    other = recovers(gave_up(killed()))
    assert (other.expected, other.hint) == ("worker-B completes the task", None)


@pytest.mark.parametrize(
    ("at", "patience", "verdict"),
    # As above, but with 1 s of work.
    [(4.79, 1.0, Verdict.PASS), (4.81, 1.0, Verdict.FAIL), (5.79, 2.0, Verdict.PASS), (5.81, 2.0, Verdict.FAIL)],
)
def test_a_task_that_a_successor_frees_late_fails(at: float, patience: float, verdict: Verdict) -> None:
    assert recovers(second=freed_again(at), patience=patience).verdict is verdict


def test_a_task_that_is_freed_late_is_told_with_the_work_that_may_have_kept_each_of_them() -> None:
    for first, second, work in ((freed(4.3), None, "0.4"), (None, freed_again(4.9), "1")):
        judgement = recovers(first, second)
        assert judgement.expected == f"freed within one timeout and one poll (1.7 s; {work} s more when busy)"
        assert "on every round" in str(judgement.hint)


@pytest.mark.parametrize(
    ("first", "second"), [(gave_up(killed()), Story()), (Story(), gave_up(restarted())), (freed(4.3), Story())]
)
def test_either_way_of_dying_fails_although_the_other_one_was_not_seen(first: Story, second: Story) -> None:
    assert recovers(first, second).verdict is Verdict.FAIL


@pytest.mark.parametrize(("first", "second"), [(None, Story()), (Story(), None)])
def test_both_ways_of_dying_have_to_be_seen(first: Story | None, second: Story | None) -> None:
    with pytest.raises(NotObserved, match="^no worker was killed while it worked$"):
        recovers(first, second)


def test_when_both_are_broken_the_other_worker_is_told_of() -> None:
    assert recovers(gave_up(killed()), gave_up(restarted())).expected == "worker-B completes the task"


@pytest.mark.parametrize(("at", "verdict"), [(6.19, Verdict.PASS), (6.21, Verdict.FAIL)])
def test_a_successor_whose_start_takes_long_has_its_time_from_when_it_is_at_work(
    at: float, verdict: Verdict
) -> None:
    judgement = recovers(second=freed_again(at, at_work=4.0))
    assert judgement.verdict is verdict
    marks = [line for line in judgement.evidence if line.text.startswith("at work on another task")]
    assert [(line.at, line.service) for line in marks] == [(4.0, AGAIN)]


@pytest.mark.parametrize(("exits", "is_due"), [(3.9, False), (4.1, True)])
def test_a_task_is_not_due_before_the_successor_is_at_work(exits: float, is_due: bool) -> None:
    story = gave_up(restarted(at_work=4.0).exit(AGAIN, exits, 1))
    if is_due:
        assert recovers(second=story).verdict is Verdict.FAIL
    else:
        with pytest.raises(NotObserved, match="had ended by itself before the task was due"):
            recovers(second=story)


def test_a_task_that_is_completed_and_was_never_claimed_again_was_never_worked_on() -> None:
    judgement = recovers(killed().complete("1", 3.0, "worker-B"))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "worker-B claims the task anew, works on it, and completes it"
    assert judgement.observed == (
        "task 1 was completed 1.7 s after SIGKILL, and nobody had claimed it again: its work was never done"
    )
    assert "Complete the one task that was worked on" in str(judgement.hint)
    freed_only = restarted().update("1", 3.0, AGAIN, status="pending").complete("1", 3.1, AGAIN)
    assert (
        recovers(second=freed_only).expected
        == "worker-A-again, which has the WORKER_ID of worker-A, claims the task anew, works on it, and completes it"
    )


def test_where_only_the_successor_fails_most_of_the_points_are_reached() -> None:
    stuck, again = gave_up(killed()), gave_up(restarted())
    assert (recovers(second=again).share, recovers(stuck).share, recovers(stuck, again).share) == (5 / 7, 0.0, 0.0)


def test_a_sign_of_life_from_the_successor_frees_nothing() -> None:
    story = restarted().update("1", 2.0, AGAIN, description="seen").update("1", 9.0, AGAIN, status="pending")
    judgement = recovers(second=story.claim("1", 9.1, AGAIN, "id-of-worker-A").complete("1", 10.2, AGAIN))
    assert (judgement.verdict, judgement.observed) == (Verdict.FAIL, "after 7.9 s")


@pytest.mark.parametrize(("completed", "verdict"), [(3.94, Verdict.FAIL), (3.96, Verdict.PASS)])
def test_a_task_that_goes_straight_to_the_successor_is_worked_on_before_it_is_completed(
    completed: float, verdict: Verdict
) -> None:
    judgement = recovers(second=restarted().update("1", 3.0, AGAIN).complete("1", completed, AGAIN))
    assert judgement.verdict is verdict
    assert verdict is Verdict.PASS or "its work was never done" in str(judgement.observed)


@pytest.mark.parametrize("status", [0, 1])
def test_a_successor_that_had_ended_before_the_task_was_due_could_not_be_seen_to_free_it(status: int) -> None:
    with pytest.raises(NotObserved, match="^worker-A-again had ended by itself before the task was due$"):
        recovers(second=gave_up(restarted().exit(AGAIN, 2.5, status)))


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_task_that_has_become_too_old_is_freed_or_taken_over_at_the_next_poll(status: str) -> None:
    assert recovers(third=left(3.4, status)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("at", "patience", "verdict"),
    # 0.2 s of a poll, and 1 s for each unit of patience
    [(4.19, 1.0, Verdict.PASS), (4.21, 1.0, Verdict.FAIL), (5.19, 2.0, Verdict.PASS), (5.21, 2.0, Verdict.FAIL)],
)
def test_a_task_that_has_become_too_old_waits_for_one_poll_and_no_longer(
    at: float, patience: float, verdict: Verdict
) -> None:
    assert recovers(third=left(at), patience=patience).verdict is verdict


def test_time_in_which_the_machine_stood_still_is_no_delay_of_a_recovery() -> None:
    assert recovers(third=left(4.6).add(Stalled(at=3.9, seconds=0.5))).verdict is Verdict.PASS


def test_recovery_by_a_clock_of_its_own_fails_with_how_long_it_was_waited_for_and_keeps_most_points() -> None:
    judgement = recovers(third=left())
    assert (judgement.verdict, judgement.observed) == (
        Verdict.FAIL,
        "still processing 3.0 s and 8 statements later",
    )
    assert judgement.expected == "freed at the next poll (0.2 s) once the timeout has passed"
    assert "not on a clock of its own" in str(judgement.hint)
    assert round(judgement.share, 2) == 0.71
    assert recovers(third=left(5.0)).observed == "freed 2.0 s and 8 statements later"


def test_a_worker_that_polls_too_late_frees_late_as_well_and_that_is_not_judged_twice() -> None:
    assert recovers(third=left(5.0, looks=7)).verdict is Verdict.PASS
    setting_up = left(5.0, looks=0)
    for number in range(20):
        setting_up.step("worker-B", 3.1 + number / 20, "SET TIME ZONE 'UTC'")
    assert recovers(third=setting_up).verdict is Verdict.PASS


def test_where_nothing_was_left_in_processing_nothing_is_recovered_late() -> None:
    rolled_back = Story().start("worker-A").insert("1", 1.0).exit("worker-A", 1.3, -9).start("worker-B", 1.5)
    taken = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").exit("worker-A", 1.3, -9)
    taken.start("worker-B", 1.5).claim("1", 2.0, "worker-B").note("left-too-long", 3.0, task="1")
    for story in (rolled_back.note("not-left", 3.0, task="1"), taken.note("watched-enough", 6.0)):
        assert recovers(third=story).verdict is Verdict.PASS


@pytest.mark.parametrize("noted", [(), ("left-too-long",)])
def test_a_task_that_was_not_made_too_old_or_not_watched_says_nothing(noted: tuple[str, ...]) -> None:
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").exit("worker-A", 1.3, -9)
    for name in noted:
        story.note(name, 3.0, task="1")
    with pytest.raises(NotObserved):
        recovers(third=story)


def test_recovery_that_fails_where_the_timeout_is_short_is_told_before_one_that_is_late() -> None:
    assert recovers(gave_up(killed()), third=left()).observed == "task 1 still processing after 7 s"


# ---------------------------------------------------------------- 3b.recovery-waits


def aged() -> Story:
    """A worker died; half of the timeout later there is another one."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A").exit("worker-A", 1.3, -9)
    return story.note("aged", 2.0, task="1", seconds=1800.0).start("worker-B", 2.1)


def test_a_young_row_that_is_left_alone_passes() -> None:
    assert judged("3b.recovery-waits", aged().note("looked-enough", 3.5)).verdict is Verdict.PASS


def test_a_row_that_is_taken_back_once_it_is_too_old_was_left_alone_before() -> None:
    story = aged().note("looked-enough", 3.5).note("left-too-long", 3.5, task="1")
    assert (
        judged("3b.recovery-waits", story.update("1", 3.7, "worker-B", status="pending")).verdict is Verdict.PASS
    )


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
    """The second worker starts while the first one is at work, and looks for tasks."""
    return beside().step("worker-B", 1.6, POLL)


POLL = "SELECT id FROM tasks WHERE status = 'pending'"


def beside() -> Story:
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


@pytest.mark.parametrize(("at", "looks"), [(1.4, True), (1.799, True), (1.8, False), (1.9, False)])
def test_a_second_worker_has_to_have_looked_when_it_is_said_to(at: float, looks: bool) -> None:
    story = beside().step("worker-B", at, POLL).complete("1", 2.6, "worker-A")
    if looks:
        assert judged("3b.recovery-spares-live", story).verdict is Verdict.PASS
    else:
        with pytest.raises(NotObserved, match="^the second worker did not look for tasks$"):
            judged("3b.recovery-spares-live", story)


@pytest.mark.parametrize(("service", "sql"), [("worker-B", "SET TIME ZONE 'UTC'"), ("worker-A", POLL)])
def test_neither_setting_up_nor_what_the_first_worker_sends_is_a_look_of_the_second(
    service: str, sql: str
) -> None:
    story = beside().step(service, 1.6, sql).complete("1", 2.6, "worker-A")
    with pytest.raises(NotObserved, match="did not look for tasks"):
        judged("3b.recovery-spares-live", story)


def test_a_second_worker_that_takes_the_task_back_has_done_so_whatever_it_was_seen_to_send() -> None:
    story = beside().update("1", 1.7, "worker-B", status="pending")
    assert judged("3b.recovery-spares-live", story).verdict is Verdict.FAIL
