"""3b.skip-locked, 3b.oldest-first, 3b.end-to-end and 3b.burst, from literal histories.

More of 3b.end-to-end and 3b.burst is in test_checks_client.py, more of 3b.skip-locked in test_checks_held.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from grader.history.events import Event, HttpExchange, Moment, WaitTimedOut
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged

A, B = "worker-A", "worker-B"
Row = dict[str, Any]


def lines(judgement: Judgement) -> list[tuple[float, str, str | None]]:
    return [(line.at, line.text, line.service) for line in judgement.evidence]


def times(judgement: Judgement) -> list[float]:
    return [line.at for line in judgement.evidence]


def without(story: Story, name: str) -> Story:
    """The same, as if the scenario had not noted this."""
    return Story().add(*[e for e in story.events if not (isinstance(e, Moment) and e.name == name)])


def never_up(story: Story) -> Story:
    return story.add(WaitTimedOut(at=10.0, waited_for="api to answer GET /health", seconds=10.0))


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


# ---------------------------------------------------------------- 3b.oldest-first

AGES = {"1": 15.4, "2": 12.0, "3": 10.0}


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
    with pytest.raises(NotObserved, match="^not all of the tasks were claimed$"):
        judged("3b.oldest-first", shuffled(order))


def test_a_task_that_is_claimed_again_does_not_stand_for_another_one() -> None:
    story = shuffled("12").update("2", 4.0, A, status="pending").claim("2", 4.1, A)
    with pytest.raises(NotObserved, match="^not all of the tasks were claimed$"):
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


# ---------------------------------------------------------------- 3b.end-to-end

FIRST = {"title": "first", "description": "as it was posted"}
NEW = {"title": "new", "description": "after the change"}
DONE = {"id": 1, "title": "first", "status": "completed"}


def first_task(*, read: Any = DONE, status: int | None = 200, **final: Any) -> Story:
    """A client posts a task and reads it twice; the worker completes it, and leaves ``final`` in its row."""
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.insert("1", 1.001, by="api", **FIRST).note("posted", 1.1, task="1", title="first")
    story.ask("GET", "/tasks/1", 1.15, 200, {**DONE, "status": "pending"})
    story.claim("1", 1.2, A).update("1", 1.7, A, status="completed", **final)
    return story.ask("GET", "/tasks/1", 1.8, status, read).note("looked", 1.9, task="1")


def second_task(story: Story, claimed: float | None = 2.25, completed: float | None = 2.75) -> Story:
    """A second one, which the client does not get to change."""
    story.insert("2", 2.0, by="api", title="second").note("posted-again", 2.1, task="2")
    if claimed is not None:
        story.claim("2", claimed, A)
    return story if completed is None else story.complete("2", completed, A)


def changed(*, put: int | None = 200, completes: bool = True, path: str = "/tasks/2", **final: Any) -> Story:
    """A second one, which the client changes while the worker works on it."""
    story = second_task(first_task(), completed=None)
    story.note("changed-at-work", 2.4, task="2", **NEW).ask("PUT", path, 2.41, put, {}, NEW)
    if put == 200:
        story.update("2", 2.415, "api", **NEW)
    return story.update("2", 2.75, A, status="completed", **final) if completes else story


def test_the_whole_way_of_two_tasks_passes() -> None:
    judgement = judged("3b.end-to-end", changed())
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "posted, claimed, completed, seen by the client; a PUT in between was kept"
    assert times(judgement) == [2.0, 2.25, 2.75]


def test_an_api_service_that_never_answers_is_said_to_be_the_fault() -> None:
    judgement = judged("3b.end-to-end", never_up(Story().start("api")))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "no answer in 10 s"


def test_a_task_that_is_not_in_the_table_fails_with_the_answer_to_its_post() -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    judgement = judged("3b.end-to-end", story.ask("POST", "/tasks", 5.0, 201, {"id": 2}, FIRST))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task that is posted is there"
    assert judgement.observed == "status 201, and no task with this title in the table"
    assert "POST has to store the task" in str(judgement.hint)
    assert times(judgement) == [1.0]


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (
            Story().start("api").start(A).ask("GET", "/health", 0.5, 200, {}),
            "the api-service and the worker did not come up",
        ),
        (without(changed(), "looked"), "the scenario came to no end"),
        (without(without(changed(), "posted-again"), "changed-at-work"), "no second task was created"),
        (changed(path="/tasks/3"), "no PUT was sent"),
    ],
)
def test_a_scenario_that_broke_off_says_nothing(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=f"^{reason}$"):
        judged("3b.end-to-end", story)


def test_a_task_that_was_not_read_says_nothing() -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.insert("1", 1.001, by="api", **FIRST).note("posted", 1.1, task="1", title="first")
    story.ask("GET", "/tasks/11", 1.2, 200, DONE).note("looked", 1.9, task="1")
    with pytest.raises(NotObserved, match="^the task was not read$"):
        judged("3b.end-to-end", story)


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_task_that_is_not_completed_fails_with_the_status_that_it_has(status: str) -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.insert("1", 1.001, by="api", **FIRST).note("posted", 1.1, task="1", title="first")
    if status != "pending":
        story.update("1", 1.2, A, status=status)
    story.ask("GET", "/tasks/1", 1.3, 200, DONE).ask("GET", "/tasks/1", 9.2, 200, DONE).note("looked", 9.3)
    judgement = judged("3b.end-to-end", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task that is posted becomes completed"
    assert judgement.observed == f"in the table it is {status}"
    assert times(judgement) == ([1.001, 9.2] if status == "pending" else [1.001, 1.2, 9.2])


def test_a_task_that_is_not_in_the_table_although_it_was_seen_there_fails() -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.note("posted", 1.1, task="1", title="first").ask("GET", "/tasks/1", 1.2, 404, {}).note("looked", 9.3)
    judgement = judged("3b.end-to-end", story)
    assert judgement.observed == "the task is not in the table"
    assert times(judgement) == [1.2]


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (404, {"detail": "none"}, "status 404"),
        (500, DONE, "status 500"),
        (201, DONE, "status 201"),
        (None, None, "ReadTimeout"),
        (200, {"id": 1}, 'GET answers {"id": 1}'),
        (200, "completed", 'GET answers "completed"'),
        (
            200,
            {"status": "processing", "title": "x" * 60},
            f'GET answers {{"status": "processing", "title": "{"x" * 24}…',
        ),
        (200, {"id": 1, "title": "x" * 33}, f'GET answers {{"id": 1, "title": "{"x" * 33}"}}'),
    ],
)
def test_a_task_that_the_client_does_not_see_completed_fails_with_both_sides(
    status: int | None, body: Any, seen: str
) -> None:
    judgement = judged("3b.end-to-end", first_task(read=body, status=status))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "GET shows the task completed"
    assert judgement.observed == f"in the table it is completed, and {seen}"
    assert "GET asks the table each time" in str(judgement.hint)
    assert times(judgement) == [1.001, 1.2, 1.7, 1.8]


@pytest.mark.parametrize(
    ("final", "observed"),
    [
        ({"title": "other"}, "title is “other”"),
        ({"description": None}, "description is “None”"),
        ({"title": "a", "description": "b"}, "title is “a” and description is “b”"),
        ({"title": "x" * 60}, f"title is “{'x' * 60}”"),
        ({"title": "x" * 61}, f"title is “{'x' * 59}…”"),
    ],
)
def test_a_worker_that_writes_over_what_was_posted_fails_with_what_stands_there(final: Row, observed: str) -> None:
    judgement = judged("3b.end-to-end", first_task(**final))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "title and description as posted"
    assert judgement.observed == observed
    assert times(judgement) == [1.001, 1.2, 1.7]


@pytest.mark.parametrize(
    ("claimed", "completed"),
    [(2.25, 2.49), (None, 2.75)],
)
def test_a_task_that_was_in_hand_for_too_short_to_be_changed_passes(
    claimed: float | None, completed: float
) -> None:
    judgement = judged("3b.end-to-end", second_task(first_task(), claimed, completed))
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "posted, claimed, completed, seen by the client; never in hand for long"
    assert times(judgement) == [at for at in (2.0, claimed, completed) if at is not None]


@pytest.mark.parametrize(
    ("claimed", "completed"),
    # The work lasts for 0.5 s: half of it is enough for a change.
    [(2.25, 2.5), (2.25, 2.51), (2.25, None), (None, None)],
)
def test_a_task_that_could_have_been_changed_at_work_and_was_not_says_nothing(
    claimed: float | None, completed: float | None
) -> None:
    with pytest.raises(NotObserved, match="^no task was in hand when the client changed it$"):
        judged("3b.end-to-end", second_task(first_task(), claimed, completed))


def test_a_takeover_does_not_make_the_time_in_hand_shorter() -> None:
    story = second_task(first_task(), completed=None).claim("2", 2.65, B).complete("2", 2.75, B)
    with pytest.raises(NotObserved, match="^no task was in hand when the client changed it$"):
        judged("3b.end-to-end", story)


def test_of_several_claims_and_completions_the_first_ones_say_how_long_a_task_was_in_hand() -> None:
    story = second_task(first_task(), 2.25, 2.4).claim("2", 2.5, B).complete("2", 9.0, B)
    assert judged("3b.end-to-end", story).verdict is Verdict.PASS


def test_a_change_that_is_refused_while_a_worker_works_fails() -> None:
    judgement = judged("3b.end-to-end", changed(put=409))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "200: a client may change title and description while a worker works on the task"
    assert judgement.observed == "status 409"
    assert "belong to the client, whatever the status is" in str(judgement.hint)
    assert times(judgement) == [2.41, 2.0, 2.25, 2.75]


def test_a_task_that_is_never_completed_after_the_change_fails() -> None:
    judgement = judged("3b.end-to-end", changed(completes=False))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task that the client changed meanwhile is completed like any other"
    assert judgement.observed == "task 2 stayed processing"
    assert times(judgement) == [2.41, 2.0, 2.25]


@pytest.mark.parametrize(
    ("final", "observed"),
    [
        ({"title": "second"}, "after the completion title is “second”"),
        ({"description": ""}, "after the completion description is “”"),
        ({"title": "second", "description": ""}, "after the completion title is “second” and description is “”"),
    ],
)
def test_a_worker_that_writes_over_the_change_fails_with_what_stands_there(final: Row, observed: str) -> None:
    judgement = judged("3b.end-to-end", changed(**final))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "title and description that the client set while the worker worked"
    assert judgement.observed == observed
    assert times(judgement) == [2.41, 2.0, 2.25, 2.415, 2.75]


def test_of_a_long_story_the_last_four_changes_are_the_evidence() -> None:
    story = changed(title="second").update("2", 2.8, A, payload={})
    assert times(judged("3b.end-to-end", story)) == [2.41, 2.25, 2.415, 2.75, 2.8]


def test_a_task_that_is_deleted_after_its_completion_has_neither_title_nor_description() -> None:
    judgement = judged("3b.end-to-end", first_task().delete("1", 1.85, A))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "title is “None” and description is “None”"


def test_a_burst_that_had_to_wait_is_not_the_business_of_what_came_before_it() -> None:
    late = WaitTimedOut(at=50.0, waited_for="api to answer in time", seconds=40.0)
    assert judged("3b.end-to-end", changed().note("burst", 9.0, titles=[]).add(late)).verdict is Verdict.PASS
    assert judged("3b.burst", changed().note("burst", 9.0, titles=[]).add(late)).verdict is Verdict.FAIL
    assert judged("3b.end-to-end", changed().add(late)).verdict is Verdict.FAIL


def test_a_worker_that_moves_the_time_of_a_creation_fails_with_the_status_that_the_task_got() -> None:
    story = (
        changed().insert("9", 5.0, created_at="2030").update("9", 5.5, A, status="processing", created_at="2031")
    )
    judgement = judged("3b.end-to-end", story)
    assert (judgement.verdict, judgement.expected) == (Verdict.FAIL, "created_at stays what it was")
    assert judgement.observed == "task 9 got another one as it became processing"


def test_a_recovery_that_moves_the_time_of_a_creation_fails_as_well() -> None:
    killed = Story().start(A).start(B).insert("9", 1.0, created_at="2030").claim("9", 1.5, A)
    killed.update("9", 4.0, B, status="pending", created_at="2031")
    assert judged("3b.end-to-end", changed(), killed).observed == "task 9 got another one as it became pending"


def test_what_the_grader_does_to_the_time_of_a_creation_is_nobodys_fault() -> None:
    killed = Story().start(A).insert("9", 1.0, created_at="2030").update("9", 1.5, None, created_at="2029")
    killed.claim("9", 2.0, A).delete("9", 3.0, A)
    assert judged("3b.end-to-end", changed(), killed).verdict is Verdict.PASS


def test_an_answer_that_is_as_late_as_its_task_is_not_called_wrong() -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.insert("1", 1.001, by="api", **FIRST).note("posted", 1.1, task="1", title="first").claim("1", 8.9, A)
    story.ask("GET", "/tasks/1", 9.1, 200, {**DONE, "status": "processing"}).note("looked", 9.2, task="1")
    judgement = judged("3b.end-to-end", story.complete("1", 9.4, A))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task that is posted becomes completed"
    assert judgement.observed == "in the table it is processing"
    assert judgement.hint is None


# ---------------------------------------------------------------- 3b.burst

TITLES = [f"burst {number}" for number in range(10)]


def posts(
    story: Story, answers: Sequence[Any] | None = None, statuses: Sequence[int | None] = (201,) * 10
) -> Story:
    """Ten clients post, one each hundredth of a second, and are answered with these bodies."""
    for number, title in enumerate(TITLES):
        body = {"id": number} if answers is None else answers[number]
        story.ask("POST", "/tasks", round(1.1 + number / 100, 2), statuses[number], body, {"title": title})
    return story


def stored(story: Story, titles: Sequence[str] = TITLES) -> Story:
    for number, title in enumerate(titles):
        story.insert(str(number), 1.5, by="api", title=title)
    return story


def worked_off(story: Story, tasks: Sequence[int] = range(10)) -> Story:
    for number in tasks:
        story.claim(str(number), 2.0 + number, B).complete(str(number), 2.54 + number, B)
    return story


def over(story: Story) -> Story:
    return story.note("burst-over", 20.0)


def begun() -> Story:
    return Story().start("api").start(B).note("burst", 1.0, titles=TITLES)


def burst(answers: Sequence[Any] | None = None, titles: Sequence[str] = TITLES) -> Story:
    return over(worked_off(stored(posts(begun(), answers), titles)))


def test_ten_tasks_that_are_each_worked_off_once_pass_with_the_time_from_first_to_last() -> None:
    judgement = judged("3b.burst", burst())
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "10 tasks in 10.4 s, each claimed once and completed once"


def test_a_burst_that_the_api_service_never_came_up_for_is_its_fault() -> None:
    judgement = judged("3b.burst", never_up(Story().start("api")))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "no answer in 10 s"


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("burst", "the scenario did not come as far as the burst"),
        ("burst-over", "the scenario came to no end"),
    ],
)
def test_a_burst_that_was_not_seen_to_its_end_says_nothing(missing: str, reason: str) -> None:
    with pytest.raises(NotObserved, match=f"^{reason}$"):
        judged("3b.burst", without(burst(), missing))


@pytest.mark.parametrize(
    ("statuses", "observed"),
    [
        ((201,) * 9 + (503,), "1 were refused: status 503"),
        ((None, 429) + (201,) * 8, "2 were refused: ReadTimeout"),
        ((201,) * 4 + (500,) * 6, "6 were refused: status 500"),
    ],
)
def test_posts_that_are_refused_fail_with_how_many_and_the_first_of_them(
    statuses: Sequence[int | None], observed: str
) -> None:
    judgement = judged("3b.burst", over(posts(begun(), statuses=statuses)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task for each of 10 POSTs at the same time"
    assert judgement.observed == observed
    assert "a connection of its own" in str(judgement.hint)
    refused = [round(1.1 + n / 100, 2) for n, status in enumerate(statuses) if status != 201]
    assert times(judgement) == refused[:4]


def test_what_was_posted_before_the_burst_has_no_part_in_it() -> None:
    story = Story().start("api").start(B).ask("POST", "/tasks", 0.1, 500, {}, {"title": "first"})
    story.ask("POST", "/tasks", 0.2, 500, {}).ask("PUT", "/tasks/1", 0.3, 500, {}, {"title": TITLES[0]}).insert(
        "first", 0.3, by="api"
    ).add(*burst().events)
    judgement = judged("3b.burst", story)
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "10 tasks in 10.4 s, each claimed once and completed once"


def of_another(*numbers: int) -> list[Any]:
    """Answers of which these are with the id of the next task."""
    return [{"id": (number + 1) % 10 if number in numbers else number} for number in range(10)]


@pytest.mark.parametrize("numbers", [(3,), (0, 2, 4, 5, 6)])
def test_clients_that_are_answered_with_the_task_of_another_fail_with_how_many(numbers: Sequence[int]) -> None:
    judgement = judged("3b.burst", burst(of_another(*numbers)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "10 tasks, one for each client, each with its own title"
    assert judgement.observed == (
        f"10 tasks in the table; {len(numbers)} clients were answered with the task of another"
    )
    assert "must not lie where another one can reach it" in str(judgement.hint)
    assert times(judgement) == [round(1.1 + n / 100, 2) for n in numbers[:4]]


@pytest.mark.parametrize("answer", [None, {}, {"title": "burst 0"}, {"id": 77}, {"id": None}, []])
def test_an_answer_that_names_no_task_of_another_is_judged_elsewhere(answer: Any) -> None:
    assert judged("3b.burst", burst([answer] * 10)).verdict is Verdict.PASS


def test_an_answer_with_the_id_of_a_task_from_before_the_burst_is_the_task_of_another() -> None:
    story = Story().start("api").insert("77", 0.3, by="api", title="first").add(*burst([{"id": 77}] * 10).events)
    observed = judged("3b.burst", story).observed
    assert observed == "10 tasks in the table; 10 clients were answered with the task of another"


@pytest.mark.parametrize(
    ("titles", "observed"),
    [
        (TITLES[:9], "9 tasks in the table, none of them with the title burst 9"),
        (TITLES[:6], "6 tasks in the table, none of them with the title burst 6, burst 7, burst 8 and 1 more"),
        (TITLES[:7], "7 tasks in the table, none of them with the title burst 7, burst 8, burst 9"),
        ([*TITLES, "burst 3"], "11 tasks in the table"),
        ([*TITLES[:9], "burst 3"], "10 tasks in the table, none of them with the title burst 9"),
    ],
)
def test_titles_that_are_not_in_the_table_once_each_fail_with_what_is_there(
    titles: Sequence[str], observed: str
) -> None:
    story = over(stored(posts(begun(), [{}] * 10), titles))
    judgement = judged("3b.burst", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == observed
    assert times(judgement) == [1.1, 1.11, 1.12, 1.13]


def test_the_title_that_a_task_began_with_is_its_own_whatever_is_written_later() -> None:
    edited = stored(posts(begun())).update("3", 1.6, "api", title="edited")
    assert judged("3b.burst", over(worked_off(edited))).verdict is Verdict.PASS
    edited = stored(posts(begun())).update("3", 1.6, "api", title="edited")
    others = [number for number in range(10) if number != 3]
    assert judged("3b.burst", over(worked_off(edited, others))).observed == "task 3: 0 claims, 0 completions"


def test_tasks_may_be_stored_in_another_order_than_they_were_posted_in() -> None:
    answers = [{"id": 9 - number} for number in range(10)]
    assert judged("3b.burst", burst(answers, TITLES[::-1])).verdict is Verdict.PASS


def test_tasks_may_be_posted_in_any_order() -> None:
    story = Story().start("api").start(B).note("burst", 1.0, titles=TITLES[::-1])
    assert judged("3b.burst", over(worked_off(stored(posts(story))))).verdict is Verdict.PASS


def test_tasks_that_are_left_are_told_with_their_numbers() -> None:
    judgement = judged("3b.burst", over(worked_off(stored(posts(begun())), range(4))))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "10 tasks, each claimed once and completed once"
    assert judgement.observed == (
        ", ".join(f"task {n}: 0 claims, 0 completions" for n in range(4, 9)) + " and 1 more"
    )
    assert times(judgement) == [1.5, 1.5, 1.5]
    assert [line.text for line in judgement.evidence] == [f"task {n} inserted, pending" for n in (4, 5, 6)]


@pytest.mark.parametrize(
    ("change", "observed"),
    [
        ({"status": "completed"}, "task 9: 0 claims, 1 completions"),
        ({"status": "processing"}, "task 9: 1 claims, 0 completions"),
    ],
)
def test_a_task_that_was_claimed_or_completed_and_not_both_fails(change: Row, observed: str) -> None:
    story = worked_off(stored(posts(begun())), range(9)).update("9", 12.0, B, **change)
    assert judged("3b.burst", over(story)).observed == observed


def test_a_second_completion_and_a_second_claim_fail() -> None:
    story = worked_off(stored(posts(begun()))).complete("2", 15.0, "worker-C")
    assert judged("3b.burst", over(story.start("worker-C"))).observed == "task 2: 1 claims, 2 completions"
    story = stored(posts(begun())).claim("2", 1.6, B).update("2", 1.7, B, status="pending")
    assert judged("3b.burst", over(worked_off(story))).observed == "task 2: 2 claims, 1 completions"


def without_its_title(event: Event) -> Event:
    """The exchange with another one's title in its body, and this one's under another key."""
    if isinstance(event, HttpExchange) and event.at == 1.15:
        return replace(event, request=json.dumps({"title": "burst 9", "description": "burst 5"}))
    return event


def test_it_is_the_title_of_a_request_that_says_whose_task_it_asked_for() -> None:
    story = Story().add(*[without_its_title(event) for event in burst().events])
    assert judged("3b.burst", story).observed == (
        "10 tasks in the table; 1 clients were answered with the task of another"
    )
