"""Part 2: how the api-service creates tasks. It, and the rest of part 2, is what everything else stands on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grader.checkpoints.evidence import asked, short
from grader.checkpoints.over_http import tasks_over_http
from grader.checkpoints.replies import (
    any_task,
    json_of,
    never_answered,
    plain_task,
    same_value,
    seen_of,
    task_list,
    went_well,
)
from grader.declare import check
from grader.history.events import HttpExchange, Moment
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.model import Evidence

LAB = "labs/lab-03-worker-service.md"


@check(
    "2.create",
    points=2,
    on=tasks_over_http,
    hint="Answer 201 with the whole row, and only after COMMIT: INSERT … RETURNING, commit, then the answer.",
    read=f"{LAB}#the-api-service-you-bring",
)
def creates(history: History) -> Judgement:
    """POST /tasks answers 201 with the pending task, stores it once, and the very next GET finds it.

    A client that was told 201 throws its own copy away. If the task is not committed by then, a crash at the wrong
    moment loses it, and nobody knows.
    """
    if silent := never_answered(history, before="commit-held"):
        return silent
    posts = history.exchanges("POST", "/tasks")
    held = need(history.moment("commit-held"), "the api-service did not get as far as three POSTs")
    if len(posts) < 3:
        need(None, "fewer than three POSTs were answered")
    if held.detail["answered"] and held.detail["held"]:
        return broken(
            asked(posts[2]),
            expected="201 after COMMIT",
            observed="the answer came while COMMIT was still under way: the next GET may not find the task",
        )
    for post in posts[:3]:
        if problem := _creation_problem(history, post):
            wanted = "201, the task with its id, pending, one row alike"
            return broken(asked(post), expected=wanted, observed=problem.words, hint=problem.hint)
    if unlisted := _not_listed(history, posts):
        return unlisted
    if not held.detail["held"]:
        need(None, "the commit of the third task was not seen to come")
    cut = history.moment("commit-cut")
    if cut is None:  # the scenario ended before, which other checks judge
        return holds("three tasks created, each found by the next GET, the last with a slow COMMIT")
    return _promised_in_vain(history, cut) or holds(
        "three tasks created, each found by the next GET, the last with a slow COMMIT; "
        "no 201 for a task whose COMMIT was cut off"
    )


def _not_listed(history: History, posts: Sequence[HttpExchange]) -> Judgement | None:
    """That the very next list leaves out the first task; what else a list has to be is the business of another check."""
    first, second, *_ = posts
    lists = [e for e in history.exchanges("GET", "/tasks") if e.path == "/tasks" and e.at < second.at]
    after = need(next((e for e in lists if e.at >= first.ended_at), None), "no list was asked for after a POST")
    shown = task_list(json_of(after.body))
    task = plain_task(first) or {}
    if after.status != 200 or shown is None:
        return None
    if any(str(each.get("id")) == str(task.get("id")) or each.get("title") == task.get("title") for each in shown):
        return None
    return broken(
        *[asked(e) for e in lists if e.at < first.at],
        asked(first),
        asked(after),
        expected="a task that was created is in the very next list",
        observed="the very next list does not show the new task",
        hint="Ask the database for each list: a list that was kept does not know what came since.",
    )


def _promised_in_vain(history: History, cut: Moment) -> Judgement | None:
    title = cut.detail["title"]
    post = need(
        next((e for e in history.exchanges("POST") if json_of(e.request) == {"title": title}), None),
        "the POST whose COMMIT was to be cut off was not sent",
    )
    sql = need(cut.detail["sql"] or cut.detail["answered"] or None, "the last commit was not seen to come")
    if _stored_as(history, title) or not went_well(post):
        return None
    return broken(
        asked(post),
        Evidence(cut.at, f"connection closed by the grader before: {short(str(sql), 100)}", "api-again"),
        expected="no 201 for a task that could not be stored (503, or any other error, is fine)",
        observed=f"status {post.status}, and no row in the table",
        hint="Commit inside the handler, and let what goes wrong there become the answer.",
    )


class _Problem(NamedTuple):
    """What is wrong with a task that was created; without a ``hint`` it is the check's."""

    words: str
    hint: str | None = None


_AS_IT_WAS_SENT = (
    "Store what the client sent, field by field (title, description, type, payload), and answer with the row."
)

_AT_ONCE = (
    "Store a task by one statement, or by several in one transaction: whatever is committed, others see and take."
)


def _creation_problem(history: History, post: HttpExchange) -> _Problem | None:
    wanted = json_of(post.request)
    task = plain_task(post)
    if post.status != 201:
        return _Problem(seen_of(post))
    if task is None:
        return _Problem("the body is no task with an id")
    for key, value in {"status": "pending", **wanted}.items():
        if task.get(key) != value:
            seen = _other_than(f"the answer has {_told(key, task)}", key, wanted)
            return _Problem(seen, _AS_IT_WAS_SENT if key in task and key in wanted else None)
    if not all(task.get(key) for key in ("created_at", "updated_at")):
        return _Problem("created_at or updated_at is missing")
    rows = _stored_as(history, wanted["title"])
    if len(rows) != 1:
        return _Problem(f"{len(rows)} rows with this title in the table")
    for key, value in wanted.items():
        if rows[0].get(key) != value:
            seen = f"the first that others can see in the table has {_told(key, rows[0])}"
            return _Problem(_other_than(seen, key, wanted), _AT_ONCE)
    seen_next = _reading_problem(history, post, task)
    return _Problem(seen_next) if seen_next is not None else None


def _other_than(seen: str, key: str, sent: Mapping[str, Any]) -> str:
    return f"{seen}, and the request {_told(key, sent)}" if key in sent else seen


def _stored_as(history: History, title: str) -> list[Mapping[str, Any]]:
    """The rows with this title, each as others could see it first."""
    rows = [_first_shown(story) for story in history.stories.values()]
    return [row for row in rows if row.get("title") == title]


def _first_shown(story: Story) -> Mapping[str, Any]:
    transaction = story.changes[0].row.transaction
    return [c.row.after for c in story.changes if c.row.transaction == transaction][-1] or {}


_THAT_STAYS = ("id", "title", "description", "type", "payload", "created_at")
"""Columns that nobody has changed by the time of the next GET."""


def _reading_problem(history: History, post: HttpExchange, task: Mapping[str, Any]) -> str | None:
    """What is wrong with the very next GET; its shape is the business of another check."""
    path = f"/tasks/{task['id']}"
    get = next((e for e in history.exchanges("GET", path) if e.at >= post.ended_at), None)
    if get is None or get.status != 200:
        return f"the very next GET answered {seen_of(get) if get else 'nothing'}"
    read = any_task(get) or {}
    if read.get("title") != task["title"]:
        return f"the very next GET answered {short(get.body, 60)}"
    for key in _THAT_STAYS:
        if key in task and key in read and not same_value(key, task[key], read[key]):
            return f"the answer has {_told(key, task)}, and the very next GET {_told(key, read)}"
    return None


def _told(key: str, values: Mapping[str, Any]) -> str:
    return f"{key} {short(json.dumps(values[key], ensure_ascii=False), 60)}" if key in values else f"no {key}"
