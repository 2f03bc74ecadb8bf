"""2.create, from a literal history of a well-behaved api-service, and from the same with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from grader.history.events import HttpExchange, RowChanged
from grader.history.timeline import History
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import CHECKS, graded
from tests.unit.stories import RIGHT, Conversation, changed, failing

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_200_for_201_costs_one_check() -> None:
    assert failing(changed("POST", "/tasks", status=200)) == {"2.create": "status 200"}


def test_a_post_that_answers_a_message_costs_one_check() -> None:
    history = changed("POST", "/tasks", body=lambda task: {"id": task.get("id"), "message": "created"})
    assert failing(history) == {"2.create": "the answer has no status"}
    assert graded("2.create", history).hint == CHECKS["2.create"].hint


def test_a_field_that_is_answered_as_another_one_is_told_beside_what_was_sent() -> None:
    result = graded("2.create", changed("POST", "/tasks", body=lambda task: task | {"title": ""}))
    assert str(result.observed).startswith('the answer has title "", and the request title "')
    assert "what the client sent" in str(result.hint)


def test_times_in_the_answer_are_those_of_the_next_get() -> None:
    history = changed("POST", "/tasks", body=lambda t: t | {"created_at": "2030-01-01T00:00:59.5"})
    assert "created_at" in str(failing(history)["2.create"])
    assert set(failing(history)) == {"2.create"}


def test_a_task_that_others_could_see_half_made_is_not_created_well() -> None:
    api = Conversation()
    api.insert("1", "api")
    api.update("1", "api", payload={"n": 1})
    api.ask("POST", "/tasks", 201, api.rows["1"], {"title": "title 1", "payload": {"n": 1}})
    api.get("1")
    api.ask("GET", "/tasks", 200, [api.rows["1"]])
    for _ in range(2):
        api.ask("POST", "/tasks", 201, {}, {"title": "other"})
    api.note("commit-held", held=True, answered=False)
    result = graded("2.create", api.story.history())
    seen = 'the first that others can see in the table has payload {}, and the request payload {"n": 1}'
    assert result.observed == seen
    assert "in one transaction" in str(result.hint)


def test_a_task_that_is_made_in_two_statements_of_one_transaction_is_created_well() -> None:
    events = list(RIGHT.events)
    [made] = [event for event in events if isinstance(event, RowChanged) and event.task == "2"]
    half = replace(made, after={**(made.after or {}), "payload": {}})
    rest = replace(made, at=made.at + 0.001, operation="update", before=half.after)
    at = events.index(made)
    assert graded("2.create", History([*events[:at], half, rest, *events[at + 1 :]])).verdict is PASS


def first_list(**to: Any) -> History:
    """The right history, but for the list after the first POST."""
    posted, second, *_ = RIGHT.exchanges("POST", "/tasks")
    events = [
        replace(e, **to)
        if isinstance(e, HttpExchange)
        and e.path == "/tasks"
        and e.method == "GET"
        and posted.at < e.at < second.at
        else e
        for e in RIGHT.events
    ]
    return History(events)


def test_a_list_that_does_not_show_the_new_task_fails() -> None:
    for body in ("[]", '{"items": []}', '[{"id": 7, "title": "other"}]'):
        result = graded("2.create", first_list(body=body))
        assert (result.verdict, result.observed) == (FAIL, "the very next list does not show the new task")
        assert [line.text.partition(" ")[0] for line in result.evidence] == ["GET", "POST", "GET"]
        assert failing(first_list(body=body)).keys() == {"2.create"}


@pytest.mark.parametrize(
    "to",
    [
        {"status": 500},
        {"status": None, "error": "ReadTimeout"},
        {"body": '{"detail": "no list"}'},
        {"body": '{"data": [{"id": "1"}]}'},
        {"body": '[{"title": "title 1"}]'},
    ],
)
def test_what_a_list_is_like_is_judged_elsewhere(to: dict[str, Any]) -> None:
    assert "2.create" not in failing(first_list(**to))


def test_without_a_list_nobody_knows_whether_it_shows_the_new_task() -> None:
    first = RIGHT.exchanges("POST", "/tasks")[1]
    events = [
        e
        for e in RIGHT.events
        if e.at > first.at or getattr(e, "path", "") != "/tasks" or getattr(e, "method", "") == "POST"
    ]
    assert graded("2.create", History(events)).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- commits that are held or cut off


def created(*, held: bool = True, answered: bool = False) -> Story:
    story = Story().start("api")
    for number in (1, 2, 3):
        row = {"id": number, "title": f"title {number}", "status": "pending", "created_at": "x", "updated_at": "x"}
        story.insert(str(number), number + 0.005)
        story.ask("POST", "/tasks", number, 201, row, {"title": row["title"]})
        story.ask("GET", f"/tasks/{number}", number + 0.1, 200, row)
        if number == 1:
            story.ask("GET", "/tasks", 1.2, 200, [row])
    return story.note("commit-held", 3.001, held=held, answered=answered)


def refused(status: int | None, *, stored: bool = False, sql: str | None = "COMMIT") -> CheckResult:
    story = created().note("commit-cut", 5.0, title="title 9", sql=sql, answered=False)
    if stored:
        story.insert("9", 5.005)
    story.ask("POST", "/tasks", 4.9, status, {"id": 9}, {"title": "title 9"})
    return graded("2.create", story.history())


@pytest.mark.parametrize("status", [500, 503, None])
def test_any_error_for_a_commit_that_was_cut_off_passes(status: int | None) -> None:
    assert refused(status).verdict is PASS


def test_201_for_a_commit_that_was_cut_off_passes_when_a_second_try_stored_the_task() -> None:
    assert refused(201, stored=True).verdict is PASS


def test_201_for_a_task_that_was_not_stored_fails() -> None:
    assert (refused(201).verdict, refused(201).observed) == (FAIL, "status 201, and no row in the table")


def test_an_answer_before_its_commit_fails() -> None:
    assert graded("2.create", created(answered=True).history()).verdict is FAIL


def test_commits_that_were_not_seen_decide_nothing() -> None:
    assert graded("2.create", created(held=False, answered=True).history()).verdict is INCONCLUSIVE
    assert refused(503, sql=None).verdict is INCONCLUSIVE


def test_a_scenario_that_ended_before_the_cut_is_judged_by_the_rest() -> None:
    assert graded("2.create", created().history()).verdict is PASS
