"""3b.skip-locked and 3b.oldest-first, from literal histories."""

from __future__ import annotations

import random

import pytest

from grader.checkpoints.queue import SHUFFLED, arranged
from grader.judgement import NotObserved
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, lines, times
from tests.unit.stories import without

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"


# ---------------------------------------------------------------- 3b.skip-locked


def locked(*, freed: bool = True) -> Story:
    """Task 1, the oldest, is locked from 0.7 to 1.2; the worker claims task 2 meanwhile."""
    story = Story().insert("1", 0.5).insert("2", 0.6).note("row-locked", 0.7, task="1", other="2").start(A)
    story.claim("2", 1.0, A).complete("2", 1.1, A).note("row-let-go", 1.2)
    return story.claim("1", 1.3, A).complete("1", 1.4, A) if freed else story


def next_claim(story: Story, *, sql: str | None = "UPDATE tasks", free: int = 19, claimed: bool = True) -> Story:
    return story.note("claim-held", 2.0, claimed=claimed, sql=sql, tasks=20, free=free)


def comes_late(at: float) -> Story:
    """The worker claims both tasks from this moment on."""
    story = Story().insert("1", 0.5).insert("2", 0.6).note("row-locked", 0.7, task="1", other="2").start(A)
    story.note("row-let-go", 1.2).claim("2", at, A).complete("2", at + 0.05, A)
    return next_claim(story.claim("1", 1.4, A).complete("1", 1.5, A))


def test_the_next_task_taken_while_the_oldest_is_locked_passes_with_how_soon_that_was() -> None:
    judgement = judged("3b.skip-locked", next_claim(locked()))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "task 2 claimed 0.30 s after it came, with task 1 locked"
    assert lines(judgement) == [
        (0.7, "task 1 locked by the grader", None),
        (1.0, "task 2: pending → processing, assigned_worker id-of-worker-A", A),
        (1.2, "lock let go", None),
        (1.3, "task 1: pending → processing, assigned_worker id-of-worker-A", A),
    ]


def test_of_several_claims_under_the_lock_the_first_one_counts() -> None:
    story = Story().insert("1", 0.5).insert("2", 0.6).note("row-locked", 0.7, task="1", other="2").start(A)
    story.claim("2", 0.8, A).update("2", 0.9, A, status="pending").claim("2", 1.0, A).complete("2", 1.1, A)
    story.note("row-let-go", 1.2).claim("1", 1.3, A).complete("1", 1.4, A)
    observed = judged("3b.skip-locked", next_claim(story)).observed
    assert observed == "task 2 claimed 0.10 s after it came, with task 1 locked"


@pytest.mark.parametrize(("at", "verdict"), [(1.199, Verdict.PASS), (1.2, Verdict.FAIL), (1.25, Verdict.FAIL)])
def test_only_a_claim_before_the_lock_is_let_go_passes_over_the_row(at: float, verdict: Verdict) -> None:
    assert judged("3b.skip-locked", comes_late(at)).verdict is verdict


def test_a_worker_that_waits_for_the_lock_fails_with_how_long_nothing_was_claimed() -> None:
    judgement = judged("3b.skip-locked", comes_late(1.25))
    assert judgement.expected == "task 2 claimed while task 1 is locked"
    assert judgement.observed == "nothing claimed for 0.5 s, until the lock was let go"
    assert "one UPDATE without a lock clause" in str(judgement.hint)
    assert lines(judgement) == [
        (0.7, "task 1 locked by the grader", None),
        (1.2, "lock let go", None),
        (1.25, "task 2: pending → processing, assigned_worker id-of-worker-A", A),
        (1.4, "task 1: pending → processing, assigned_worker id-of-worker-A", A),
    ]


def test_a_worker_that_claims_nothing_at_all_gets_the_hint_of_the_check() -> None:
    story = Story().insert("1", 0.5).insert("2", 0.6).note("row-locked", 0.7, task="1", other="2").start(A)
    judgement = judged("3b.skip-locked", story.note("row-let-go", 4.83))
    assert (judgement.verdict, judgement.hint) == (Verdict.FAIL, None)
    assert judgement.observed == "nothing claimed for 4.1 s, until the lock was let go"


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_task_that_is_never_worked_off_after_the_lock_was_let_go_fails(status: str) -> None:
    story = locked(freed=False)
    if status != "pending":
        story.update("1", 1.3, A, status=status)
    judgement = judged("3b.skip-locked", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "task 1 taken after the lock was let go"
    assert judgement.observed == f"task 1 stayed {status}"
    assert times(judgement) == ([0.5] if status == "pending" else [0.5, 1.3])


@pytest.mark.parametrize(("free", "verdict"), [(0, Verdict.FAIL), (1, Verdict.PASS), (19, Verdict.PASS)])
def test_a_claim_may_lock_some_tasks_but_not_all(free: int, verdict: Verdict) -> None:
    assert judged("3b.skip-locked", next_claim(locked(), free=free)).verdict is verdict


def test_a_claim_that_locks_all_tasks_fails_and_names_the_statement_before_which_it_was_held() -> None:
    judgement = judged("3b.skip-locked", next_claim(locked(), sql="U" * 101, free=0))
    assert judgement.expected == "a claim locks the task that it takes; the others stay free for other workers"
    assert judgement.observed == "while a claim is under way, all 20 pending tasks are locked"
    assert "Without LIMIT 1" in str(judgement.hint)
    assert times(judgement) == [0.5, 1.3, 1.4, 2.0]
    assert lines(judgement)[-1] == (2.0, f"held before: {'U' * 99}…", A)


def test_a_statement_of_a_hundred_characters_is_shown_whole() -> None:
    judgement = judged("3b.skip-locked", next_claim(locked(), sql="U" * 100, free=0))
    assert judgement.evidence[-1].text == f"held before: {'U' * 100}"


def test_a_claim_without_a_transaction_to_be_held_in_passes_whatever_is_free() -> None:
    assert judged("3b.skip-locked", next_claim(locked(), sql=None, free=0)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("row-locked", "the worker never came to its first poll"),
        ("row-let-go", "the scenario came to no end"),
        ("claim-held", "the scenario came to no end"),
    ],
)
def test_a_lock_that_was_not_seen_from_beginning_to_end_says_nothing(missing: str, reason: str) -> None:
    with pytest.raises(NotObserved, match=f"^{reason}$"):
        judged("3b.skip-locked", without(next_claim(locked()), missing))


def test_a_worker_that_claims_nothing_more_says_nothing_of_what_a_claim_locks() -> None:
    with pytest.raises(NotObserved, match="^the worker claimed nothing more$"):
        judged("3b.skip-locked", next_claim(locked(), claimed=False))


def passes_over(sql: str | None, free: int, *, claimed: bool = True) -> CheckResult:
    return graded("3b.skip-locked", next_claim(locked(), sql=sql, free=free, claimed=claimed).history())


def test_a_claim_that_locks_its_own_row_or_has_no_transaction_passes() -> None:
    assert passes_over("UPDATE …", 19).verdict is PASS
    assert passes_over(None, 0).verdict is PASS


def test_a_claim_that_locks_every_row_fails() -> None:
    result = passes_over("UPDATE …", 0)
    assert (result.verdict, result.observed) == (
        FAIL,
        "while a claim is under way, all 20 pending tasks are locked",
    )


def test_a_worker_that_claims_nothing_more_decides_nothing() -> None:
    assert passes_over(None, 20, claimed=False).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3b.oldest-first


AGES = {"1": 15.4, "2": 12.0, "3": 10.0}


@pytest.mark.parametrize("seed", range(50))
def test_whatever_else_a_worker_goes_by_it_begins_with_another_task_than_the_oldest(seed: int) -> None:
    ages, changed = arranged(random.Random(seed).sample(range(SHUFFLED), SHUFFLED))
    assert sorted(ages) == [10.0 + number for number in range(SHUFFLED)]
    oldest, inserted = ages.index(max(ages)), list(range(SHUFFLED))
    unchanged = [number for number in inserted if number not in changed]
    by_last_change = sorted(unchanged, key=lambda number: -ages[number]) + changed
    in_the_table = unchanged + changed
    by_age = sorted(inserted, key=lambda number: -ages[number])
    for order in (inserted, by_last_change, in_the_table):
        assert oldest not in (order[0], order[-1])
    assert by_age[-1] != oldest == by_age[0]


def shuffled(order: str, ages: dict[str, float] | None = None) -> Story:
    """The tasks with these ages are claimed in this order, the first at 2.0, one a second."""
    ages = AGES if ages is None else ages
    story = Story().start(A)
    for task in ages:
        story.insert(task, 1.0)
    story.note("shuffled", 1.1, ages=ages)
    for number, task in enumerate(order):
        story.claim(task, 2.0 + number, A).complete(task, 2.5 + number, A)
    return story


def test_tasks_in_the_order_of_their_ages_pass() -> None:
    judgement = judged("3b.oldest-first", shuffled("123"))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "1 (15 s old), 2 (12 s old), 3 (10 s old)"


@pytest.mark.parametrize("order", ["132", "213", "231", "312", "321"])
def test_every_other_order_fails_and_is_told(order: str) -> None:
    judgement = judged("3b.oldest-first", shuffled(order))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "oldest first"
    assert judgement.observed == ", ".join(f"{task} ({AGES[task]:.0f} s old)" for task in order)
    assert times(judgement) == [2.0, 3.0, 4.0]
    assert judgement.evidence[0].text.startswith(f"task {order[0]}: pending → processing")


@pytest.mark.parametrize("order", ["12", "21"])
def test_tasks_of_the_same_age_have_no_order(order: str) -> None:
    assert judged("3b.oldest-first", shuffled(order, {"1": 12.0, "2": 12.0})).verdict is Verdict.PASS


@pytest.mark.parametrize(("order", "verdict"), [("123456", Verdict.PASS), ("213456", Verdict.FAIL)])
def test_six_tasks_are_all_told_of(order: str, verdict: Verdict) -> None:
    judgement = judged("3b.oldest-first", shuffled(order, {str(n): 20.0 - n for n in range(1, 7)}))
    assert judgement.verdict is verdict
    assert judgement.observed == ", ".join(f"{task} ({20 - int(task)} s old)" for task in order)


@pytest.mark.parametrize(("order", "verdict"), [("1234567", Verdict.PASS), ("2134567", Verdict.FAIL)])
def test_more_than_six_are_counted(order: str, verdict: Verdict) -> None:
    judgement = judged("3b.oldest-first", shuffled(order, {str(n): 20.0 - n for n in range(1, 8)}))
    assert judgement.verdict is verdict
    assert str(judgement.observed).endswith("6 (14 s old) and 1 more")


def test_tasks_that_are_none_of_these_have_no_part_in_the_order() -> None:
    story = Story().start(A).insert("0", 0.5).claim("0", 0.6, A).complete("0", 0.7, A)
    story.add(*shuffled("123").events).insert("9", 5.1).claim("9", 5.2, A)
    judgement = judged("3b.oldest-first", story)
    assert judgement.observed == "1 (15 s old), 2 (12 s old), 3 (10 s old)"


@pytest.mark.parametrize(
    ("at", "verdict"),
    # The younger task is claimed at 2.0; 2.001 is when everybody can see it.
    [(1.9, Verdict.PASS), (2.001, Verdict.PASS), (2.002, Verdict.FAIL)],
)
def test_only_a_claim_that_was_sent_after_the_younger_one_stood_is_out_of_order(
    at: float, verdict: Verdict
) -> None:
    story = (
        Story().start(A).start(B).insert("1", 1.0).insert("2", 1.0).note("shuffled", 1.1, ages={"1": 12, "2": 10})
    )
    story.claim("2", 2.0, B).step(A, at, "BEGIN", tag="BEGIN", after="T")
    story.step(A, 2.4, "UPDATE tasks", tag="UPDATE 1", before="T", after="T").claim("1", 2.4, A)
    assert judged("3b.oldest-first", story).verdict is verdict


def test_a_claim_that_changes_the_row_in_the_moment_in_which_the_younger_one_stands_is_in_order() -> None:
    story = (
        Story().start(A).start(B).insert("1", 1.0).insert("2", 1.0).note("shuffled", 1.1, ages={"1": 12, "2": 10})
    )
    story.claim("2", 2.0, B).claim("1", 2.001, A)
    assert judged("3b.oldest-first", story).verdict is Verdict.PASS


def test_tasks_that_were_not_inserted_say_nothing() -> None:
    with pytest.raises(NotObserved, match="^the tasks were not inserted$"):
        judged("3b.oldest-first", without(shuffled("123"), "shuffled"))


@pytest.mark.parametrize("order", ["", "12", "21", "23"])
def test_a_task_that_nobody_claimed_leaves_the_order_open(order: str) -> None:
    with pytest.raises(NotObserved, match=f"^{len(order)} of 3 tasks were claimed$"):
        judged("3b.oldest-first", shuffled(order))


EIGHT = {str(number): 20.0 - number for number in range(1, 9)}


@pytest.mark.parametrize(
    ("order", "verdict"),
    [("123", Verdict.PASS), ("1234", Verdict.PASS), ("124", Verdict.FAIL), ("876", Verdict.FAIL)],
)
def test_of_many_tasks_the_first_three_claims_show_the_order(order: str, verdict: Verdict) -> None:
    assert judged("3b.oldest-first", shuffled(order, EIGHT)).verdict is verdict


def test_of_many_tasks_two_claims_show_no_order() -> None:
    with pytest.raises(NotObserved, match="^2 of 8 tasks were claimed$"):
        judged("3b.oldest-first", shuffled("12", EIGHT))


def test_a_task_that_is_claimed_again_does_not_stand_for_another_one() -> None:
    story = shuffled("12").update("2", 4.0, A, status="pending").claim("2", 4.1, A)
    with pytest.raises(NotObserved, match="^2 of 3 tasks were claimed$"):
        judged("3b.oldest-first", story)


def two_tasks() -> Story:
    """Two workers, and two tasks of different ages."""
    story = Story().start(A).start(B).insert("1", 1.0).insert("2", 1.0)
    return story.note("shuffled", 1.1, ages={"1": 12.0, "2": 10.0})


def test_a_task_that_comes_back_is_not_out_of_order() -> None:
    story = two_tasks().claim("1", 2.0, A).claim("2", 2.1, B).complete("2", 2.2, B)
    story.update("1", 2.3, A, status="pending").claim("1", 2.4, A).complete("1", 2.5, A)
    assert judged("3b.oldest-first", story).verdict is Verdict.PASS


def test_a_task_that_somebody_takes_over_is_not_out_of_order() -> None:
    story = two_tasks().claim("1", 2.0, A).claim("2", 2.1, A).complete("2", 2.15, A).exit(A, 2.2, 1)
    assert judged("3b.oldest-first", story.claim("1", 3.0, B)).verdict is Verdict.PASS
