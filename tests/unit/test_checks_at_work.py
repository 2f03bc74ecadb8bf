"""3b.end-to-end: the time of each change of a status, and a task that is deleted at work, from literal histories.

The rest of 3b.end-to-end is in test_checks_queue.py and test_checks_client.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.history.events import Event, Moment, RowChanged
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"
FIRST = {"title": "first", "description": "as it was posted"}
NEW = {"title": "new", "description": "after the change"}
DONE = {"id": 1, "title": "first", "status": "completed"}
KEPT = "posted, claimed, completed, seen by the client; a PUT in between was kept"


def told(judgement: Judgement) -> list[tuple[float, str]]:
    return [(line.at, line.text) for line in judgement.evidence]


def posted() -> Story:
    """A client posts task 1 at 1."""
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, FIRST)
    return story.insert("1", 1.0, by="api", **FIRST).note("posted", 1.1, task="1", title="first")


def changed(story: Story) -> Story:
    """The client sees task 1 completed, and changes task 2 while the worker works on it."""
    story.ask("GET", "/tasks/1", 1.8, 200, DONE).note("looked", 1.9, task="1")
    story.insert("2", 2.0, by="api").note("posted-again", 2.05, task="2").claim("2", 2.2, A)
    story.note("changed-at-work", 2.3, task="2", **NEW).ask("PUT", "/tasks/2", 2.31, 200, {}, NEW)
    return story.update("2", 2.315, "api", **NEW).complete("2", 2.7, A)


def worked_off() -> Story:
    return posted().claim("1", 1.2, A).complete("1", 1.7, A)


def judge(story: Story) -> Judgement:
    return judged("3b.end-to-end", story)


# ---------------------------------------------------------------- updated_at


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
    judgement = judge(changed(stale_completion()))
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
    assert judge(changed(stale_claim().complete("1", 1.7, A))).observed == observed
    again = stale_claim().update("1", 1.7, A, status="completed", updated_at=1.0)
    assert judge(changed(again)).observed == observed


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_every_status_that_a_worker_gives_a_task_has_a_time(status: str) -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.3, A, status=status, updated_at=1.2)
    judgement = judge(changed(story.claim("1", 1.4, A).complete("1", 1.7, A)))
    assert judgement.observed == f"task 1 became {status}, and updated_at stayed what it was"


def test_a_time_that_is_another_one_has_moved_in_whichever_direction() -> None:
    story = posted().update("1", 1.2, A, status="processing", updated_at=0.9)
    assert judge(changed(story.complete("1", 1.7, A))).verdict is PASS


def test_several_changes_in_one_transaction_are_one_for_everybody_else() -> None:
    story = in_one_transaction(changed(stale_completion()), 1.2, 1.7)
    assert judge(story).verdict is PASS


def test_what_a_transaction_leaves_has_to_have_another_time_than_what_it_found() -> None:
    story = stale_claim().update("1", 1.7, A, status="completed", updated_at=1.0)
    judgement = judge(in_one_transaction(changed(story), 1.2, 1.7))
    assert judgement.observed == "task 1 became completed, and updated_at stayed what it was"


def test_a_time_that_a_second_statement_of_the_transaction_writes_is_enough() -> None:
    story = stale_claim().update("1", 1.25, A, assigned_worker="me too").complete("1", 1.7, A)
    assert judge(in_one_transaction(changed(story), 1.2, 1.25)).verdict is PASS
    assert judge(changed(stale_claim().update("1", 1.25, A).complete("1", 1.7, A))).verdict is FAIL


def test_a_change_that_moves_no_status_needs_no_time() -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.4, A, payload={"half": "done"}, updated_at=1.2)
    assert judge(changed(story.complete("1", 1.7, A))).verdict is PASS


@pytest.mark.parametrize("by", ["api", "worker-C", None])
def test_only_what_a_worker_moves_has_to_have_a_time(by: str | None) -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.3, by, status="pending", updated_at=1.2)
    assert judge(changed(story.claim("1", 1.4, A).complete("1", 1.7, A))).verdict is PASS


def test_a_second_worker_has_to_write_the_time_as_well() -> None:
    story = posted().start(B).claim("1", 1.2, A).update("1", 1.7, B, status="completed", updated_at=1.2)
    assert judge(changed(story)).verdict is FAIL


def test_a_title_that_was_written_over_is_told_before_the_time() -> None:
    story = posted().claim("1", 1.2, A).update("1", 1.7, A, status="completed", title="x", updated_at=1.2)
    assert judge(changed(story)).observed == "title is “x”"


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
    story = before or changed(worked_off())
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
    story = changed(worked_off()).note("deleted-at-work", 3.15, task="3")
    with pytest.raises(NotObserved, match="^no DELETE was sent$"):
        judge(story)


def test_where_no_task_was_deleted_at_work_nothing_is_said_of_it() -> None:
    story = deleted(answer=409, completed=None, exits=4.2)
    kept = [e for e in story.events if not (isinstance(e, Moment) and e.name == "deleted-at-work")]
    assert judge(story).verdict is FAIL
    assert judge(Story().add(*kept)).observed == KEPT


def test_a_change_that_is_lost_is_told_before_a_deletion_that_is_refused() -> None:
    before = changed(worked_off()).update("2", 2.75, A, title="lost")
    assert judge(deleted(answer=409, before=before)).observed == "after the completion title is “lost”"


def test_a_deletion_is_judged_also_where_no_task_could_be_changed_at_work() -> None:
    def quick() -> Story:
        story = worked_off().ask("GET", "/tasks/1", 1.8, 200, DONE).note("looked", 1.9, task="1")
        story.insert("2", 2.0, by="api").note("posted-again", 2.05, task="2")
        return story.claim("2", 2.2, A).complete("2", 2.3, A)

    assert str(judge(deleted(before=quick())).observed).endswith("never in hand for long")
    assert judge(deleted(before=quick(), answer=409)).verdict is FAIL
