"""3b.atomic-claim, from literal histories."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grader.checkpoints import all_checks
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import PIDS, Story
from tests.unit.judging import lines

CHECK = next(check for check in all_checks() if check.id == "3b.atomic-claim")
A, B = "worker-A", "worker-B"
WINDOWS = ("UPDATE tasks SET status", "COMMIT")


def judged(story: Story) -> Judgement:
    return CHECK.judge(story.history())


def held(task: str, windows: Sequence[str] = WINDOWS, looked: Sequence[bool] = (True, True)) -> Story:
    """Both workers run; a claim of the task is held before each of these statements, from 1.1 on."""
    story = Story().start(A).start(B).insert(task, 1.0)
    for number, (sql, seen) in enumerate(zip(windows, looked, strict=False)):
        at = round(1.1 + number / 10, 2)
        story.note("held", at, task=task, sql=sql).note("let-go", at + 0.05, looked=seen)
    return story


def over(story: Story, task: str, at: float = 1.9) -> Story:
    return story.note("claimed-in-the-end", at, task=task)


def claimed(windows: Sequence[str] = WINDOWS, looked: Sequence[bool] = (True, True)) -> Story:
    """One worker got task 7 after it was held, and completed it."""
    return over(held("7", windows, looked).claim("7", 1.3, A).complete("7", 1.7, A), "7")


def cut_off(story: Story) -> Story:
    """The connection of the first worker was closed when it would have committed a claim of task 8."""
    story.insert("8", 3.0).note("cut", 3.1, task="8", pid=PIDS[A], sql="COMMIT")
    return story.note("cut-off", 3.2, task="8", pid=PIDS[A])


# ---------------------------------------------------------------- one worker gets the task


@pytest.mark.parametrize("number", [1, 2])
def test_one_worker_that_gets_the_task_passes_with_the_number_of_statements_that_were_held(number: int) -> None:
    judgement = judged(claimed(WINDOWS[:number]))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == f"held at {number} statements, and one worker got it"


def test_the_evidence_of_a_pass_is_the_life_of_the_task_and_what_was_held_in_the_order_of_time() -> None:
    assert lines(judged(claimed())) == [
        (1.0, "task 7 inserted, pending", None),
        (1.1, "held before: UPDATE tasks SET status", A),
        (1.2, "held before: COMMIT", A),
        (1.3, "task 7: pending → processing, assigned_worker id-of-worker-A", A),
        (1.7, "task 7: processing → completed", A),
    ]


def test_a_long_statement_is_cut_at_a_hundred_characters() -> None:
    judgement = judged(claimed(["U" * 100, "V" * 101]))
    assert [line.text for line in judgement.evidence[1:3]] == [
        f"held before: {'U' * 100}",
        f"held before: {'V' * 99}…",
    ]


def test_a_claim_that_is_one_statement_is_held_nowhere_and_passes() -> None:
    judgement = judged(claimed(windows=()))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "claim and change are one statement: nothing can come in between"
    assert [at for at, _, _ in lines(judgement)] == [1.0, 1.3, 1.7]


def test_a_claim_that_is_one_statement_and_then_is_cut_off_passes() -> None:
    judgement = judged(cut_off(claimed(windows=())))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "claim and change are one statement: nothing can come in between"


def test_the_other_worker_may_be_the_one_that_gets_the_task() -> None:
    story = over(held("7").claim("7", 1.15, B).complete("7", 1.6, B), "7")
    assert judged(story).verdict is Verdict.PASS


def test_a_task_that_is_taken_over_from_a_worker_that_ended_passes() -> None:
    story = held("7").claim("7", 1.3, A).exit(A, 1.4, 1).claim("7", 1.5, B).complete("7", 1.7, B)
    assert judged(over(story, "7")).verdict is Verdict.PASS


def test_a_task_that_two_workers_claim_fails_and_names_them_in_their_order() -> None:
    story = held("7").claim("7", 1.15, B).claim("7", 1.3, A).complete("7", 1.7, A)
    judgement = judged(over(story, "7"))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "one worker gets the task"
    assert judgement.observed == "task 7 was claimed by worker-B, worker-A"
    assert [(at, service) for at, _, service in lines(judgement)] == [
        (1.0, None),
        (1.1, A),
        (1.15, B),
        (1.2, A),
        (1.3, A),
        (1.7, A),
    ]


def test_a_task_that_was_claimed_once_and_completed_by_two_fails() -> None:
    story = held("7").claim("7", 1.3, A).complete("7", 1.6, A).complete("7", 1.7, B)
    judgement = judged(over(story, "7"))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "one worker gets the task"
    assert judgement.observed == "task 7 was claimed by worker-A, and completed by worker-A, worker-B"


def test_a_task_that_two_workers_claim_fails_also_where_the_other_one_was_not_seen_to_look() -> None:
    story = held("7", looked=(False, False)).claim("7", 1.15, B).claim("7", 1.3, A).complete("7", 1.7, A)
    assert judged(over(story, "7")).verdict is Verdict.FAIL


# ---------------------------------------------------------------- several tasks


def second(story: Story) -> Story:
    """A second task, of which the claim is held once more."""
    story.insert("9", 2.0).note("held", 2.1, task="9", sql="COMMIT")
    return story.note("let-go", 2.15, looked=True)


def test_of_several_tasks_all_statements_are_counted_and_the_last_task_is_told_of() -> None:
    story = second(claimed()).claim("9", 2.2, B).complete("9", 2.6, B)
    judgement = judged(over(story, "9", 2.8))
    assert judgement.observed == "held at 3 statements, and one worker got it"
    assert [(at, service) for at, _, service in lines(judgement)] == [(2.0, None), (2.1, A), (2.2, B), (2.6, B)]


def test_a_second_task_that_is_claimed_twice_fails() -> None:
    story = second(claimed()).claim("9", 2.12, B).claim("9", 2.2, A).complete("9", 2.6, A)
    assert judged(over(story, "9", 2.8)).observed == "task 9 was claimed by worker-B, worker-A"


def test_a_first_task_that_is_claimed_twice_fails_whatever_comes_after() -> None:
    story = held("7").claim("7", 1.15, B).claim("7", 1.3, A).complete("7", 1.7, A)
    story = second(over(story, "7")).claim("9", 2.2, B).complete("9", 2.6, B)
    assert judged(over(story, "9", 2.8)).observed == "task 7 was claimed by worker-B, worker-A"


# ---------------------------------------------------------------- a claim that is cut off


def test_a_claim_that_leaves_the_task_pending_when_it_is_cut_off_passes() -> None:
    judgement = judged(cut_off(claimed()))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "held at 2 statements, and one worker got it, then cut off: pending"


def test_a_task_that_somebody_else_claims_after_the_cut_passes() -> None:
    assert judged(cut_off(claimed()).claim("8", 3.3, B)).verdict is Verdict.PASS


def test_a_change_by_the_connection_that_was_cut_fails() -> None:
    judgement = judged(cut_off(claimed()).claim("8", 3.15, A))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a claim that is cut off before its COMMIT leaves the task pending"
    assert judgement.observed == "task 8 was processing afterwards"
    assert lines(judgement) == [
        (3.15, "task 8: pending → processing, assigned_worker id-of-worker-A", A),
    ]


def test_of_several_changes_by_the_connection_that_was_cut_the_last_one_says_how_the_task_was_left() -> None:
    story = cut_off(claimed()).claim("8", 3.12, A).complete("8", 3.15, A).update("8", 3.3, B, title="new")
    judgement = judged(story)
    assert judgement.observed == "task 8 was completed afterwards"
    assert [at for at, _, _ in lines(judgement)] == [3.12, 3.15]


def test_a_change_by_the_connection_that_was_cut_fails_also_where_the_other_worker_did_not_look() -> None:
    story = cut_off(claimed(looked=(False, False))).claim("8", 3.15, A)
    assert judged(story).observed == "task 8 was processing afterwards"


# ---------------------------------------------------------------- what cannot be judged


@pytest.mark.parametrize(
    ("looked", "enough"), [((True, False), True), ((False, True), True), ((False, False), False)]
)
def test_the_other_worker_has_to_look_at_least_once_while_the_claim_is_held(
    looked: tuple[bool, bool], enough: bool
) -> None:
    if enough:
        assert judged(claimed(looked=looked)).verdict is Verdict.PASS
    else:
        with pytest.raises(NotObserved, match="^the other worker did not look while the claim was held$"):
            judged(claimed(looked=looked))


def test_a_claim_that_was_held_and_not_let_go_was_not_looked_at() -> None:
    story = Story().start(A).start(B).insert("7", 1.0).note("held", 1.1, task="7", sql="COMMIT")
    story = over(story.claim("7", 1.3, A).complete("7", 1.7, A), "7")
    with pytest.raises(NotObserved, match="^the other worker did not look while the claim was held$"):
        judged(story)


def test_a_task_that_is_not_completed_in_the_end_says_nothing() -> None:
    with pytest.raises(NotObserved, match="^the task was not claimed and completed$"):
        judged(held("7").claim("7", 1.3, A))


def test_a_task_that_no_worker_touched_says_nothing() -> None:
    with pytest.raises(NotObserved, match="^no worker claimed the task$"):
        judged(over(held("7").update("7", 1.7, None, status="completed"), "7"))


def test_a_completion_without_a_claim_and_a_claim_without_a_completion_are_the_work_of_one_worker() -> None:
    assert judged(over(held("7").complete("7", 1.7, A), "7")).verdict is Verdict.PASS
    assert judged(over(held("7").claim("7", 1.3, A), "7")).verdict is Verdict.PASS


def test_what_the_cut_connection_had_written_while_the_task_was_pending_is_no_claim() -> None:
    story = claimed().insert("8", 3.0).update("8", 3.02, A, assigned_worker=f"id-of-{A}")
    story.note("cut", 3.1, task="8", pid=PIDS[A], sql="UPDATE").note("cut-off", 3.2, task="8", pid=PIDS[A])
    assert judged(story.claim("8", 3.5, B)).verdict is Verdict.PASS
