"""Part 2 judged on a literal history of a well-behaved api-service, and on the same with one thing changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from grader.checkpoints import all_checks, select
from grader.checkpoints.over_http import OF_ONE_STATUS, PAGE, SHORT_PAGE
from grader.checkpoints.replies import any_task, same_value
from grader.checkpoints.requests import BAD_IDS, BAD_REQUESTS, HARMLESS_TITLES, BadRequest
from grader.history.events import Event, HttpExchange, Moment, RowChanged, SignalSent, WaitTimedOut
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story

PASS, FAIL = Verdict.PASS, Verdict.FAIL
OVER_HTTP = ("2.create", "2.read", "2.list", "2.update-delete", "2.persistence")
Row = dict[str, Any]


def judged(name: str, history: History, many: History | None = None, gone: History | None = None) -> CheckResult:
    """``many`` and ``gone`` are what 2.read asks of further scenarios."""
    [check] = select(all_checks(), only=[name])
    others = (many or in_vain().history(), gone or without_database().history())
    takes = {s.name: [Take(h, 1.0)] for s, h in zip(check.on, (history, *others), strict=False)}
    return Judge((check,), takes).results()[name]


class Conversation:
    """Requests one after the other, with the changes of rows that they make."""

    def __init__(self) -> None:
        self.story = Story().start("api").start("api-again", 90.0)
        self.rows: dict[str, Row] = {}
        self.now = 1.0

    def tick(self) -> float:
        self.now = round(self.now + 0.1, 3)
        return self.now

    def note(self, name: str, **detail: Any) -> None:
        self.story.note(name, self.tick(), **detail)

    def insert(self, task: str, by: str | None, **values: Any) -> Row:
        at = self.tick()
        times = {"created_at": f"2030-01-01T00:00:{at:09.6f}+00:00", "updated_at": "2030-01-01T00:00:01+00:00"}
        self.story.insert(task, at, by=by, **{"type": "default", "payload": {}} | times | values)
        self.rows[task] = self.story.row(task)
        return self.rows[task]

    def update(self, task: str, by: str | None, **values: Any) -> None:
        self.story.update(task, self.tick(), by, **values)
        self.rows[task] = self.story.row(task)

    def ask(self, method: str, path: str, status: int, body: Any = None, sent: Any = None) -> None:
        self.story.ask(method, path, self.tick(), status, body, sent)

    def get(self, task: str) -> None:
        self.ask("GET", f"/tasks/{task}", 200, self.rows[task])


def over_http() -> History:
    """The scenario as a right api-service goes through it."""
    api = Conversation()
    for task, more in (("1", {}), ("2", {"description": "two", "payload": {"n": [1]}})):
        row = api.insert(task, "api", **more)
        api.ask("POST", "/tasks", 201, row, {"title": row["title"], **more})
        api.get(task)
    api.note("commit-held", held=True, answered=False)
    row = api.insert("3", "api")
    api.ask("POST", "/tasks", 201, row, {"title": row["title"]})
    api.get("3")

    row = api.insert("4", None)
    api.note("reads", task="4", title=row["title"])
    api.get("4")
    for bad in BAD_IDS:
        api.ask("GET", f"/tasks/{bad}", 422, {"detail": "no id"})
    api.note("reads-unknown", task="1004")
    api.ask("GET", "/tasks/1004", 404, {"detail": "not there"})
    _listed(api)
    _changed(api)

    paths = ["/tasks", "/tasks/1", "/tasks/2"]
    api.note("before-restart", paths=paths)
    _shown(api, paths)
    api.story.signal("api", "SIGTERM", api.tick()).exit("api", api.tick() + 0.05)
    api.note("restarted")
    _shown(api, paths)
    api.ask("POST", "/tasks", 503, {"detail": "cut"}, {"title": "cut off"})
    api.note("commit-cut", title="cut off", sql="COMMIT", answered=False)
    return api.story.history()


STATUSES = {5: "completed", 6: "failed", 7: "processing", 8: "completed", 9: "completed"}
"""Of the tasks that are listed, by number; all others are pending."""


def _listed(api: Conversation) -> None:
    for number in range(5, 26):
        api.insert(str(number), None, status=STATUSES.get(number, "pending"))
    rows = list(api.rows.values())
    api.note("lists", rows={row["id"]: row["status"] for row in rows})
    api.ask("GET", "/tasks", 200, rows)
    for status in ("pending", "processing", "completed", "failed"):
        api.ask("GET", f"/tasks?status={status}", 200, [row for row in rows if row["status"] == status])
    for offset in (0, PAGE):
        api.ask("GET", f"/tasks?limit={PAGE}&offset={offset}", 200, rows[offset : offset + PAGE])
    some = [row for row in rows if row["status"] == OF_ONE_STATUS]
    for offset in (0, SHORT_PAGE):
        path = f"/tasks?status={OF_ONE_STATUS}&limit={SHORT_PAGE}&offset={offset}"
        api.ask("GET", path, 200, some[offset : offset + SHORT_PAGE])
    api.note("listed")


def _changed(api: Conversation) -> None:
    for task, status in (("31", "pending"), ("32", "completed")):
        api.insert(task, None, status=status)
        for new in ({"title": f"new {task}", "description": "changed"}, {"title": f"newer {task}"}):
            api.note("changes", task=task, status=status, new=new)
            api.update(task, "api", **new)
            api.ask("PUT", f"/tasks/{task}", 200, api.rows[task], new)
    api.insert("34", None)
    api.note("claims-beside", task="34", claimed=True)
    api.update("34", None, status="processing", assigned_worker="elsewhere")
    api.update("34", "api", title="new 34")
    api.ask("PUT", "/tasks/34", 200, api.rows["34"], {"title": "new 34"})
    api.note("deletes", task="33")
    api.ask("DELETE", "/tasks/33", 204)
    api.ask("GET", "/tasks/33", 404, {})
    api.note("changes-unknown", task="1033")
    api.ask("PUT", "/tasks/1033", 404, {}, {"title": "x"})
    api.ask("DELETE", "/tasks/1033", 404, {})


def _shown(api: Conversation, paths: list[str]) -> None:
    for path in paths:
        task = path.removeprefix("/tasks/")
        api.ask("GET", path, 200, api.rows[task] if task in api.rows else list(api.rows.values()))


RIGHT = over_http()


def changed(method: str, path: str, *, since: str = "", until: str = "", **to: Any) -> History:
    """The right history with other answers to these requests. A body may be a function of what it was."""

    def other(event: Event) -> Event:
        if not isinstance(event, HttpExchange) or event.method != method:
            return event
        if not event.path.startswith(path) or not after <= event.at < before:
            return event
        body = to.get("body", lambda same: same)
        body = body(json.loads(event.body)) if callable(body) else body
        return replace(event, body=json.dumps(body), status=to.get("status", event.status))

    after = moment.at if (moment := RIGHT.moment(since)) else 0.0
    before = moment.at if (moment := RIGHT.moment(until)) else 1000.0
    return History([other(event) for event in RIGHT.events])


def failing(history: History) -> dict[str, str | None]:
    """The checks that do not pass, and what they saw."""
    results = [judged(name, history) for name in OVER_HTTP]
    assert all(result.verdict in (PASS, FAIL) for result in results), results
    return {result.id: result.observed for result in results if result.verdict is FAIL}


def test_a_right_api_service_passes() -> None:
    assert failing(RIGHT) == {}


def test_200_for_201_costs_one_check() -> None:
    assert failing(changed("POST", "/tasks", status=200)) == {"2.create": "status 200"}


def test_a_get_that_answers_a_list_costs_one_check() -> None:
    history = changed("GET", "/tasks/", body=lambda task: [task])
    assert set(failing(history)) == {"2.read"}


@pytest.mark.parametrize("body", [[1], "text", None, 7, [[]], {"task": None}])
def test_a_get_that_answers_no_task_is_no_error_of_the_grader(body: Any) -> None:
    assert {"2.create", "2.read"} <= set(failing(changed("GET", "/tasks/", body=body)))


def test_a_post_that_answers_a_message_costs_one_check() -> None:
    history = changed("POST", "/tasks", body=lambda task: {"id": task.get("id"), "message": "created"})
    assert failing(history) == {"2.create": "the answer has no status"}


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
    for _ in range(2):
        api.ask("POST", "/tasks", 201, {}, {"title": "other"})
    api.note("commit-held", held=True, answered=False)
    assert (
        judged("2.create", api.story.history()).observed
        == "the first that others can see in the table has payload {}"
    )


def test_a_task_that_is_made_in_two_statements_of_one_transaction_is_created_well() -> None:
    events = list(RIGHT.events)
    [made] = [event for event in events if isinstance(event, RowChanged) and event.task == "2"]
    half = replace(made, after={**(made.after or {}), "payload": {}})
    rest = replace(made, at=made.at + 0.001, operation="update", before=half.after)
    at = events.index(made)
    assert judged("2.create", History([*events[:at], half, rest, *events[at + 1 :]])).verdict is PASS


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_malformed_id_may_be_refused_in_each_of_three_ways(status: int) -> None:
    assert judged("2.read", answering_bad_ids(status, *BAD_IDS)).verdict is PASS


@pytest.mark.parametrize("bad", [BAD_IDS[0], BAD_IDS[-1]])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_malformed_id_that_is_answered_otherwise_fails_whichever_it_is(status: int, bad: str) -> None:
    result = judged("2.read", answering_bad_ids(status, bad))
    assert (result.verdict, result.observed) == (FAIL, f"status {status}")
    assert result.expected == "400, 404 or 422 for an id that is none"


def in_vain(*statuses: int | None, there: int | None = 200) -> Story:
    """A task that is not there is asked for four times, or with these answers; then one that is there."""
    story = Story().start("api").ask("GET", "/tasks/7", 0.9, 500).note("asks-in-vain", 1.0, task="1")
    for number, status in enumerate(statuses or (404,) * 4):
        story.ask("GET", "/tasks/1001", 1.0 + number / 10, status, {"detail": "not there"})
    return story.ask("GET", "/tasks/1", 2.0, there, {"id": 1}).note("asked-in-vain", 2.5)


def test_a_task_that_is_there_after_many_that_are_not_is_read() -> None:
    assert judged("2.read", RIGHT, in_vain().history()).verdict is PASS
    assert judged("2.read", RIGHT, in_vain().ask("POST", "/tasks", 1.55, 500).history()).verdict is PASS


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
    result = judged("2.read", RIGHT, story.history())
    assert (result.verdict, result.observed) == (FAIL, observed)
    assert result.expected == f"{expected} for a task that is not there"
    assert "give its database connection back" in str(result.hint)
    assert [line.at for line in result.evidence] == [at]


def test_what_one_request_shows_is_told_before_many() -> None:
    result = judged("2.read", answering_bad_ids(500, BAD_IDS[0]), in_vain(there=500).history())
    assert result.expected == "400, 404 or 422 for an id that is none"


def test_what_is_asked_after_the_last_of_many_is_none_of_them() -> None:
    assert judged("2.read", RIGHT, in_vain().ask("GET", "/health", 2.6, 500).history()).verdict is PASS


def test_many_requests_that_were_not_sent_say_nothing() -> None:
    story = Story().start("api").note("asks-in-vain", 1.0, task="1").ask("GET", "/tasks/1", 2.0, 200, {"id": 1})
    result = judged("2.read", RIGHT, story.note("asked-in-vain", 2.5).history())
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
    result = judged("2.read", RIGHT, History(events))
    assert (result.verdict, reason in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


def without_database(one: int | None = 503, many: int | None = 503, listed: Any = None) -> Story:
    """The answers for task 1 and for the list of all, while the database is gone."""
    story = Story().start("api").ask("GET", "/tasks", 0.5, 200, []).note("asks-without-database", 1.0, task="1")
    story.ask("GET", "/tasks", 1.1, many, listed).ask("GET", "/tasks/1", 1.2, one, {"detail": "sorry"})
    return story.note("asked-without-database", 2.0).ask("GET", "/tasks/1", 3.0, 404, {})


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
    assert judged("2.read", RIGHT, gone=story.history()).verdict is PASS


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
    result = judged("2.read", RIGHT, gone=story.history())
    assert (result.verdict, result.observed) == (FAIL, observed)
    assert "with the database gone" in str(result.expected)


def test_without_a_database_that_goes_away_nothing_is_said_of_answers_without_one() -> None:
    result = judged("2.read", RIGHT, gone=Story().start("api").history())
    assert (result.verdict, "database gone" in str(result.reason)) == (Verdict.INCONCLUSIVE, True)


def answering_bad_ids(status: int, *bad: str) -> History:
    paths = {f"/tasks/{each}" for each in bad}
    return History(
        [replace(e, status=status) if isinstance(e, HttpExchange) and e.path in paths else e for e in RIGHT.events]
    )


@pytest.mark.parametrize("name", [*OVER_HTTP, "2.validation"])
def test_an_api_service_that_lets_its_clients_wait_fails_with_its_slowest_answers(name: str) -> None:
    story = Story().start("api").ask("POST", "/tasks", 1.0, 201, {"id": 1}, {"title": "x"})
    for number in range(4):
        story.ask("GET", "/tasks", 2.0 + 10 * number, None, took=9.0 + number / 10)
    history = story.add(WaitTimedOut(at=45.0, waited_for="api to answer in time", seconds=36.6)).history()
    result = judged(name, history)
    assert (result.verdict, result.expected) == (FAIL, "an answer to each request within some seconds")
    assert result.observed == "the slowest ones took 37 s together; nothing more was asked"
    assert [line.at for line in result.evidence] == [2.0, 12.0, 22.0, 32.0]


def test_what_was_created_in_time_is_not_blamed_for_what_had_to_wait_later() -> None:
    events = [e for e in RIGHT.events if e.at < getattr(RIGHT.moment("lists"), "at", 0.0)]
    late = WaitTimedOut(at=90.0, waited_for="api to answer in time", seconds=36.6)
    history = History([*events, late])
    assert judged("2.create", history).verdict is PASS
    assert judged("2.list", history).verdict is FAIL


def test_a_list_that_ends_early_names_what_it_leaves_out() -> None:
    history = changed("GET", "/tasks", until="listed", body=lambda b: b[:20] if isinstance(b, list) else b)
    assert "left out: 2" in str(failing(history)["2.list"])


def test_a_page_that_shows_a_task_twice_and_another_never_fails() -> None:
    history = changed("GET", f"/tasks?limit={PAGE}&offset={PAGE}", body=lambda rows: [{"id": "1"}, *rows[1:]])
    assert failing(history) == {"2.list": "left out: 21; twice: 1"}


def test_pages_that_are_cut_before_they_are_filtered_fail_by_what_they_leave_out() -> None:
    history = changed("GET", f"/tasks?status={OF_ONE_STATUS}&limit", body=[])
    assert failing(history) == {"2.list": "left out: 5, 8, 9; twice: none"}
    assert "Filter first" in str(judged("2.list", history).hint)


def test_a_page_of_one_status_that_is_longer_than_its_limit_fails() -> None:
    history = changed(
        "GET", f"/tasks?status={OF_ONE_STATUS}&limit", body=lambda rows: [*rows, {"id": 9}, {"id": 8}]
    )
    assert failing(history) == {"2.list": "4 tasks"}


def test_a_table_that_refuses_a_status_is_told_so() -> None:
    story = Story().note("refused", 1.0, status="completed", why="violates check constraint")
    history = History([*RIGHT.events, *story.events])
    assert failing(history) == {"2.list": "violates check constraint"}


def test_a_put_that_answers_the_task_as_it_was_fails() -> None:
    history = changed("PUT", "/tasks/3", body=lambda task: task | {"title": "title 31"})
    assert failing(history) == {"2.update-delete": "the answer is not the task as it is now"}


def beside_a_claim(*, claimed: bool = True, **own: Any) -> History:
    """The right history, but for what the PUT that is under way during a claim leaves of the row."""

    def other(event: Event) -> Event:
        if isinstance(event, Moment) and event.name == "claims-beside":
            return replace(event, detail=event.detail | {"claimed": claimed})
        is_written = isinstance(event, RowChanged) and event.after and event.after["title"] == "new 34"
        return replace(event, after={**(event.after or {}), **own}) if is_written else event

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
    def other(event: Event) -> Event:
        after = getattr(event, "after", None)
        return replace(event, after={**after, **own}) if after and after["title"] == "newer 32" else event

    assert failing(History([other(event) for event in RIGHT.events])) == {"2.update-delete": observed}


def test_what_a_restart_does_to_the_rows_is_not_blamed_on_put() -> None:
    api = Story().insert("31", 0.5)
    wiped = api.update("31", 95.0, "api-again", title="gone", status="failed").events[1:]
    assert failing(History([*RIGHT.events, *wiped])) == {}


def test_tasks_that_are_gone_after_a_restart_fail() -> None:
    history = changed("GET", "/tasks", since="restarted", body=[])
    assert set(failing(history)) == {"2.persistence"}


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
    return judged("2.persistence", History([*RIGHT.events, *story.events]))


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


def test_an_api_service_that_never_answers_fails_every_check_that_needs_it() -> None:
    needing = ["2.health", *OVER_HTTP, "2.validation", "3b.end-to-end", "3b.burst"]
    story = Story().start("api").log("api", 0.5, "ModuleNotFoundError").exit("api", 0.6, 1)
    story.add(WaitTimedOut(at=0.7, waited_for="api to answer (api had exited)", seconds=0.7))
    for name in needing:
        result = judged(name, story.history())
        assert (result.verdict, result.observed) == (FAIL, "it ended, status 1"), name


# ---------------------------------------------------------------- 2.validation


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
    return judged("2.validation", api.story.history())


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


@pytest.mark.parametrize(
    ("own", "observed"),
    [
        ({"status": "completed"}, "status completed, assigned_worker None"),
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


PUTS = [bad for bad in BAD_REQUESTS if bad.method == "PUT"]


def test_bad_titles_and_descriptions_are_put_into_a_task_that_is_there() -> None:
    there = [bad for bad in PUTS if bad.path.format(task="8") == "/tasks/8"]
    assert {bad.what for bad in PUTS} - {bad.what for bad in there} == {"an id that is none"}
    assert {bad.body for bad in there} <= {bad.body for bad in BAD_REQUESTS if bad.method == "POST"}
    assert len(there) >= 5


@pytest.mark.parametrize("what", [bad.what for bad in PUTS if "{task}" in bad.path])
def test_a_put_that_makes_no_sense_and_is_accepted_fails_and_is_named(what: str) -> None:
    result = refusing(accepted=what)
    assert (result.verdict, result.observed) == (FAIL, "status 200")
    assert result.expected == f"{what}: 400, 404 or 422 with a JSON body"
    assert what.endswith(" in a PUT")
    assert [line.text.split(" →")[0] for line in result.evidence] == ["PUT /tasks/8"]


def test_a_put_that_is_refused_and_changes_the_task_all_the_same_fails() -> None:
    result = refusing(changing=True)
    assert (result.verdict, result.observed) == (FAIL, "1 changes of rows")
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


# ---------------------------------------------------------------- reading answers


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
