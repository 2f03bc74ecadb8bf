"""2.read and 2.list, from a literal history of a well-behaved api-service, and from the same with one thing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.checkpoints.over_http import OF_ONE_STATUS, PAGE
from grader.checkpoints.requests import BAD_IDS
from grader.history.events import HttpExchange, Moment
from grader.history.timeline import History
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded
from tests.unit.stories import RIGHT, changed, failing, in_vain, reads, without_database

PASS, FAIL = Verdict.PASS, Verdict.FAIL


# ---------------------------------------------------------------- 2.read


def test_a_get_that_answers_a_list_costs_one_check() -> None:
    history = changed("GET", "/tasks/", body=lambda task: [task])
    assert set(failing(history)) == {"2.read"}
    assert "one JSON object" in str(graded("2.read", history).hint)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_malformed_id_may_be_refused_in_each_of_three_ways(status: int) -> None:
    assert reads(answering_bad_ids(status, *BAD_IDS)).verdict is PASS


@pytest.mark.parametrize("bad", [BAD_IDS[0], BAD_IDS[-1]])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_malformed_id_that_is_answered_otherwise_fails_whichever_it_is(status: int, bad: str) -> None:
    result = reads(answering_bad_ids(status, bad))
    assert (result.verdict, result.observed) == (FAIL, f"status {status}")
    assert result.expected == "400, 404 or 422 for an id that is none"


def answering_bad_ids(status: int, *bad: str) -> History:
    paths = {f"/tasks/{each}" for each in bad}
    return History(
        [replace(e, status=status) if isinstance(e, HttpExchange) and e.path in paths else e for e in RIGHT.events]
    )


def test_a_task_that_is_there_after_many_that_are_not_is_read() -> None:
    assert reads(RIGHT, in_vain().history()).verdict is PASS
    assert reads(RIGHT, in_vain().ask("POST", "/tasks", 1.55, 500).history()).verdict is PASS


@pytest.mark.parametrize(
    ("story", "expected", "observed", "at"),
    [
        (in_vain(404, 404, 500), "404, also after 2 requests", "status 500", 1.2),
        (in_vain(404, None), "404, also after 1 request", "ReadTimeout", 1.1),
        (in_vain(404, 404, 404, 500, there=500), "404, also after 3 requests", "status 500", 1.3),
        (in_vain(200), "404, also after 0 requests", "status 200", 1.0),
        (in_vain(there=500), "200, also after 4 requests", "status 500", 2.0),
        (in_vain(there=404), "200, also after 4 requests", "status 404", 2.0),
        (in_vain(there=None), "200, also after 4 requests", "ReadTimeout", 2.0),
    ],
)
def test_a_request_that_is_not_answered_like_those_before_it_fails_with_how_many_there_were(
    story: Story, expected: str, observed: str, at: float
) -> None:
    result = reads(RIGHT, story.history())
    assert (result.verdict, result.observed) == (FAIL, observed)
    assert result.expected == f"{expected} for a task that is not there"
    assert "give its database connection back" in str(result.hint)
    assert [line.at for line in result.evidence] == [at]


def test_what_one_request_shows_is_told_before_many() -> None:
    result = reads(answering_bad_ids(500, BAD_IDS[0]), in_vain(there=500).history())
    assert result.expected == "400, 404 or 422 for an id that is none"


def test_what_is_asked_after_the_last_of_many_is_none_of_them() -> None:
    assert reads(RIGHT, in_vain().ask("GET", "/health", 2.6, 500).history()).verdict is PASS


def test_many_requests_that_were_not_sent_say_nothing() -> None:
    story = Story().start("api").note("asks-in-vain", 1.0, task="1").ask("GET", "/tasks/1", 2.0, 200, {"id": 1})
    result = reads(RIGHT, story.note("asked-in-vain", 2.5).history())
    assert (result.verdict, "was not asked for" in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("asks-in-vain", "the unknown task was asked for but once"),
        ("asked-in-vain", "the scenario came to no end"),
    ],
)
def test_many_requests_that_were_not_seen_to_their_end_say_nothing(without: str, reason: str) -> None:
    events = [e for e in in_vain(500).events if not (isinstance(e, Moment) and e.name == without)]
    result = reads(RIGHT, History(events))
    assert (result.verdict, reason in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize(
    "story",
    [
        without_database(),
        without_database(500, None),
        without_database(None, 200, [{"id": 1}]),
        without_database(200, 200, {"detail": "no list"}),
    ],
)
def test_an_api_service_that_cannot_ask_may_answer_anything_that_is_no_lie(story: Story) -> None:
    assert reads(RIGHT, gone=story.history()).verdict is PASS


@pytest.mark.parametrize(
    ("story", "observed"),
    [
        (without_database(one=404), "status 404"),
        (without_database(many=404), "status 404"),
        (without_database(many=200, listed=[]), "status 200, and a list without it"),
        (without_database(many=200, listed={"items": [{"id": 2}]}), "status 200, and a list without it"),
    ],
)
def test_an_answer_that_denies_a_task_which_nobody_could_ask_for_fails(story: Story, observed: str) -> None:
    result = reads(RIGHT, gone=story.history())
    assert (result.verdict, result.observed) == (FAIL, observed)
    assert "with the database gone" in str(result.expected)


def test_without_a_database_that_goes_away_nothing_is_said_of_answers_without_one() -> None:
    result = reads(RIGHT, gone=Story().start("api").history())
    assert (result.verdict, "database gone" in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


def test_a_task_that_was_not_asked_for_without_a_database_says_nothing() -> None:
    story = Story().start("api").note("asks-without-database", 1.0, task="1").note("asked-without-database", 2.0)
    result = reads(RIGHT, gone=story.history())
    assert (result.verdict, "no task was asked for" in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


# ---------------------------------------------------------------- 2.list


def test_a_list_that_ends_early_names_what_it_leaves_out() -> None:
    history = changed("GET", "/tasks", until="listed", body=lambda b: b[:20] if isinstance(b, list) else b)
    assert "left out: 2" in str(failing(history)["2.list"])
    assert "Without limit and status" in str(graded("2.list", history).hint)


def test_a_list_with_tasks_of_another_status_names_them() -> None:
    history = changed(
        "GET", f"/tasks?status={OF_ONE_STATUS}", until="listed", body=lambda rows: [*rows, {"id": "1"}]
    )
    result = graded("2.list", history)
    assert "out of place: 1" in str(result.observed)
    assert "a WHERE" in str(result.hint)


def test_a_list_that_is_none_is_told_with_the_request_for_it() -> None:
    history = changed("GET", f"/tasks?status={OF_ONE_STATUS}", until="listed", status=422)
    result = graded("2.list", history)
    assert str(result.expected).startswith(f"GET /tasks?status={OF_ONE_STATUS}: 200 and a JSON array")
    assert (result.verdict, result.observed) == (FAIL, "status 422")
    assert "A list is an array" in str(result.hint)


def test_a_page_that_shows_a_task_twice_and_another_never_fails() -> None:
    history = changed("GET", f"/tasks?limit={PAGE}&offset={PAGE}", body=lambda rows: [{"id": "1"}, *rows[1:]])
    assert failing(history) == {"2.list": "left out: 21; twice: 1"}


def test_pages_that_a_change_moves_fail_with_the_change_between_them() -> None:
    history = changed("GET", f"/tasks?limit={PAGE}&offset={PAGE}", body=lambda rows: [{"id": "20"}, *rows[:-1]])
    result = graded("2.list", history)
    assert (result.verdict, result.observed) == (FAIL, "left out: 25; twice: 20")
    first, change, second = result.evidence
    assert change.text == "task 1, 25 changed by the grader: updated_at is now the latest"
    assert first.at < change.at < second.at


def test_pages_that_are_cut_before_they_are_filtered_fail_by_what_they_leave_out() -> None:
    history = changed("GET", f"/tasks?status={OF_ONE_STATUS}&limit", body=[])
    assert failing(history) == {"2.list": "left out: 5, 8, 9; twice: none"}
    assert "Filter first" in str(graded("2.list", history).hint)


def test_a_page_of_one_status_that_is_longer_than_its_limit_fails() -> None:
    history = changed(
        "GET", f"/tasks?status={OF_ONE_STATUS}&limit", body=lambda rows: [*rows, {"id": 9}, {"id": 8}]
    )
    assert failing(history) == {"2.list": "4 tasks"}


def test_a_table_that_refuses_a_status_is_told_so() -> None:
    story = Story().note("refused", 1.0, status="completed", why="violates check constraint")
    history = History([*RIGHT.events, *story.events])
    assert failing(history) == {"2.list": "violates check constraint"}
