"""2.update-delete and 2.persistence, from a literal history of a well-behaved api-service, and from the same with one
thing changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from grader.history.events import Event, Moment, RowChanged, SignalSent
from grader.history.timeline import History
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded
from tests.unit.stories import RIGHT, Row, changed, failing

PASS, FAIL = Verdict.PASS, Verdict.FAIL


# ---------------------------------------------------------------- 2.update-delete


def test_a_put_that_answers_the_task_as_it_was_fails() -> None:
    history = changed("PUT", "/tasks/3", body=lambda task: task | {"title": "title 31"})
    assert failing(history) == {"2.update-delete": "the answer is not the task as it is now"}
    assert "RETURNING" in str(graded("2.update-delete", history).hint)


def test_a_put_and_a_delete_that_are_refused_are_told_from_each_other() -> None:
    put = graded("2.update-delete", changed("PUT", "/tasks/3", status=404))
    assert str(put.observed).startswith("PUT /tasks/3")
    assert "PUT finds the row" in str(put.hint)
    delete = graded("2.update-delete", changed("DELETE", "/tasks/3", status=409))
    assert str(delete.observed).startswith("status 409, then ")
    assert "DELETE is for any task" in str(delete.hint)


TOLD = ("id", "title", "status")
"""What an answer cannot leave out: which task it is, and how it stands."""


@pytest.mark.parametrize(
    "told",
    [
        lambda task: {"title": task["title"], "description": task["description"]},
        lambda task: {"message": "changed"},
        *[lambda task, key=key: {k: v for k, v in task.items() if k != key} for key in TOLD],
        lambda task: task | {"id": 999},
        lambda task: task | {"status": "processing"},
        lambda task: task | {"type": "other"},
        lambda task: task | {"payload": {"fail": True}},
        lambda task: task | {"description": "no more"},
    ],
)
def test_a_put_that_answers_something_else_than_the_task_fails(told: Any) -> None:
    history = changed("PUT", "/tasks/3", body=told)
    assert failing(history) == {"2.update-delete": "the answer is not the task as it is now"}


@pytest.mark.parametrize(
    "told",
    [
        lambda task: {"task": task},
        lambda task: [task],
        lambda task: {key: task[key] for key in (*TOLD, "description")},
        lambda task: task | {"id": int(task["id"]), "own": 7},
        lambda task: task | {"created_at": 1893456000, "updated_at": "a moment ago"},
    ],
)
def test_a_put_may_answer_the_task_in_any_shape(told: Any) -> None:
    assert failing(changed("PUT", "/tasks/3", body=told)) == {}


def merged(event: Event, title: str, own: Mapping[str, Any]) -> Event:
    """The event, with ``own`` values in the row if it leaves one of that title."""
    if not isinstance(event, RowChanged) or event.after is None or event.after["title"] != title:
        return event
    return replace(event, after={**event.after, **own})


def beside_a_claim(*, claimed: bool = True, **own: Any) -> History:
    """The right history, but for what the PUT that is under way during a claim leaves of the row."""

    def other(event: Event) -> Event:
        if isinstance(event, Moment) and event.name == "claims-beside":
            return replace(event, detail={**event.detail, "claimed": claimed})
        return merged(event, "new 34", own)

    return History([other(event) for event in RIGHT.events])


@pytest.mark.parametrize(
    ("own", "observed"),
    [
        ({"status": "pending"}, "status as they were before the claim"),
        ({"assigned_worker": None}, "assigned_worker as they were before the claim"),
        (
            {"status": "pending", "assigned_worker": None},
            "status and assigned_worker as they were before the claim",
        ),
    ],
)
def test_a_put_that_writes_back_what_it_read_before_a_claim_fails(own: Row, observed: str) -> None:
    assert failing(beside_a_claim(**own)) == {"2.update-delete": observed}


def test_a_put_that_held_its_row_before_anybody_could_claim_it_undoes_nothing() -> None:
    assert failing(beside_a_claim(claimed=False, status="pending")) == {}


@pytest.mark.parametrize(
    ("own", "observed"),
    [
        ({"status": "pending"}, "also changed: status"),
        ({"created_at": "2031"}, "also changed: created_at"),
        ({"description": ""}, "also changed: description"),
    ],
)
def test_a_put_that_changes_something_else_fails(own: Mapping[str, Any], observed: str) -> None:
    events = [merged(event, "newer 32", own) for event in RIGHT.events]
    assert failing(History(events)) == {"2.update-delete": observed}


@pytest.mark.parametrize("own", [{"version": 2}, {"title_lower": "newer 32"}, {"search": "'newer':1"}])
def test_what_becomes_of_columns_that_the_contract_does_not_know_is_nobodys_business(own: Row) -> None:
    def other(event: Event) -> Event:
        if not isinstance(event, RowChanged):
            return event
        old = dict.fromkeys(own, "old")
        is_changed = event.after is not None and event.after["title"] == "newer 32"
        before = event.before and {**event.before, **old}
        return replace(event, before=before, after=event.after and {**event.after, **(own if is_changed else old)})

    assert failing(History([other(event) for event in RIGHT.events])) == {}


@pytest.mark.parametrize(("task", "status"), [("33", "pending"), ("35", "completed")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_deleted_task_that_is_still_listed_fails(task: str, status: str, wrapped: bool) -> None:
    def other(rows: list[Row]) -> Any:
        return {"items": [*rows, {"id": task}]} if wrapped else [*rows, {"id": int(task)}]

    result = graded("2.update-delete", changed("GET", f"/tasks?status={status}", since="deletes", body=other))
    assert (result.verdict, result.observed) == (FAIL, f"GET /tasks?status={status} still shows it")
    assert [line.text.partition(" →")[0] for line in result.evidence] == [
        f"DELETE /tasks/{task}",
        f"GET /tasks?status={status}",
    ]


@pytest.mark.parametrize("to", [{"status": 500}, {"body": {"detail": "no list"}}])
def test_a_list_that_is_none_says_nothing_of_a_deleted_task(to: Row) -> None:
    assert failing(changed("GET", "/tasks?status=", since="deletes", **to)) == {}


def test_a_deleted_task_that_no_list_was_asked_for_is_not_known_to_be_gone() -> None:
    [first, *_] = RIGHT.moments("deletes")
    events = [
        e for e in RIGHT.events if e.at < first.at or not getattr(e, "path", "").startswith("/tasks?status=")
    ]
    result = graded("2.update-delete", History(events))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no list was asked for after a DELETE" in str(result.reason)


def test_what_a_restart_does_to_the_rows_is_not_blamed_on_put() -> None:
    api = Story().insert("31", 0.5)
    wiped = api.update("31", 95.0, "api-again", title="gone", status="failed").events[1:]
    assert failing(History([*RIGHT.events, *wiped])) == {}


# ---------------------------------------------------------------- 2.persistence


def test_tasks_that_are_gone_after_a_restart_fail() -> None:
    history = changed("GET", "/tasks", since="restarted", body=[])
    assert set(failing(history)) == {"2.persistence"}


def test_a_task_that_only_the_list_has_lost_after_a_restart_fails() -> None:
    lost = changed(
        "GET", "/tasks", since="restarted", body=lambda body: body[1:] if isinstance(body, list) else body
    )
    assert "shown by GET /tasks, 1 are gone or changed" in str(failing(lost)["2.persistence"])


def test_tasks_are_compared_with_what_was_shown_before_and_not_with_the_table() -> None:
    shown = changed(
        "GET", "/tasks", since="before-restart", body=lambda body: body[:3] if isinstance(body, list) else body
    )
    assert failing(shown) == {}


def under_way(
    status: int | None, *, waits: bool = True, path: str = "/tasks/2", later: float = -0.01
) -> CheckResult:
    """A request for task 2 waits for the database when SIGTERM comes."""
    [stop] = [event for event in RIGHT.events if isinstance(event, SignalSent)]
    story = Story().note("under-way", stop.at - 0.005, path="/tasks/2", waits=waits)
    story.ask("GET", path, stop.at + later, status, {"id": 2})
    return graded("2.persistence", History([*RIGHT.events, *story.events]))


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, PASS), (404, PASS), (499, PASS), (500, FAIL), (503, FAIL), (None, FAIL)]
)
def test_a_request_that_is_under_way_at_sigterm_is_answered(status: int | None, verdict: Verdict) -> None:
    result = under_way(status)
    assert result.verdict is verdict
    if verdict is FAIL:
        assert result.expected == "a request that is under way at SIGTERM is answered before the exit"
        assert result.observed == (f"status {status}" if status else "ReadTimeout")
        assert "finish those that you have" in str(result.hint)
        assert [line.text.partition(" →")[0] for line in result.evidence] == ["GET /tasks/2", "SIGTERM sent"]


def test_only_the_request_that_waited_at_sigterm_is_one_that_was_under_way() -> None:
    assert under_way(500, waits=False).verdict is PASS
    assert under_way(500, path="/tasks/1").verdict is PASS
    assert under_way(500, later=0.0).verdict is FAIL
    assert under_way(500, later=0.01).verdict is PASS


def test_an_api_service_that_shows_nothing_has_kept_nothing() -> None:
    history = changed("GET", "/tasks", since="before-restart", status=500)
    assert failing(history) == {"2.persistence": "no task shown before it, by /tasks, /tasks/1, /tasks/2"}
