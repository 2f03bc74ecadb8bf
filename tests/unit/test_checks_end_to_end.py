"""3b.end-to-end, from literal histories. 3b.burst is in test_checks_end_to_end_burst.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from grader.history.events import Event, Moment, RowChanged, WaitTimedOut
from grader.judgement import Judgement, NotObserved
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, times, told
from tests.unit.stories import Row, never_up, without

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"
FIRST = {"title": "first", "description": "as it was posted"}
NEW = {"title": "new", "description": "after the change"}
DONE = {"id": 1, "title": "first", "status": "completed"}


# ---------------------------------------------------------------- the way of two tasks


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
    story = changed(title="second").update("2", 2.8, A, progress=1)
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


def end_to_end(
    *,
    shown: Any = "completed",
    final: dict[str, Any] | None = None,
    put: int | None = 200,
    ends: bool = True,
    after: dict[str, Any] | None = None,
) -> CheckResult:
    """The first task is posted and completed, the second changed at work; with something else where it is given."""
    story = Story().start("api").start(A)
    story.insert("1", 1.0, by="api", **FIRST).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.note("posted", 1.1, task="1", title="first").ask("GET", "/tasks/1", 1.15, 200, {"status": "pending"})
    story.claim("1", 1.2, A).update("1", 1.7, A, status="completed", **(final or {}))
    body = {"id": 1, "title": "first", "status": shown} if isinstance(shown, str) else shown
    story.ask("GET", "/tasks/1", 1.8, 200, body).note("looked", 1.9, task="1")
    story.insert("2", 2.0, by="api").note("posted-again", 2.1, task="2").claim("2", 2.2, A)
    story.note("changed-at-work", 2.3, task="2", **NEW)
    if put == 200:
        story.update("2", 2.35, "api", **NEW)
    story.ask("PUT", "/tasks/2", 2.3, put, {}, NEW, took=0.1)
    if ends:
        story.update("2", 2.8, A, status="completed", **(after or {}))
    return graded("3b.end-to-end", story.history())


def test_a_task_that_is_seen_to_complete_and_keeps_what_the_client_wrote_passes() -> None:
    assert end_to_end().verdict is PASS


@pytest.mark.parametrize("shape", [lambda task: [task], lambda task: {"task": task}])
def test_the_shape_of_an_answer_is_judged_elsewhere(shape: Any) -> None:
    assert end_to_end(shown=shape({"id": 1, "title": "first", "status": "completed"})).verdict is PASS


def test_a_get_that_never_shows_the_end_fails_and_says_what_each_side_says() -> None:
    seen = end_to_end(shown="pending")
    assert seen.verdict is FAIL
    assert str(seen.observed).startswith("in the table it is completed, and GET answers")


def test_what_the_worker_wrote_over_is_named() -> None:
    assert end_to_end(final={"description": "done"}).observed == "description is “done”"
    assert end_to_end(after={"title": "old"}).observed == "after the completion title is “old”"


@pytest.mark.parametrize("status", [409, 500, None])
def test_a_put_that_is_refused_while_a_worker_works_fails(status: int | None) -> None:
    seen = end_to_end(put=status)
    assert (seen.verdict, seen.observed) == (FAIL, f"status {status}" if status else "ReadTimeout")


def test_a_task_that_is_stuck_after_a_change_fails() -> None:
    assert end_to_end(ends=False).observed == "task 2 stayed processing"


def test_a_task_that_was_not_stored_fails_whatever_the_answer_said() -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 500, {"detail": "oops"}, FIRST)
    seen = graded("3b.end-to-end", story.history())
    assert (seen.verdict, seen.observed) == (FAIL, "status 500, and no task with this title in the table")
    story.note("posted", 1.1, task="1", title="first").ask("GET", "/tasks/1", 1.2, 200, {}).note("looked", 9.0)
    assert graded("3b.end-to-end", story.history()).observed == "the task is not in the table"


@pytest.mark.parametrize(("seconds", "verdict"), [(0.01, PASS), (0.5, INCONCLUSIVE)])
def test_a_task_that_is_never_in_hand_cannot_be_changed_at_work(seconds: float, verdict: Verdict) -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    story.insert("1", 1.0, by="api", **FIRST).note("posted", 1.1, task="1", title="first")
    story.claim("1", 1.2, A).complete("1", 1.3, A)
    story.ask("GET", "/tasks/1", 1.8, 200, {"title": "first", "status": "completed"}).note("looked", 1.9)
    story.insert("2", 2.0, by="api").note("posted-again", 2.1, task="2")
    story.claim("2", 2.2, A).complete("2", 2.2 + seconds, A)
    assert graded("3b.end-to-end", story.history()).verdict is verdict


def failed(status: str = "failed", by: str | None = A, **values: Any) -> Story:
    """The work of task 9 fails, and whoever says so writes this."""
    story = Story().start(A).start(B).insert("9", 1.0, type="default", payload={"fail": True}, created_at="2030")
    return story.claim("9", 1.5, A).update("9", 2.0, by, status=status, **values)


@pytest.mark.parametrize("status", ["failed", "pending", "processing"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("created_at", "2031"),
        ("type", "email"),
        ("payload", {"fail": True, "error": "its payload says so"}),
        ("payload", None),
        ("title", "FAILED: title 9"),
        ("description", "its payload says so"),
    ],
)
@pytest.mark.parametrize("where", ["killed", "failing"])
def test_a_worker_writes_nothing_that_is_not_its_own(status: str, column: str, value: Any, where: str) -> None:
    story = failed(status, **{column: value})
    judgement = judged("3b.end-to-end", changed(), *([story] if where == "killed" else [Story(), story]))
    assert (judgement.verdict, judgement.expected) == (FAIL, f"{column} stays what it was")
    assert judgement.observed == f"task 9 got another one as it became {status}"
    assert ("place in the queue" if column == "created_at" else "columns of your own") in str(judgement.hint)


@pytest.mark.parametrize(("column", "final"), [("type", {"type": "done"}), ("payload", {"payload": {"done": 1}})])
def test_a_completion_writes_nothing_that_is_not_its_own(column: str, final: dict[str, Any]) -> None:
    assert judged("3b.end-to-end", changed(**final)).expected == f"{column} stays what it was"


def test_columns_of_its_own_are_a_workers_to_write() -> None:
    assert judged("3b.end-to-end", changed(), Story(), failed(last_error="so", due_at="2031")).verdict is PASS


@pytest.mark.parametrize("by", ["api", None])
def test_what_others_write_in_a_task_is_not_the_workers_fault(by: str | None) -> None:
    story = failed(by=by, payload={}, created_at="2029", updated_at=1.5)
    assert judged("3b.end-to-end", changed(), Story(), story).verdict is PASS


@pytest.mark.parametrize("status", ["failed", "pending"])
@pytest.mark.parametrize("where", ["killed", "failing"])
def test_a_failure_or_a_recovery_moves_the_time_as_well(status: str, where: str) -> None:
    story = failed(status, by=A if where == "failing" else B, updated_at=1.5)
    judgement = judged("3b.end-to-end", changed(), *([story] if where == "killed" else [Story(), story]))
    assert (judgement.verdict, judgement.expected) == (FAIL, "updated_at moves with every change of the status")
    assert judgement.observed == f"task 9 became {status}, and updated_at stayed what it was"


# ---------------------------------------------------------------- updated_at


KEPT = "posted, claimed, completed, seen by the client; a PUT in between was kept"


def posted() -> Story:
    """A client posts task 1 at 1."""
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    return story.insert("1", 1.0, by="api", **FIRST).note("posted", 1.1, task="1", title="first")


def then_changed(story: Story) -> Story:
    """The client sees task 1 completed, and changes task 2 while the worker works on it."""
    story.ask("GET", "/tasks/1", 1.8, 200, DONE).note("looked", 1.9, task="1")
    story.insert("2", 2.0, by="api").note("posted-again", 2.05, task="2").claim("2", 2.2, A)
    story.note("changed-at-work", 2.3, task="2", **NEW).ask("PUT", "/tasks/2", 2.31, 200, {}, NEW)
    return story.update("2", 2.315, "api", **NEW).complete("2", 2.7, A)


def worked_off() -> Story:
    return posted().claim("1", 1.2, A).complete("1", 1.7, A)


def judge(story: Story) -> Judgement:
    return judged("3b.end-to-end", story)


def in_one_transaction(story: Story, *times: float) -> Story:
    """The same, with the changes of these times in one transaction."""

    def joined(event: Event) -> Event:
        return replace(event, transaction="one") if isinstance(event, RowChanged) and event.at in times else event

    return Story().add(*[joined(event) for event in story.events])


def stale_claim() -> Story:
    return posted().update("1", 1.2, A, status="processing", assigned_worker="me", updated_at=1.0)


def stale_completion() -> Story:
    return posted().claim("1", 1.2, A).update("1", 1.7, A, status="completed", updated_at=1.2)


def test_a_completion_that_leaves_the_time_of_the_claim_fails() -> None:
    judgement = judge(then_changed(stale_completion()))
    assert (judgement.verdict, judgement.expected) == (FAIL, "updated_at moves with every change of the status")
    assert judgement.observed == "task 1 became completed, and updated_at stayed what it was"
    assert "Set updated_at = now() in every UPDATE" in str(judgement.hint)
    assert told(judgement) == [
        (1.0, "task 1 inserted, pending"),
        (1.2, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (1.7, "task 1: processing → completed"),
    ]


def test_a_claim_that_leaves_the_time_of_the_post_fails_whatever_comes_then() -> None:
    observed = "task 1 became processing, and updated_at stayed what it was"
    assert judge(then_changed(stale_claim().complete("1", 1.7, A))).observed == observed
    again = stale_claim().update("1", 1.7, A, status="completed", updated_at=1.0)
    assert judge(then_changed(again)).observed == observed


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_every_status_that_a_worker_gives_a_task_has_a_time(status: str) -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.3, A, status=status, updated_at=1.2)
    judgement = judge(then_changed(story.claim("1", 1.4, A).complete("1", 1.7, A)))
    assert judgement.observed == f"task 1 became {status}, and updated_at stayed what it was"


def test_a_time_that_is_another_one_has_moved_in_whichever_direction() -> None:
    story = posted().update("1", 1.2, A, status="processing", updated_at=0.9)
    assert judge(then_changed(story.complete("1", 1.7, A))).verdict is PASS


def test_several_changes_in_one_transaction_are_one_for_everybody_else() -> None:
    story = in_one_transaction(then_changed(stale_completion()), 1.2, 1.7)
    assert judge(story).verdict is PASS


def test_what_a_transaction_leaves_has_to_have_another_time_than_what_it_found() -> None:
    story = stale_claim().update("1", 1.7, A, status="completed", updated_at=1.0)
    judgement = judge(in_one_transaction(then_changed(story), 1.2, 1.7))
    assert judgement.observed == "task 1 became completed, and updated_at stayed what it was"


def test_a_time_that_a_second_statement_of_the_transaction_writes_is_enough() -> None:
    story = stale_claim().update("1", 1.25, A, assigned_worker="me too").complete("1", 1.7, A)
    assert judge(in_one_transaction(then_changed(story), 1.2, 1.25)).verdict is PASS
    assert judge(then_changed(stale_claim().update("1", 1.25, A).complete("1", 1.7, A))).verdict is FAIL


def test_a_change_that_moves_no_status_needs_no_time() -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.4, A, progress=0.5, updated_at=1.2)
    assert judge(then_changed(story.complete("1", 1.7, A))).verdict is PASS


@pytest.mark.parametrize("by", ["api", "worker-C", None])
def test_only_what_a_worker_moves_has_to_have_a_time(by: str | None) -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.3, by, status="pending", updated_at=1.2)
    assert judge(then_changed(story.claim("1", 1.4, A).complete("1", 1.7, A))).verdict is PASS


def test_a_second_worker_has_to_write_the_time_as_well() -> None:
    story = posted().start(B).claim("1", 1.2, A).update("1", 1.7, B, status="completed", updated_at=1.2)
    assert judge(then_changed(story)).verdict is FAIL


def test_a_title_that_was_written_over_is_told_before_the_time() -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.7, A, status="completed", title="x", updated_at=1.2)
    assert judge(then_changed(story)).observed == "title is “x”"


# ---------------------------------------------------------------- deleted at work


def deleted(
    *,
    answer: int | None = 204,
    completed: float | None = 4.0,
    exits: float | None = None,
    status: int = 1,
    noted: tuple[str, ...] = ("behind-it", "after-it"),
    before: Story | None = None,
) -> Story:
    """Task 3 is deleted at 3.2, while the worker works on it; task 4 is inserted behind it, until 5."""
    story = before or then_changed(worked_off())
    story.insert("3", 3.0, by="api").claim("3", 3.1, A).note("deleted-at-work", 3.15, task="3")
    story.ask("DELETE", "/tasks/3", 3.2, answer, None)
    if answer in (200, 204):
        story.delete("3", 3.205, "api")
    story.insert("4", 3.3)
    for name, at in (("behind-it", 3.35), ("after-it", 5.0)):
        if name in noted:
            story.note(name, at, **({"task": "4"} if name == "behind-it" else {}))
    if completed is not None:
        story.claim("4", 3.8, A).complete("4", completed, A)
    return story if exits is None else story.exit(A, exits, status)


@pytest.mark.parametrize("answer", [200, 204])
def test_a_worker_that_goes_on_after_its_task_was_deleted_passes(answer: int) -> None:
    judgement = judge(deleted(answer=answer))
    assert (judgement.verdict, judgement.observed) == (PASS, KEPT)
    assert [at for at, _ in told(judgement)] == [2.0, 2.2, 2.7]


@pytest.mark.parametrize(
    ("answer", "observed"),
    [(409, "status 409"), (500, "status 500"), (404, "status 404"), (302, "status 302"), (None, "ReadTimeout")],
)
def test_a_deletion_that_is_refused_while_a_worker_works_fails(answer: int | None, observed: str) -> None:
    judgement = judge(deleted(answer=answer))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "204 or 200: a client may delete a task while a worker works on it"
    assert [at for at, _ in told(judgement)] == [3.2]


def test_a_worker_that_ends_over_a_deleted_task_fails_with_its_last_four_lines() -> None:
    story = deleted(completed=None, exits=4.2)
    for number in range(1, 7):
        story.log(A, 3.4 + number / 10, f"line {number}")
    story.log(A, 3.15, "claimed").log(A, 5.0, "too late").log(B, 4.15, "of another")
    judgement = judge(story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "the worker ended")
    assert judgement.expected == "the worker goes on with the next task when the one in hand was deleted"
    assert "finds no row. That is no error" in str(judgement.hint)
    assert [text for _, text in told(judgement)] == [
        "DELETE /tasks/3 → 204 null",
        *[f"log: line {number}" for number in (3, 4, 5, 6)],
        "exited, status 1",
    ]


@pytest.mark.parametrize("status", [0, 1, -6])
def test_a_worker_that_ends_has_not_gone_on_whatever_its_status_and_the_next_task_are(status: int) -> None:
    assert judge(deleted(exits=4.2, status=status)).observed == "the worker ended"
    assert judge(deleted(completed=None, exits=4.2, status=status)).observed == "the worker ended"


@pytest.mark.parametrize(("exits", "verdict"), [(4.99, FAIL), (5.0, PASS), (5.01, PASS)])
def test_a_worker_may_end_when_the_scenario_is_done_with_it(exits: float, verdict: Verdict) -> None:
    assert judge(deleted(exits=exits)).verdict is verdict


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_next_task_that_is_not_completed_fails_with_its_status(status: str) -> None:
    story = deleted(completed=None, exits=5.5).log(A, 4.0, "no row")
    if status != "pending":
        story.update("4", 4.1, A, status=status)
    judgement = judge(story)
    assert (judgement.verdict, judgement.observed) == (FAIL, f"the next one, task 4, stayed {status}")
    assert told(judgement) == [(3.2, "DELETE /tasks/3 → 204 null"), (4.0, "log: no row")]


def test_a_next_task_that_is_completed_late_is_completed() -> None:
    assert judge(deleted(completed=5.5)).verdict is PASS


def test_a_next_task_that_the_grader_sets_to_completed_is_none_that_a_worker_did() -> None:
    story = deleted(completed=None).update("4", 4.0, None, status="completed")
    assert judge(story).verdict is FAIL


@pytest.mark.parametrize("noted", [(), ("behind-it",), ("after-it",)])
def test_a_deletion_that_was_not_seen_to_its_end_says_nothing(noted: tuple[str, ...]) -> None:
    with pytest.raises(NotObserved, match="^the scenario came to no end$"):
        judge(deleted(noted=noted, completed=None))


def test_a_deletion_that_was_not_sent_says_nothing() -> None:
    story = then_changed(worked_off()).note("deleted-at-work", 3.15, task="3")
    with pytest.raises(NotObserved, match="^no DELETE was sent$"):
        judge(story)


def test_where_no_task_was_deleted_at_work_nothing_is_said_of_it() -> None:
    story = deleted(answer=409, completed=None, exits=4.2)
    kept = [e for e in story.events if not (isinstance(e, Moment) and e.name == "deleted-at-work")]
    assert judge(story).verdict is FAIL
    assert judge(Story().add(*kept)).observed == KEPT


def marked(answer: int | None = 204) -> Story:
    """Task 5 is deleted before worker B is there, and stays in the table, with a mark."""
    story = deleted().insert("5", 6.0, by="api", deleted_at=None).ask("DELETE", "/tasks/5", 6.1, answer, None)
    story.update("5", 6.105, "api", deleted_at="6.1").note("deleted-before-work", 6.2, task="5")
    return story.start(B, 6.5)


def test_a_deleted_task_that_is_kept_and_left_alone_passes() -> None:
    assert judge(marked()).verdict is PASS
    assert judge(marked().delete("5", 7.0, B)).verdict is PASS  # a worker may sweep up what is marked


def test_a_deleted_task_that_a_worker_takes_fails_with_its_life() -> None:
    judgement = judge(marked().claim("5", 7.0, B).complete("5", 7.5, B))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a task that was deleted is never worked on")
    assert judgement.observed == "worker-B took task 5 after DELETE had answered 204"
    assert "look at the mark" in str(judgement.hint)
    assert next(text for _, text in told(judgement)) == "DELETE /tasks/5 → 204 null"


def test_a_deleted_task_that_is_completed_by_a_claim_that_nobody_could_see_fails() -> None:
    assert judge(marked().update("5", 7.5, B, status="completed")).verdict is FAIL


@pytest.mark.parametrize("answer", [409, 500, None])
def test_a_task_that_was_not_deleted_is_worked_on(answer: int | None) -> None:
    assert judge(marked(answer).claim("5", 7.0, B).complete("5", 7.5, B)).verdict is PASS


def test_a_deletion_before_work_that_was_not_sent_says_nothing() -> None:
    story = deleted().insert("5", 6.0, by="api").note("deleted-before-work", 6.2, task="5")
    with pytest.raises(NotObserved, match="^no DELETE was sent$"):
        judge(story)


def test_a_change_that_is_lost_is_told_before_a_deletion_that_is_refused() -> None:
    before = then_changed(worked_off()).update("2", 2.75, A, title="lost")
    assert judge(deleted(answer=409, before=before)).observed == "after the completion title is “lost”"


def test_a_deletion_is_judged_also_where_no_task_could_be_changed_at_work() -> None:
    def quick() -> Story:
        story = worked_off().ask("GET", "/tasks/1", 1.8, 200, DONE).note("looked", 1.9, task="1")
        story.insert("2", 2.0, by="api").note("posted-again", 2.05, task="2")
        return story.claim("2", 2.2, A).complete("2", 2.3, A)

    assert str(judge(deleted(before=quick())).observed).endswith("never in hand for long")
    assert judge(deleted(before=quick(), answer=409)).verdict is FAIL
