"""Stories that the tests of several modules tell: part 2 over HTTP, and a worker that gets a signal at work."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from grader.checkpoints.over_http import OF_ONE_STATUS, PAGE, SHORT_PAGE
from grader.checkpoints.requests import BAD_IDS, BAD_REQUESTS
from grader.history.events import (
    ConnectionOpened,
    ConnectionReady,
    Event,
    HttpExchange,
    Moment,
    StepBegan,
    StepEnded,
    WaitTimedOut,
)
from grader.history.timeline import History
from grader.judgement import Judgement
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story, undisturbed
from tests.unit.judging import graded, judged

A = "worker-A"
Row = dict[str, Any]


def without(story: Story, name: str) -> Story:
    """The same, as if the scenario had not noted this."""
    return Story().add(*[e for e in story.events if not (isinstance(e, Moment) and e.name == name)])


def gave_up(story: Story, at: float, seconds: float) -> Story:
    """The scenario waited so long for task 1."""
    return story.add(WaitTimedOut(at=at, waited_for="task 1 to be completed", seconds=seconds))


def no_exit(seconds: float) -> WaitTimedOut:
    """The scenario waited so long for the worker's end."""
    return WaitTimedOut(at=20.0, waited_for="worker-A to exit", seconds=seconds)


def never_up(story: Story) -> Story:
    """The api-service never answered."""
    return story.add(WaitTimedOut(at=10.0, waited_for="api to answer GET /health", seconds=10.0))


def chatting(story: Story, count: int, since: float) -> Story:
    """So many numbered lines, one each hundredth of a second."""
    for number in range(1, count + 1):
        story.log(A, since + number / 100, f"line {'abcdefghij'[number % 10]}")
    return story


def other_connection(
    story: Story, at: float, sql: str = "SELECT 7", after: str = "I", *, took: float = 0.001, number: int = 900
) -> Story:
    """The worker sends one statement on a connection of its own."""
    where = {"service": A, "connection": number}
    return story.add(
        ConnectionOpened(at=at, **where),  # type: ignore[arg-type]
        ConnectionReady(at=at, backend_pid=number, **where),  # type: ignore[arg-type]
        StepBegan(at=at, step=1, sql=sql, transaction="I", **where),  # type: ignore[arg-type]
        StepEnded(
            at=at + took,
            step=1,
            tag="SELECT 1",
            rows=1,
            sqlstate=None,
            message=None,
            values=("1",),
            parameters=(),
            transaction=after,  # type: ignore[arg-type]
            committed=False,
            **where,  # type: ignore[arg-type]
        ),
    )


# ---------------------------------------------------------------- a worker that gets a signal at work


def claims(story: Story, task: str, at: float, began: float | None = None) -> Story:
    """A claim by one UPDATE, in a transaction of its own that began then."""
    story.step(A, at - 0.002 if began is None else began, "BEGIN", tag="BEGIN", after="T")
    return story.step(A, at - 0.001, "UPDATE tasks", tag="UPDATE 1", before="T", after="T").claim(task, at, A)


def at_work(tasks: int = 3) -> Story:
    """Task 1 is in hand when SIGTERM comes at 1.5; the others wait."""
    story = Story().start(A)
    for number in range(1, tasks + 1):
        story.insert(str(number), 0.5 + number / 100)
    return claims(story, "1", 1.0).signal(A, "SIGTERM", 1.5).complete("1", 2.0, A)


def once(closed_by: str = "terminate") -> Story:
    """``at_work``, and then it exits."""
    return at_work().exit(A, 2.1, closed_by=closed_by)


def twice() -> Story:
    """SIGTERM comes at 1.3 and at 1.5; task 1 is in hand, task 2 waits."""
    story = Story().start(A).insert("1", 1.0).insert("2", 1.0).claim("1", 1.1, A)
    return story.signal(A, "SIGTERM", 1.3).signal(A, "SIGTERM", 1.5)


def done_twice() -> Story:
    """``twice``, after which the worker completes its task and exits."""
    return twice().complete("1", 1.9, A).exit(A, 2.0)


def sigint(story: Story, usual: Story | None = None) -> Judgement:
    """What 3a.sigint says."""
    return judged("3a.sigint", story, usual or undisturbed(0.4))


def stopped_idle() -> Story:
    """SIGTERM comes at 1.5 to a worker that waits."""
    return Story().start(A).signal(A, "SIGTERM", 1.5)


def clean(
    first: Story | None = None,
    second: Story | None = None,
    third: Story | None = None,
    waiting: Story | None = None,
) -> Judgement:
    """What 3a.clean-exit says of one signal, of two, of work that nothing disturbs, and of a signal in a wait."""
    waiting = waiting or stopped_idle().exit(A, 1.6)
    return judged("3a.clean-exit", first or once(), second or done_twice(), third or undisturbed(0.4), waiting)


# ---------------------------------------------------------------- the same, at work that takes five seconds

WHOLE, SHORT = 5.75, 5.74
"""When a task that was claimed at 1 has had 95 % of its five seconds, and when not quite."""

FIRST, SECOND = 1.5, 2.5
"""When a worker that is told twice gets its signals."""


def long_at_work() -> Story:
    """A task whose work takes five seconds is in hand from 1 on."""
    return Story().start(A, WORKER_TASK_DURATION="5").insert("1", 0.5).claim("1", 1.0, A)


def long_once(completed: float = 6.0, signal: str = "SIGTERM") -> Story:
    """It gets one signal, completes its task then, and exits."""
    return long_at_work().signal(A, signal, FIRST).complete("1", completed, A).exit(A, completed + 0.1)


def long_twice(completed: float = 6.0) -> Story:
    """It gets two signals, completes its task then, and exits."""
    story = long_at_work().signal(A, "SIGTERM", FIRST).signal(A, "SIGTERM", SECOND)
    return story.complete("1", completed, A).exit(A, max(completed, SECOND) + 0.1)


def usual(*took: float) -> Story:
    """Nothing disturbs a worker whose work should take five seconds, and takes so many."""
    return undisturbed(*took, duration="5")


# ---------------------------------------------------------------- part 2 over HTTP

OVER_HTTP = ("2.create", "2.read", "2.list", "2.update-delete", "2.persistence")
"""The checks that judge the scenario."""

PUTS = [bad for bad in BAD_REQUESTS if bad.method == "PUT"]
"""The bad requests that would change a task."""


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

    def ask(self, method: str, path: str, status: int | None, body: Any = None, sent: Any = None) -> None:
        self.story.ask(method, path, self.tick(), status, body, sent)

    def get(self, task: str) -> None:
        self.ask("GET", f"/tasks/{task}", 200, self.rows[task])


def over_http() -> History:
    """The scenario as a right api-service goes through it."""
    api = Conversation()
    api.ask("GET", "/tasks", 200, [])
    for task, more in (("1", {}), ("2", {"description": "two", "payload": {"n": [1]}})):
        row = api.insert(task, "api", **more)
        api.ask("POST", "/tasks", 201, row, {"title": row["title"], **more})
        api.get(task)
        if task == "1":
            api.ask("GET", "/tasks", 200, [row])
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
        if offset == 0:
            api.note("moved-on", tasks=["1", "25"])
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
    for task, status in (("33", "pending"), ("35", "completed")):
        api.note("deletes", task=task, status=status)
        api.ask("DELETE", f"/tasks/{task}", 204)
        api.ask("GET", f"/tasks/{task}", 404, {})
        rows = [row for row in api.rows.values() if row["status"] == status]
        api.ask("GET", f"/tasks?status={status}", 200, rows)
    api.note("changes-unknown", task="1033")
    api.ask("PUT", "/tasks/1033", 404, {}, {"title": "x"})
    api.ask("DELETE", "/tasks/1033", 404, {})


def _shown(api: Conversation, paths: list[str]) -> None:
    for path in paths:
        task = path.removeprefix("/tasks/")
        api.ask("GET", path, 200, api.rows[task] if task in api.rows else list(api.rows.values()))


RIGHT = over_http()
"""As it should be."""


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


def reads(history: History, many: History | None = None, gone: History | None = None) -> CheckResult:
    """What 2.read makes of it; ``many`` and ``gone`` are what it asks of further scenarios."""
    return graded("2.read", history, many or in_vain().history(), gone or without_database().history())


def failing(history: History) -> dict[str, str | None]:
    """The checks that do not pass, and what they saw."""
    results = [reads(history) if name == "2.read" else graded(name, history) for name in OVER_HTTP]
    assert all(result.verdict in (Verdict.PASS, Verdict.FAIL) for result in results), results
    return {result.id: result.observed for result in results if result.verdict is Verdict.FAIL}


def in_vain(*statuses: int | None, there: int | None = 200) -> Story:
    """A task that is not there is asked for four times, or with these answers; then one that is there."""
    story = Story().start("api").ask("GET", "/tasks/7", 0.9, 500).note("asks-in-vain", 1.0, task="1")
    for number, status in enumerate(statuses or (404,) * 4):
        story.ask("GET", "/tasks/1001", 1.0 + number / 10, status, {"detail": "not there"})
    return story.ask("GET", "/tasks/1", 2.0, there, {"id": 1}).note("asked-in-vain", 2.5)


def without_database(one: int | None = 503, many: int | None = 503, listed: Any = None) -> Story:
    """The answers for task 1 and for the list of all, while the database is gone."""
    story = Story().start("api").ask("GET", "/tasks", 0.5, 200, []).note("asks-without-database", 1.0, task="1")
    story.ask("GET", "/tasks", 1.1, many, listed).ask("GET", "/tasks/1", 1.2, one, {"detail": "sorry"})
    return story.note("asked-without-database", 2.0).ask("GET", "/tasks/1", 3.0, 404, {})
