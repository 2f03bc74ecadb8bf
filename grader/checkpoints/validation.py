"""Part 2: what the api-service refuses, and what it must not touch."""

from __future__ import annotations

from grader.checkpoints.api import LAB
from grader.checkpoints.evidence import asked, moved
from grader.checkpoints.requests import BAD_REQUESTS, HARMLESS_TITLES, json_of
from grader.declare import check, scenario
from grader.history.events import HttpExchange
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab


@scenario(timeout=10, seconds=3)
def bad_requests(lab: Lab) -> None:
    """Requests that make no sense, and titles that only look dangerous."""
    api = lab.start_api()
    lab.note("bad-requests")
    for bad in BAD_REQUESTS:
        api.request(bad.method, bad.path, raw=bad.body)
    lab.note("harmless-titles")
    for title in HARMLESS_TITLES:
        api.request("POST", "/tasks", body={"title": title})
    [victim] = lab.insert_tasks(1)
    lab.note("fields-of-others", task=victim.id)
    for extra in (
        {"status": "completed"},
        {"assigned_worker": "me"},
        {"id": int(victim.id)} if victim.id.isdecimal() else {"id": victim.id},
    ):
        api.request("POST", "/tasks", body={"title": lab.new_title(), **extra})
    api.request("PUT", f"/tasks/{victim.id}", body={"title": lab.new_title(), "status": "completed"})
    lab.note("end-of-requests")


@check(
    "2.validation",
    points=3,
    on=bad_requests,
    hint="Check every field before the database sees it, give SQL its values as parameters, and turn what "
    "FastAPI or PostgreSQL refuse into a 4xx with a JSON body.",
    read=f"{LAB}#the-api-service-you-bring",
)
def validates(history: History) -> Judgement:
    """Bad requests get 400, 404 or 422 with JSON and change nothing; good ones come back verbatim.

    Everything that comes from outside is wrong sometimes, and hostile now and then. What is let in here turns up
    later in the worker, in the log, or as SQL.
    """
    first = need(history.moment("bad-requests"), "the api-service did not come up")
    harmless = need(history.moment("harmless-titles"), "the bad requests did not come to an end")
    others = need(history.moment("fields-of-others"), "the requests did not come to an end")
    need(history.moment("end-of-requests"), "the requests did not come to an end")
    problems: list[tuple[HttpExchange, str, str]] = []
    answers = [e for e in history.exchanges() if first.at <= e.at < harmless.at and not _is_probe(e)]
    for bad, answer in zip(BAD_REQUESTS, answers, strict=True):
        if seen := _refusal_problem(answer):
            problems.append((answer, f"{bad.what}: 400, 404 or 422 with a JSON body", seen))
    inserted = [
        story
        for story in history.stories.values()
        if any(c.row.operation == "insert" and first.at <= c.at < harmless.at for c in story.changes)
    ]
    if inserted and not problems:
        return broken(
            moved(inserted[0].changes[0]),
            expected="a refused request leaves the table as it was",
            observed=f"{len(inserted)} rows inserted",
        )
    for answer in (e for e in history.exchanges("POST") if harmless.at <= e.at < others.at):
        title, body = json_of(answer.request)["title"], json_of(answer.body)
        if answer.status != 201 or not isinstance(body, dict) or body.get("title") != title:
            problems.append((answer, "201 and the title, letter by letter", answer.error or f"{answer.status}"))
    for answer in (e for e in history.exchanges() if e.at >= others.at):
        if seen := _foreign_field_problem(history, answer, others.detail["task"]):
            problems.append((answer, "id, status and assigned_worker cannot be set by a client", seen))
    if problems:
        answer, expected, observed = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return broken(*[asked(p[0]) for p in problems[:8]], expected=expected, observed=observed + more)
    return holds(f"{len(BAD_REQUESTS)} bad requests refused, {len(HARMLESS_TITLES)} titles verbatim")


_LEAKS = (
    "Traceback (most recent",
    'File "',
    "psycopg",
    "SELECT ",
    "INSERT INTO",
    "syntax error at",
    "panic:",
    "SQLSTATE",
)


def _refusal_problem(answer: HttpExchange) -> str | None:
    if answer.status not in (400, 404, 422):
        return answer.error or f"status {answer.status}"
    if json_of(answer.body) is None:
        return f"status {answer.status}, but the body is no JSON"
    leaks = [leak for leak in _LEAKS if leak in answer.body and leak not in (answer.request or "")]
    return f"the body shows internals ({leaks[0].strip()})" if leaks else None


def _foreign_field_problem(history: History, answer: HttpExchange, victim: str) -> str | None:
    if answer.status is None or answer.status >= 500:
        return answer.error or f"status {answer.status}"
    if answer.method == "PUT":
        story = history.story(victim)
        return f"status is {story.status}" if story.status != "pending" else None
    title = json_of(answer.request)["title"]
    rows = [s.changes[0].row.after or {} for s in history.stories.values() if s.changes[0].after("title") == title]
    for row in rows:
        if row.get("status") != "pending" or row.get("assigned_worker") is not None:
            return f"status {row.get('status')}, assigned_worker {row.get('assigned_worker')}"
    if victim in [str(row.get("id")) for row in rows]:
        return f"the new task got the id {victim}"
    return None


def _is_probe(exchange: HttpExchange) -> bool:
    return exchange.path == "/health"
