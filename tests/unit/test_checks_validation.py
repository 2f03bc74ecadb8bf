"""2.validation, from literal histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from grader.checkpoints.requests import BAD_REQUESTS, HARMLESS_TITLES, BadRequest
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded
from tests.unit.stories import PUTS, Conversation, Row

PASS, FAIL = Verdict.PASS, Verdict.FAIL


def refusing(
    *,
    post: int = 201,
    answer: Callable[[Row], Any] = lambda row: row,
    stored: Callable[[str], str] = lambda title: title,
    read: Callable[[Row], Any] = lambda row: row,
    own: Mapping[str, Any] | None = None,
    put: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
    obeys: bool = False,
    refused: Any = None,
    claimed: bool = False,
    status: int = 422,
    put_status: int | None = 200,
    accepted: str | None = None,
    changing: bool = False,
    requests: Sequence[BadRequest] = BAD_REQUESTS,
    after: Callable[[Story, float], object] = lambda _story, _at: None,
) -> CheckResult:
    api = Conversation()
    api.insert("8", None)
    api.note("bad-requests", task="8")
    for bad in requests:
        path = bad.path.format(task="8")
        api.ask(bad.method, path, 200 if bad.what == accepted else status, refused or {"detail": "no"})
    if changing:
        api.update("8", "api", title="")
    api.ask("GET", "/health", 200)
    api.note("harmless-titles")
    for number, title in enumerate(HARMLESS_TITLES, start=1):
        row = api.insert(str(number), "api", title=stored(title))
        api.ask("POST", "/tasks", post, answer(row), {"title": title})
        api.ask("GET", f"/tasks/{number}", 200, read(row))
    api.insert("9", None)
    api.note("fields-of-others", task="9")
    others: tuple[Row, ...] = ({"status": "completed"}, {"assigned_worker": "me"}, {"id": 99})
    for number, extra in enumerate(others):
        task = str(extra["id"] if obeys and "id" in extra else 20 + number)
        row = api.insert(task, "api", title=f"own {number}", **(own or {}))
        api.ask("POST", "/tasks", 201, row, {"title": f"own {number}", **extra})
        if claimed:
            api.update(task, "worker-A", status="processing", assigned_worker="A")
    api.update("9", "api", title="changed", **(put or {}))
    api.ask("PUT", "/tasks/9", put_status, api.rows["9"], {"title": "changed", "status": "completed"})
    api.update("9", "api", title="changed again", **(changed or {}))
    api.ask("PUT", "/tasks/9", put_status, api.rows["9"], {"title": "changed again", "type": "other"})
    api.note("end-of-requests")
    after(api.story, api.now)
    return graded("2.validation", api.story.history())


@pytest.mark.parametrize(
    ("said", "named"),
    [("Traceback (most recent call last)", "Traceback"), ("psycopg.errors.DataError: SELECT 1", "psycopg")],
)
def test_a_refusal_that_shows_internals_fails_and_names_the_first(said: str, named: str) -> None:
    result = refusing(refused={"detail": said})
    assert result.verdict is FAIL
    assert str(result.observed).startswith(f"the body shows internals ({named}")


@pytest.mark.parametrize(
    ("status", "verdict"), [(400, PASS), (404, PASS), (422, PASS), (200, FAIL), (401, FAIL), (500, FAIL)]
)
def test_a_bad_request_is_refused_in_one_of_three_ways(status: int, verdict: Verdict) -> None:
    assert refusing(status=status).verdict is verdict


@pytest.mark.parametrize(("status", "verdict"), [(422, PASS), (499, PASS), (500, FAIL), (None, FAIL)])
def test_a_field_that_is_not_the_clients_may_be_refused_and_must_be_answered(
    status: int | None, verdict: Verdict
) -> None:
    assert refusing(put_status=status).verdict is verdict


@pytest.mark.parametrize(
    ("changed", "observed"),
    [
        ({"type": "other"}, 'type became "other"'),
        ({"payload": {"fail": True}}, 'payload became {"fail": true}'),
    ],
)
def test_a_put_that_changes_what_only_a_post_may_set_fails(changed: Row, observed: str) -> None:
    result = refusing(changed=changed)
    assert (result.verdict, result.observed) == (FAIL, observed)
    assert result.expected == "a PUT changes title and description, and nothing else"
    assert "PUT: title, description" in str(result.hint)


def test_what_becomes_of_a_task_later_is_not_what_its_client_has_set() -> None:
    assert refusing(claimed=True).verdict is PASS


def test_titles_that_are_kept_pass_with_whatever_number_and_shape_they_are_answered() -> None:
    assert refusing().verdict is PASS
    assert refusing(post=200).verdict is PASS
    assert refusing(answer=lambda row: {"id": row["id"], "message": "created"}).verdict is PASS
    assert refusing(answer=lambda _row: None, read=lambda _row: None).verdict is PASS


def test_titles_that_come_back_in_another_form_fail_wherever_that_happens() -> None:
    more = f"(and {len(HARMLESS_TITLES) - 1} more)"
    assert refusing(read=lambda row: row | {"title": "x"}).observed == f"GET has x {more}"
    assert refusing(answer=lambda row: row | {"title": "x"}).observed == f"the answer has x {more}"
    silent = refusing(answer=lambda r: {"id": r["id"]}, read=lambda _: None, stored=lambda _: "x")
    assert silent.observed == f"the table has x {more}"
    assert "change nothing in it" in str(silent.hint)


def test_a_title_that_is_refused_is_told_from_one_that_comes_back_in_another_form() -> None:
    refused = refusing(post=503)
    assert str(refused.observed).startswith("status 503")
    assert "Any text may be a title" in str(refused.hint)


@pytest.mark.parametrize(
    ("own", "observed"),
    [
        ({"status": "completed"}, "status completed, assigned_worker NULL"),
        ({"assigned_worker": "me"}, "status pending, assigned_worker me"),
    ],
)
def test_what_a_client_must_not_set_fails_in_a_post(own: Row, observed: str) -> None:
    assert str(refusing(own=own).observed).startswith(observed)


@pytest.mark.parametrize(
    ("own", "observed"),
    [
        ({"status": "completed"}, 'status became "completed"'),
        (
            {"status": "completed", "assigned_worker": "me"},
            'status became "completed" and assigned_worker became "me"',
        ),
    ],
)
def test_what_a_client_must_not_set_fails_in_a_put(own: Row, observed: str) -> None:
    assert refusing(put=own).observed == observed


def test_an_id_that_a_client_chose_fails_also_when_it_was_free() -> None:
    assert refusing(obeys=True).observed == "the new task got the id 99"


@pytest.mark.parametrize("what", [bad.what for bad in PUTS if "{task}" in bad.path])
def test_a_put_that_makes_no_sense_and_is_accepted_fails_and_is_named(what: str) -> None:
    result = refusing(accepted=what)
    assert (result.verdict, result.observed) == (FAIL, "status 200")
    assert result.expected == f"{what}: 400, 404 or 422 with a JSON body"
    assert what.endswith(" in a PUT")
    assert [line.text.split(" →")[0] for line in result.evidence] == ["PUT /tasks/8"]


def test_a_put_that_is_refused_and_changes_the_task_all_the_same_fails() -> None:
    result = refusing(changing=True)
    assert (result.verdict, result.observed) == (FAIL, "1 change of rows")
    assert "Check first and store then" in str(result.hint)
    assert result.expected == "a refused request leaves the table as it was"


@pytest.mark.parametrize("requests", [BAD_REQUESTS[:-1], (*BAD_REQUESTS, BAD_REQUESTS[0]), ()])
def test_a_record_with_other_bad_requests_than_are_known_says_nothing(requests: Sequence[BadRequest]) -> None:
    result = refusing(requests=requests)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "other requests were sent than this grader knows" in str(result.reason)


@pytest.mark.parametrize(("later", "verdict"), [(-0.01, FAIL), (0.0, PASS), (0.1, PASS)])
def test_what_is_asked_after_the_end_of_the_requests_is_judged_elsewhere(later: float, verdict: Verdict) -> None:
    def put(story: Story, end: float) -> None:
        story.ask("PUT", "/tasks/9", end + later, 500, {}, {"title": "x"})

    assert refusing(after=put).verdict is verdict
