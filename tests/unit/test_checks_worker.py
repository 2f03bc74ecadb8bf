"""3a.processes, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.timeline import History
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, told, verdicts

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"


def worked_off(*tasks: str) -> Story:
    """These tasks, the first one the oldest, one after the other."""
    story = Story().start(A)
    for number, task in enumerate(tasks):
        story.insert(task, 0.5 + number / 10)
        story.claim(task, 1.0 + number, A).complete(task, 1.5 + number, A)
    return story


def with_api() -> Story:
    """A client posts task 1, and a worker has it in hand from 2 on."""
    return Story().start("api").start(A).insert("1", 1.0, by="api").claim("1", 2.0, A)


def processes(first: Story | None = None, second: Story | None = None) -> Judgement:
    return judged("3a.processes", first or worked_off("1"), second or with_api())


def test_tasks_that_a_worker_works_off_pass_and_the_oldest_is_shown() -> None:
    judgement = processes(worked_off("8", "7", "9"))
    assert (judgement.verdict, judgement.observed) == (PASS, "3 tasks, one after the other")
    assert told(judgement) == [
        (0.5, "task 8 inserted, pending"),
        (1.0, "task 8: pending → processing, assigned_worker id-of-worker-A"),
        (1.5, "task 8: processing → completed"),
    ]


def test_where_no_task_was_inserted_nothing_is_said() -> None:
    with pytest.raises(NotObserved, match="^no task was inserted$"):
        processes(with_api())


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ((), "pending"),
        (("processing",), "pending → processing"),
        (("completed",), "pending → completed"),
        (("processing", "failed"), "pending → processing → failed"),
        (("processing", "done"), "pending → processing → done"),
        (("processing", "pending", "processing", "completed"), None),
    ],
)
def test_a_task_that_takes_another_way_fails(statuses: tuple[str, ...], words: str | None) -> None:
    story = worked_off("1").insert("2", 4.0)
    for number, status in enumerate(statuses):
        story.update("2", 4.5 + number, A, status=status)
    judgement = processes(story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "pending → processing → completed")
    assert judgement.observed == f"task 2: {words or ' → '.join(('pending', *statuses))}"
    assert told(judgement)[0] == (4.0, "task 2 inserted, pending")
    assert len(judgement.evidence) == 1 + len(statuses)
    assert ("ask the table itself" in str(judgement.hint)) is (statuses == ())
    assert ("done is none of them" in str(judgement.hint)) is ("done" in statuses)
    assert judgement.spoils is None


def test_a_service_that_moves_tasks_beside_the_worker_is_named_and_spoils_everything() -> None:
    story = Story().start("api").start(A).insert("7", 1.0)
    judgement = processes(story.claim("7", 2.0, "api").complete("7", 2.5, A))
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 7 was moved by api")
    assert judgement.expected == "the worker-service moves tasks, nobody else"
    assert "The api-service only stores tasks" in str(judgement.hint)
    assert told(judgement) == [(2.0, "task 7: pending → processing, assigned_worker id-of-api")]
    assert judgement.spoils is None


def test_an_api_service_that_moves_the_tasks_of_clients_spoils_what_is_judged_with_it() -> None:
    story = with_api()
    for number in range(5):
        story.update("1", 2.1 + number / 10, "api", status="pending" if number % 2 == 0 else "processing")
    judgement = processes(second=story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 1 was moved by api")
    assert [round(at, 3) for at, _ in told(judgement)] == [2.1, 2.2, 2.3, 2.4]
    assert judgement.spoils == frozenset({"client_to_client"})


def test_somebody_who_goes_around_the_wire_is_no_worker() -> None:
    assert processes(second=with_api().complete("1", 3.0, "worker-C")).observed == "task 1 was moved by unknown"


def test_of_several_strangers_the_first_is_named() -> None:
    story = with_api().update("1", 2.1, "api", status="pending").insert("2", 2.2, by="api")
    judgement = processes(second=story.complete("2", 2.3, "worker-C"))
    assert judgement.observed == "task 1 was moved by api"
    assert [line.service for line in judgement.evidence] == ["api", "unknown"]


def test_what_the_grader_a_second_worker_and_a_change_of_the_title_do_is_no_strangers_work() -> None:
    story = with_api().start(B).update("1", 2.1, "api", title="new").update("1", 2.2, None, status="pending")
    assert processes(second=story.claim("1", 2.3, B).complete("1", 2.9, B)).verdict is PASS


@pytest.mark.parametrize(
    ("method", "path", "at", "took", "verdict"),
    [
        ("PUT", "/tasks/1", 2.25, 0.5, PASS),
        ("PUT", "/tasks/1", 2.5, 0.5, PASS),
        ("PUT", "/tasks/1", 2.0, 0.5, PASS),
        ("PUT", "/tasks/1", 2.51, 0.5, FAIL),
        ("PUT", "/tasks/1", 2.0, 0.49, FAIL),
        ("PUT", "/tasks/2", 2.25, 0.5, FAIL),
        ("GET", "/tasks/1", 2.25, 0.5, FAIL),
    ],
)
def test_a_change_is_a_clients_while_it_waits_for_the_answer_to_its_put(
    method: str, path: str, at: float, took: float, verdict: Verdict
) -> None:
    story = with_api().ask(method, path, at, 200, {}, {"status": "pending"}, took=took)
    assert processes(second=story.update("1", 2.5, "api", status="pending")).verdict is verdict


def by_the_api(*, asked: bool) -> History:
    """The api-service moves the task of a client, which may have asked for that."""
    story = with_api()
    if asked:
        story.ask("PUT", "/tasks/1", 2.1, 200, {}, {"title": "new", "description": "after the change"}, took=0.2)
    return story.update("1", 2.2, "api", status="pending").history()


def test_what_a_put_does_to_the_status_is_not_taken_for_work_of_the_api_service() -> None:
    assert graded("3a.processes", worked_off("7").history(), by_the_api(asked=True)).verdict is PASS
    assert graded("3a.processes", worked_off("7").history(), by_the_api(asked=False)).verdict is FAIL


def test_work_of_the_api_service_leaves_what_is_judged_without_it() -> None:
    found = verdicts(
        "3a.processes",
        "3b.end-to-end",
        "3b.burst",
        "3b.two-workers",
        three_tasks=worked_off("7").history(),
        client_to_client=by_the_api(asked=False),
    )
    assert found == [FAIL, Verdict.SKIPPED, Verdict.SKIPPED, Verdict.INCONCLUSIVE]
