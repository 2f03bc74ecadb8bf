"""3b.two-workers and 3b.assigned-worker, from literal histories."""

from __future__ import annotations

import pytest

from grader.model import Evidence, Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged, reason

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B, C = "worker-A", "worker-B", "worker-C"


# ---------------------------------------------------------------- 3b.two-workers


def two() -> Story:
    return Story().start(A).start(B).note("twenty-tasks", 1.0, tasks=["1", "2"])


def works(story: Story, task: str, by: str, start: float, end: float) -> Story:
    return story.insert(task, 1.0).claim(task, start, by).complete(task, end, by)


def shared() -> Story:
    """A does two tasks and B one, at the same time."""
    return works(works(works(two(), "1", A, 2.0, 3.0), "2", B, 2.0, 3.0), "3", A, 3.0, 4.0)


def test_two_workers_at_work_at_the_same_time_pass_with_how_many_each_completed() -> None:
    judgement = judged("3b.two-workers", shared())
    assert judgement.verdict is PASS
    assert judgement.observed == "worker-A 2, worker-B 1, at the same time, no task twice"


def test_a_task_that_was_there_completed_before_is_nobodys_work() -> None:
    story = two().insert("0", 1.0, status="completed")
    judgement = judged("3b.two-workers", works(works(story, "1", A, 2.0, 3.0), "2", B, 2.0, 3.0))
    assert (judgement.verdict, judgement.observed) == (
        PASS,
        "worker-A 1, worker-B 1, at the same time, no task twice",
    )


def test_workers_that_did_not_come_to_their_first_polls_say_nothing() -> None:
    story = Story().start(A).start(B).exit(A, 0.5, 1)
    assert reason("3b.two-workers", story) == "the two workers did not come to their first polls"


@pytest.mark.parametrize("name", [A, B])
def test_a_worker_that_ends_by_itself_fails(name: str) -> None:
    judgement = judged("3b.two-workers", shared().log(name, 4.9, "another worker is running").exit(name, 5.0))
    assert (judgement.verdict, judgement.expected) == (FAIL, "two workers side by side")
    assert judgement.observed == f"{name} ended by itself"
    assert "any number of workers" in str(judgement.hint)
    assert judgement.evidence[-1] == Evidence(4.9, "log: another worker is running", name)


def test_workers_that_the_grader_ends_did_not_end_by_themselves() -> None:
    story = shared().note("scenario-over", 5.0).exit(A, 5.1).exit(B, 5.1)
    assert judged("3b.two-workers", story).verdict is PASS


def test_a_task_that_two_workers_claim_fails_with_its_life() -> None:
    story = works(shared(), "4", A, 4.0, 5.0).insert("5", 1.0).claim("5", 4.0, B).claim("5", 4.125, A)
    judgement = judged("3b.two-workers", story.complete("5", 5.0, B).update("5", 5.125, A, status="completed"))
    assert (judgement.verdict, judgement.expected) == (FAIL, "each task claimed by one worker")
    assert judgement.observed == "task 5 was claimed by worker-B and again by worker-A"
    assert [(line.at, line.service) for line in judgement.evidence] == [
        (1.0, None),
        (4.0, B),
        (4.125, A),
        (5.0, B),
    ]


def test_of_several_tasks_that_two_workers_claim_the_first_is_told() -> None:
    story = shared()
    for task, first, second in (("4", A, B), ("5", B, A)):
        story.insert(task, 1.0).claim(task, 4.0, first).claim(task, 4.125, second).complete(task, 5.0, second)
    judgement = judged("3b.two-workers", story)
    assert judgement.observed == "task 4 was claimed by worker-A and again by worker-B"
    assert {line.text[:6] for line in judgement.evidence} == {"task 4"}


def test_a_task_that_is_claimed_once_and_completed_by_two_fails_with_its_life() -> None:
    judgement = judged("3b.two-workers", shared().update("2", 3.5, A, status="completed", assigned_worker="id"))
    assert (judgement.verdict, judgement.expected) == (FAIL, "one completion")
    assert judgement.observed == "task 2 completed twice"
    assert [(line.at, line.service) for line in judgement.evidence] == [(1.0, None), (2.0, B), (3.0, B), (3.5, A)]


def test_of_several_tasks_that_two_complete_the_first_is_told() -> None:
    story = shared().update("1", 3.5, B, status="completed").update("2", 3.5, A, status="completed")
    judgement = judged("3b.two-workers", story)
    assert judgement.observed == "task 1 completed twice"
    assert {line.text[:6] for line in judgement.evidence} == {"task 1"}


@pytest.mark.parametrize(
    ("left", "words"),
    [(["4"], "4"), (["4", "5", "6", "7", "8", "9"], "4, 5, 6, 7, 8 and 1 more")],
)
def test_tasks_that_are_not_completed_fail_by_name(left: list[str], words: str) -> None:
    story = shared()
    for task in left:
        story.insert(task, 1.0).claim(task, 4.0, A)
    judgement = judged("3b.two-workers", story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "20 tasks completed")
    assert judgement.observed == f"not completed: {words}"


def test_a_task_that_failed_is_not_completed() -> None:
    story = shared().insert("4", 1.0).claim("4", 4.0, A).update("4", 5.0, A, status="failed")
    assert judged("3b.two-workers", story).observed == "not completed: 4"


@pytest.mark.parametrize(("by", "words"), [(A, "worker-A 2, worker-B 0"), (B, "worker-A 0, worker-B 2")])
def test_one_worker_that_does_everything_fails_with_what_to_claim(by: str, words: str) -> None:
    judgement = judged("3b.two-workers", works(works(two(), "1", by, 2.0, 3.0), "2", by, 3.0, 4.0))
    assert (judgement.verdict, judgement.expected) == (FAIL, "both workers complete tasks")
    assert judgement.observed == words
    assert (
        judgement.hint == "One worker claimed everything. Claim a single row, and the next one after that is done."
    )


def test_what_is_completed_around_the_wire_is_the_work_of_neither() -> None:
    story = works(two(), "1", A, 2.0, 3.0).insert("2", 1.0).complete("2", 2.5, C)
    judgement = judged("3b.two-workers", story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "worker-A 1, worker-B 0, unknown 1")


@pytest.mark.parametrize(("first", "second"), [(A, B), (B, A)])
@pytest.mark.parametrize(("begins", "verdict"), [(2.875, PASS), (3.0, FAIL), (3.5, FAIL)])
def test_two_workers_are_at_work_at_the_same_time_when_one_begins_before_the_other_has_ended(
    first: str, second: str, begins: float, verdict: Verdict
) -> None:
    story = works(works(two(), "1", first, 2.0, 3.0), "2", second, begins, 4.0)
    assert judged("3b.two-workers", story).verdict is verdict


@pytest.mark.parametrize(("outer", "inner"), [(A, B), (B, A)])
def test_a_worker_that_begins_and_ends_while_the_other_one_works_is_at_work_at_the_same_time(
    outer: str, inner: str
) -> None:
    story = works(works(two(), "1", outer, 2.0, 5.0), "2", inner, 3.0, 4.0)
    assert judged("3b.two-workers", story).verdict is PASS


def test_workers_that_keep_each_other_out_fail_with_how_many_each_completed() -> None:
    story = two()
    for number in range(4):
        works(story, str(number), B if number == 1 else A, 2.0 + number, 3.0 + number)
    judgement = judged("3b.two-workers", story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "both at work at the same time")
    assert judgement.observed == "one after the other (worker-A 3, worker-B 1)"
    assert judgement.hint == "While one worker works, its transaction or lock keeps the other one out."


def test_one_time_at_which_both_are_at_work_is_enough() -> None:
    story = works(works(two(), "1", A, 2.0, 3.0), "2", B, 4.0, 5.0)
    assert judged("3b.two-workers", works(story, "3", A, 4.5, 5.5)).verdict is PASS


@pytest.mark.parametrize("claims", [False, True])
@pytest.mark.parametrize(("at", "verdict"), [(2.0, FAIL), (2.5, PASS), (3.25, PASS), (3.3, FAIL)])
def test_work_whose_claim_is_written_with_its_completion_counts_from_when_it_must_have_begun(
    at: float, verdict: Verdict, claims: bool
) -> None:
    story = works(two(), "1", A, 2.0, 3.0).insert("2", 1.0)  # work takes 0.3 s
    if claims:
        story.claim("2", at - 0.001, B)
    story.complete("2", at, B)
    assert judged("3b.two-workers", story).verdict is verdict


def test_work_on_a_task_begins_with_its_first_claim() -> None:
    story = two().insert("1", 1.0).claim("1", 2.0, A).update("1", 3.0, A, status="pending")
    story.claim("1", 5.0, A).complete("1", 6.0, A)
    assert judged("3b.two-workers", works(story, "2", B, 2.25, 2.75)).verdict is PASS


# ---------------------------------------------------------------- 3b.assigned-worker


ODD = "O'Neill's worker-1"


def odd_name() -> Story:
    """A worker with an apostrophe in its name, and a task that waits for it."""
    return Story().start(A, WORKER_ID=ODD).insert("7", 1.0).note("waits", 1.1, task="7")


def nameless(*owners: str | None) -> Story:
    """Workers that were told no WORKER_ID take a task each, and write these owners."""
    story = Story()
    for number, (name, owner) in enumerate(zip((A, B), owners, strict=False), start=1):
        task, at = str(number), float(number)
        story.start(name, at).insert(task, at + 0.4).note("waits", at + 0.4, worker=name, task=task)
        story.update(task, at + 0.5, name, status="processing", assigned_worker=owner)
        story.complete(task, at + 0.6, name)
    return story


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (("the-second", "the-first"), "the-first, the-second"),
        (("the-third", "the-second", "the-first"), "the-first, the-second, the-third"),
        (("the-second", "the-first", "the-second"), "the-first, the-second"),
    ],
)
def test_workers_that_write_their_own_ids_pass_with_each_of_them_in_order(
    ids: tuple[str, ...], words: str
) -> None:
    story = Story()
    for name, own in zip((A, B, C), ids, strict=False):
        story.start(name, WORKER_ID=own).insert(name, 1.0).claim(name, 2.0, name, own)
    odd = odd_name().claim("7", 2.0, A, ODD)
    judgement = judged("3b.assigned-worker", story, odd, nameless("host-41", "host-42"))
    assert (judgement.verdict, judgement.observed) == (PASS, words)


def test_without_a_claim_no_id_can_be_judged() -> None:
    assert reason("3b.assigned-worker", two().insert("1", 1.0)) == "no task was claimed"


def test_a_claim_with_another_ones_id_fails_with_both_ids() -> None:
    story = shared().insert("4", 1.0).claim("4", 4.0, B, "id-of-worker-A").complete("4", 5.0, B)
    judgement = judged("3b.assigned-worker", story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "assigned_worker id-of-worker-B")
    assert judgement.observed == "assigned_worker id-of-worker-A, claimed by worker-B"
    assert judgement.evidence == (
        Evidence(1.0, "task 4 inserted, pending"),
        Evidence(4.0, "task 4: pending → processing, assigned_worker id-of-worker-A", B),
        Evidence(5.0, "task 4: processing → completed", B),
    )


def test_a_claim_that_writes_its_id_by_a_second_statement_fails() -> None:
    story = shared().insert("4", 1.0).update("4", 4.0, A, status="processing")
    story.update("4", 4.001, A, assigned_worker="id-of-worker-A").complete("4", 5.0, A)
    assert judged("3b.assigned-worker", story).observed == "assigned_worker NULL, claimed by worker-A"


def test_of_several_claims_with_a_wrong_id_the_first_one_in_time_is_told() -> None:
    story = shared().insert("4", 1.0).insert("5", 1.0)
    story.claim("4", 4.5, A, "four").claim("5", 4.0, A, "five")
    assert judged("3b.assigned-worker", story).observed == "assigned_worker five, claimed by worker-A"


@pytest.mark.parametrize(
    ("story", "observed"),
    [
        (odd_name().claim("7", 2.0, A, "O''Neill''s worker-1"), "assigned_worker O''Neill''s worker-1"),
        (odd_name().log(A, 2.0, "syntax error").exit(A, 2.1, 1), "no claim"),
        (odd_name().step(A, 1.5, "SELECT id FROM tasks").log(A, 1.6, "syntax error"), "no claim"),
    ],
)
def test_a_name_with_an_apostrophe_that_does_not_come_to_the_row_as_it_is_fails(
    story: Story, observed: str
) -> None:
    judgement = judged("3b.assigned-worker", shared(), story)
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == f"assigned_worker {ODD}"
    assert "as parameters" in str(judgement.hint)


def test_a_claim_that_nobody_could_see_tells_nothing_of_an_odd_name() -> None:
    story = odd_name().update("7", 2.5, A, status="completed", assigned_worker=ODD)
    assert judged("3b.assigned-worker", shared(), story, nameless("host-41", "host-42")).verdict is PASS


def test_the_odd_name_is_not_judged_where_no_task_came() -> None:
    assert reason("3b.assigned-worker", shared(), Story().start(A)) == "no task was inserted"
    assert reason("3b.assigned-worker", shared(), Story()) == "the worker was not started"


def test_a_worker_with_an_odd_name_that_is_slow_to_start_is_not_blamed() -> None:
    waits = odd_name().step(A, 1.5, "SET TIME ZONE 'UTC'")
    assert "did not come to its first poll" in reason("3b.assigned-worker", shared(), waits)


def of_nameless(story: Story) -> tuple[Story, Story, Story]:
    """With whatever else the check looks at as it should be."""
    return shared(), odd_name().claim("7", 2.0, A, ODD), story


@pytest.mark.parametrize("owner", ["worker-1", None])
def test_workers_that_are_told_no_id_and_write_the_same_one_fail_with_both_lives(owner: str | None) -> None:
    judgement = judged("3b.assigned-worker", *of_nameless(nameless(owner, owner)))
    assert (judgement.verdict, judgement.observed) == (FAIL, f"both wrote {owner or 'NULL'}")
    assert judgement.expected == "two workers that are told no WORKER_ID write two ids"
    assert {line.text[:6] for line in judgement.evidence} == {"task 1", "task 2"}
    assert "host name and process id" in str(judgement.hint)


def test_a_worker_that_does_not_start_without_an_id_is_judged_where_the_defaults_are() -> None:
    for story in (Story().start(A).exit(A, 0.5, 1), nameless("host-41").start(B, 2.0).exit(B, 2.5, 1)):
        assert judged("3b.assigned-worker", *of_nameless(story)).verdict is PASS


@pytest.mark.parametrize("story", [Story(), Story().start(A), nameless("host-41").start(B, 2.0)])
def test_a_worker_without_an_id_that_is_slow_to_start_is_not_blamed(story: Story) -> None:
    told = reason("3b.assigned-worker", *of_nameless(story))
    assert told == "the workers without WORKER_ID did not come to their first polls"


@pytest.mark.parametrize(
    ("status", "last"), [(1, "exited, status 1"), (None, "log: no name"), (-9, "log: no name")]
)
def test_a_worker_that_takes_nothing_without_an_id_fails(status: int | None, last: str) -> None:
    story = Story().start(A).insert("1", 1.0).note("waits", 1.0, worker=A, task="1").log(A, 1.2, "no name")
    story.step(A, 1.1, "SELECT id FROM tasks")
    if status is not None:  # SIGKILL comes from the grader, to make room for the second one
        story.exit(A, 1.3, status)
    judgement = judged("3b.assigned-worker", *of_nameless(story))
    assert (judgement.verdict, judgement.observed) == (FAIL, "no claim")
    assert [line.text for line in judgement.evidence][-1] == last


def test_a_second_worker_that_was_on_its_way_out_when_its_task_came_is_judged_by_the_sharing() -> None:
    story = nameless("host-41").start(B, 2.0).step(B, 2.3, "SELECT pg_try_advisory_lock(1)")
    story.insert("2", 2.4).note("waits", 2.4, worker=B, task="2").exit(B, 2.5, 1)
    assert judged("3b.assigned-worker", *of_nameless(story)).verdict is PASS


def test_a_claim_that_nobody_could_see_tells_nothing_of_ids_that_are_made_up() -> None:
    story = nameless("host-41").start(B, 2.0).insert("2", 2.4).note("waits", 2.4, worker=B, task="2")
    story.update("2", 2.5, B, status="completed", assigned_worker="host-41")
    assert judged("3b.assigned-worker", *of_nameless(story)).verdict is PASS
