"""Part 2: what the api-service refuses, and what it must not touch."""

from __future__ import annotations

import json
from typing import NamedTuple

from grader.checkpoints.api import LAB
from grader.checkpoints.evidence import asked, moved, short, value_words
from grader.checkpoints.over_http import unknown_id
from grader.checkpoints.replies import any_task, json_of, never_answered, seen_of, went_well
from grader.checkpoints.requests import BAD_REQUESTS, HARMLESS_TITLES
from grader.declare import check, scenario
from grader.history.events import HttpExchange
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Api, Lab
from grader.postgres.roles import SERVICE_CONNECTIONS

IN_VAIN = SERVICE_CONNECTIONS + 5
"""Requests after which a service that loses a connection in each has none left, whatever its pool."""


@scenario(timeout=10, seconds=3)
def bad_requests(lab: Lab) -> None:
    """Requests that make no sense, and titles that only look dangerous."""
    api = lab.start_api()
    [target] = lab.insert_tasks(1)
    lab.note("bad-requests", task=target.id)
    for bad in BAD_REQUESTS:
        api.request(bad.method, bad.path.format(task=target.id), raw=bad.body)
    lab.note("harmless-titles")
    for title in HARMLESS_TITLES:
        answer = api.request("POST", "/tasks", body={"title": title})
        if answer.task_id is not None:
            api.request("GET", f"/tasks/{answer.task_id}")
    [victim] = lab.insert_tasks(1)
    lab.note("fields-of-others", task=victim.id)
    others: list[dict[str, object]] = [{"status": "completed"}, {"assigned_worker": "me"}]
    for own in (victim.id, unknown_id(victim.id)):
        others.append({"id": int(own) if own.isdecimal() else own})
    for extra in others:
        api.request("POST", "/tasks", body={"title": lab.new_title(), **extra})
    for theirs in ({"status": "completed", "assigned_worker": "me"}, {"type": "other", "payload": {"fail": True}}):
        api.request("PUT", f"/tasks/{victim.id}", body={"title": lab.new_title(), **theirs})
    lab.note("end-of-requests")
    _ask_in_vain(lab, api)


def _ask_in_vain(lab: Lab, api: Api) -> None:
    """More requests for what is not there than a pool has connections; then one for a task that is there."""
    [task] = lab.insert_tasks(1)
    lab.note("asks-in-vain", task=task.id)
    for _ in range(IN_VAIN):
        if api.request("GET", f"/tasks/{unknown_id(task.id)}").status != 404:
            break
    api.request("GET", f"/tasks/{task.id}")
    lab.note("asked-in-vain")


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
    if silent := never_answered(history):
        return silent
    first = need(history.moment("bad-requests"), "the api-service did not come up")
    harmless = need(history.moment("harmless-titles"), "the bad requests did not come to an end")
    others = need(history.moment("fields-of-others"), "the requests did not come to an end")
    end = need(history.moment("end-of-requests"), "the requests did not come to an end")
    problems: list[_Problem] = []
    answers = [e for e in history.exchanges() if first.at <= e.at < harmless.at and not _is_probe(e)]
    need(len(answers) == len(BAD_REQUESTS) or None, "other requests were sent than this grader knows")
    for bad, answer in zip(BAD_REQUESTS, answers, strict=True):
        if seen := _refusal_problem(answer):
            problems.append(_Problem(answer, f"{bad.what}: 400, 404 or 422 with a JSON body", seen))
    changes = [
        change
        for story in history.stories.values()
        for change in story.changes
        if change.service is not None and first.at <= change.at < harmless.at
    ]
    if changes and not problems:
        return broken(
            *[moved(change) for change in changes[:4]],
            expected="a refused request leaves the table as it was",
            hint="Check first and store then, in one transaction: of what is refused nothing may stay.",
            observed=f"{len(changes)} change{'s' * (len(changes) != 1)} of rows",
        )
    for answer in (e for e in history.exchanges("POST") if harmless.at <= e.at < others.at):
        if seen := _title_problem(history, answer):
            wanted = "the task is created, and its title kept letter by letter"
            problems.append(_Problem(answer, wanted, seen, _TEXT_IS_TEXT if went_well(answer) else _ANY_TEXT))
    for answer in (e for e in history.exchanges() if others.at <= e.at < end.at):
        if seen := _foreign_field_problem(history, answer, others.detail["task"]):
            problems.append(_Problem(answer, _OF_NO_CLIENT[answer.method], seen, _FIELDS_OF_CLIENTS))
    if problems:
        first_of_all, more = problems[0], f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return broken(
            *[asked(problem.answer) for problem in problems[:8]],
            expected=first_of_all.expected,
            observed=first_of_all.observed + more,
            hint=first_of_all.hint,
        )
    return holds(f"{len(BAD_REQUESTS)} bad requests refused, {len(HARMLESS_TITLES)} titles verbatim")


class _Problem(NamedTuple):
    """An answer that should have been another one; without a ``hint`` it is the check's."""

    answer: HttpExchange
    expected: str
    observed: str
    hint: str | None = None


_TEXT_IS_TEXT = "A title is text, whatever it looks like: give it to SQL as a parameter, and change nothing in it."

_ANY_TEXT = "Any text may be a title, also one that another task has: two tasks of one title are two tasks."

_FIELDS_OF_CLIENTS = (
    "Name the columns that each request may set (POST: title, description, type, payload; PUT: title, description); "
    "refuse or ignore whatever else it brings."
)

_OF_NO_CLIENT = {
    "POST": "id, status and assigned_worker cannot be set by a client",
    "PUT": "a PUT changes title and description, and nothing else",
}

_OF_NO_PUT = ("status", "assigned_worker", "type", "payload")

_LEAKS = (
    "Traceback (most recent",
    'File "',
    "psycopg",
    "asyncpg",
    "pg8000",
    "sqlalchemy",
    "org.postgresql",
    "SELECT ",
    "INSERT INTO",
    "syntax error at",
    "invalid input syntax",
    "panic:",
    "SQLSTATE",
)


def _refusal_problem(answer: HttpExchange) -> str | None:
    if answer.status not in (400, 404, 422):
        return seen_of(answer)
    if json_of(answer.body) is None:
        return f"status {answer.status}, but the body is no JSON"
    leaks = [leak for leak in _LEAKS if leak in answer.body and leak not in (answer.request or "")]
    return f"the body shows internals ({leaks[0].strip()})" if leaks else None


def _title_problem(history: History, post: HttpExchange) -> str | None:
    """Whether a title is another one anywhere; with which number and in which shape it comes is not the question."""
    if not went_well(post):
        return seen_of(post)
    title = json_of(post.request)["title"]
    answer = any_task(post) or {}
    task = str(answer.get("id"))
    get = next((e for e in history.exchanges("GET", f"/tasks/{task}") if e.at >= post.ended_at), None)
    read = (any_task(get) or {}) if get is not None else {}
    row = history.story(task).row or {}
    told = {"the answer": answer.get("title"), "GET": read.get("title"), "the table": row.get("title")}
    for where, seen in told.items():
        if seen is not None and seen != title:
            return f"{where} has {short(str(seen), 60)}"
    if not any(told.values()) and not _posted(history, title):
        return "no task with this title"
    return None


def _foreign_field_problem(history: History, answer: HttpExchange, victim: str) -> str | None:
    if answer.status is None or answer.status >= 500:
        return seen_of(answer)
    sent = json_of(answer.request)
    if answer.method == "PUT":
        for change in history.story(victim).changes:
            if change.service is None or change.after("title") != sent["title"]:
                continue
            if others := [key for key in _OF_NO_PUT if change.before(key) != change.after(key)]:
                return " and ".join(f"{key} became {json.dumps(change.after(key))}" for key in others)
        return None
    for row in (story.changes[0].row.after or {} for story in _posted(history, sent["title"])):
        if row.get("status") != "pending" or row.get("assigned_worker") is not None:
            return f"status {row.get('status')}, assigned_worker {value_words(row.get('assigned_worker'))}"
        if "id" in sent and str(row.get("id")) == str(sent["id"]):
            return f"the new task got the id {sent['id']}"
    return None


def _posted(history: History, title: str) -> list[Story]:
    return [story for story in history.stories.values() if story.changes[0].after("title") == title]


def _is_probe(exchange: HttpExchange) -> bool:
    return exchange.path == "/health"
