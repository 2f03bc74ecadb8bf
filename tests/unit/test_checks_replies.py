"""What stands in the answers of an api-service, and what is said of one that does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from grader.checkpoints.replies import any_task, same_value
from grader.history.events import WaitTimedOut
from grader.history.timeline import History
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded
from tests.unit.stories import OVER_HTTP, RIGHT, Conversation

PASS, FAIL = Verdict.PASS, Verdict.FAIL


# ---------------------------------------------------------------- what stands in an answer


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2030-01-01T00:00:00.123456Z", "2030-01-01 00:00:00.123456+00:00", True),
        ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123457Z", True),
        ("2030-01-01T01:00:00+01:00", "2030-01-01T00:00:00Z", True),
        ("2030-01-01T00:00:00.5Z", "2030-01-01T00:00:00.501Z", False),
        ("yesterday", "today", False),
        (17, 18, False),
    ],
)
def test_one_moment_may_be_told_in_several_ways(one: Any, other: Any, same: bool) -> None:
    assert same_value("created_at", one, other) is same


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [("id", 1, "1", True), ("id", 1, 2, False), ("title", 1, "1", False), ("title", "a", "a", True)],
)
def test_an_id_may_be_told_as_a_number_or_as_text_and_nothing_else_may(
    key: str, one: Any, other: Any, same: bool
) -> None:
    assert same_value(key, one, other) is same


@pytest.mark.parametrize(
    "body", [{"id": 1, "title": "t"}, [{"id": 1, "title": "t"}], {"task": {"id": 1, "title": "t"}}]
)
def test_a_task_is_found_in_whatever_it_is_wrapped(body: Any) -> None:
    api = Conversation()
    api.ask("GET", "/tasks/1", 200, body)
    [exchange] = api.story.history().exchanges()
    assert any_task(exchange) == {"id": 1, "title": "t"}


# ---------------------------------------------------------------- no answer


@pytest.mark.parametrize("name", [*OVER_HTTP, "2.validation"])
def test_an_api_service_that_lets_its_clients_wait_fails_with_its_slowest_answers(name: str) -> None:
    story = Story().start("api").ask("POST", "/tasks", 1.0, 201, {"id": 1}, {"title": "x"})
    for number in range(4):
        story.ask("GET", "/tasks", 2.0 + 10 * number, None, took=9.0 + number / 10)
    history = story.add(WaitTimedOut(at=45.0, waited_for="api to answer in time", seconds=36.6)).history()
    result = graded(name, history)
    assert (result.verdict, result.expected) == (FAIL, "an answer to each request within some seconds")
    assert result.observed == "the slowest ones took 37 s together; nothing more was asked"
    assert [line.at for line in result.evidence] == [2.0, 12.0, 22.0, 32.0]


def test_what_was_created_in_time_is_not_blamed_for_what_had_to_wait_later() -> None:
    events = [e for e in RIGHT.events if e.at < getattr(RIGHT.moment("lists"), "at", 0.0)]
    late = WaitTimedOut(at=90.0, waited_for="api to answer in time", seconds=36.6)
    history = History([*events, late])
    assert graded("2.create", history).verdict is PASS
    assert graded("2.list", history).verdict is FAIL


def test_an_api_service_that_never_answers_fails_every_check_that_needs_it() -> None:
    needing = ["2.health", *OVER_HTTP, "2.validation", "3b.end-to-end", "3b.burst"]
    story = Story().start("api").log("api", 0.5, "ModuleNotFoundError").exit("api", 0.6, 1)
    story.add(WaitTimedOut(at=0.7, waited_for="api to answer (api had exited)", seconds=0.7))
    for name in needing:
        result = graded(name, story.history())
        assert (result.verdict, result.observed) == (FAIL, "it ended, status 1"), name
