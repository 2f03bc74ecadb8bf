"""3b.end-to-end, 3b.burst and who moves tasks, judged on literal histories."""

from __future__ import annotations

from typing import Any

import pytest

from grader.checkpoints import all_checks, select
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story

PASS, FAIL, INCONCLUSIVE, SKIPPED = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.SKIPPED
A, B = "worker-A", "worker-B"
POSTED = {"title": "first", "description": "as it was posted"}
NEW = {"title": "new", "description": "after the change"}
TITLES = [f"burst {number}" for number in range(10)]


def judged(name: str, *histories: History) -> CheckResult:
    [check] = select(all_checks(), only=[name])
    left_out = [Story().history()] * (len(check.on) - len(histories))
    takes = {s.name: [Take(h, 1.0)] for s, h in zip(check.on, (*histories, *left_out), strict=True)}
    return Judge((check,), takes).results()[name]


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
    story.insert("1", 1.0, by="api", **POSTED).ask("POST", "/tasks", 1.0, 201, {"id": 1}, POSTED)
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
    return judged("3b.end-to-end", story.history())


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
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 500, {"detail": "oops"}, POSTED)
    seen = judged("3b.end-to-end", story.history())
    assert (seen.verdict, seen.observed) == (FAIL, "status 500, and no task with this title in the table")
    story.note("posted", 1.1, task="1", title="first").ask("GET", "/tasks/1", 1.2, 200, {}).note("looked", 9.0)
    assert judged("3b.end-to-end", story.history()).observed == "the task is not in the table"


@pytest.mark.parametrize(("seconds", "verdict"), [(0.01, PASS), (0.5, INCONCLUSIVE)])
def test_a_task_that_is_never_in_hand_cannot_be_changed_at_work(seconds: float, verdict: Verdict) -> None:
    story = Story().start("api").start(A).ask("POST", "/tasks", 1.0, 201, {"id": 1}, POSTED)
    story.insert("1", 1.0, by="api", **POSTED).note("posted", 1.1, task="1", title="first")
    story.claim("1", 1.2, A).complete("1", 1.3, A)
    story.ask("GET", "/tasks/1", 1.8, 200, {"title": "first", "status": "completed"}).note("looked", 1.9)
    story.insert("2", 2.0, by="api").note("posted-again", 2.1, task="2")
    story.claim("2", 2.2, A).complete("2", 2.2 + seconds, A)
    assert judged("3b.end-to-end", story.history()).verdict is verdict


# ---------------------------------------------------------------- 3b.burst


def burst(
    *,
    titles: list[str] = TITLES,
    answered: list[int] | None = None,
    status: int = 201,
    claims: int = 1,
    left: int = 0,
) -> CheckResult:
    """Ten tasks with these titles are stored; the n-th client is answered with the id of the n-th of ``answered``."""
    story = Story().start("api").start(B).note("burst", 1.0, titles=TITLES)
    ids = answered or list(range(10))
    for number, title in enumerate(TITLES):
        story.ask("POST", "/tasks", 1.1, status, {"id": ids[number]}, {"title": title}, took=0.3)
    for number, title in enumerate(titles):
        story.insert(str(number), 1.2, by="api", title=title)
    for number in range(len(titles) - left):
        for again in range(claims):
            story.claim(str(number), 2.0 + number + again / 10, B)
            if again < claims - 1:
                story.update(str(number), 2.05 + number + again / 10, B, status="pending")
        story.complete(str(number), 2.5 + number, B)
    return judged("3b.burst", story.note("burst-over", 20.0).history())


def test_ten_tasks_of_ten_clients_pass_with_whatever_number_they_are_answered() -> None:
    assert burst().verdict is PASS
    assert burst(status=200).verdict is PASS


def test_a_task_under_the_title_of_another_fails() -> None:
    seen = burst(titles=[*TITLES[:9], TITLES[0]])
    assert seen.verdict is FAIL
    assert (
        seen.observed
        == "10 tasks in the table, none of them with the title burst 9; 1 clients were answered "
        + ("with the task of another")
    )


def test_an_answer_with_the_id_of_another_task_fails() -> None:
    seen = burst(answered=[9] * 10)
    assert seen.observed == "10 tasks in the table; 9 clients were answered with the task of another"


def test_refusals_lost_tasks_and_second_claims_fail() -> None:
    assert burst(status=429, titles=[]).observed == "10 were refused: status 429"
    assert burst(left=1).observed == "task 9: 0 claims, 0 completions"
    assert burst(claims=2).verdict is FAIL


# ---------------------------------------------------------------- who moves tasks


def worked_off() -> History:
    story = Story().start(A).insert("7", 1.0).claim("7", 2.0, A).complete("7", 2.5, A)
    return story.history()


def by_the_api(*, asked: bool) -> History:
    story = Story().start("api").start(A).insert("1", 1.0, by="api").claim("1", 2.0, A)
    if asked:
        story.ask("PUT", "/tasks/1", 2.1, 200, {}, NEW, took=0.2)
    return story.update("1", 2.2, "api", status="pending").history()


def test_what_a_put_does_to_the_status_is_not_taken_for_work_of_the_api_service() -> None:
    assert judged("3a.processes", worked_off(), by_the_api(asked=True)).verdict is PASS
    assert judged("3a.processes", worked_off(), by_the_api(asked=False)).verdict is FAIL


def verdicts(*names: str, **histories: History) -> list[Verdict]:
    checks = select(all_checks(), only=names)
    takes = {s.name: [Take(histories.get(s.name, History([])), 1.0)] for check in checks for s in check.on}
    found = Judge(checks, takes).results()
    return [found[name].verdict for name in names]


def test_work_of_the_api_service_leaves_what_is_judged_without_it() -> None:
    found = verdicts(
        "3a.processes",
        "3b.end-to-end",
        "3b.burst",
        "3b.two-workers",
        three_tasks=worked_off(),
        client_to_client=by_the_api(asked=False),
    )
    assert found == [FAIL, SKIPPED, SKIPPED, INCONCLUSIVE]


def test_a_bad_setting_that_is_accepted_leaves_the_rest_to_be_judged() -> None:
    running = Story().start(A).step(A, 0.5, "SELECT id FROM tasks").insert("7", 1.0).claim("7", 2.0, A)
    accepted = Story()
    for name in ("no-url", "bad-url", "poll-word"):
        accepted.start(f"worker-{name}")
    found = verdicts(
        "3a.starts",
        "3a.processes",
        three_tasks=running.complete("7", 2.5, A).history(),
        bad_settings=accepted.history(),
    )
    assert found == [FAIL, PASS]


def test_a_worker_that_never_polls_leaves_nothing_to_be_judged() -> None:
    ended = Story().start(A).exit(A, 1.0, 1).history()
    assert verdicts("3a.starts", "3a.processes", three_tasks=ended) == [FAIL, SKIPPED]
