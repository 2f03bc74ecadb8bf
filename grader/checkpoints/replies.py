"""What stands in the answers of an api-service. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from grader.checkpoints.evidence import asked, ended, said, status_words
from grader.history.events import HttpExchange
from grader.history.timeline import History
from grader.judgement import Judgement, broken

_SAME_TIME = timedelta(microseconds=10)
"""Two texts may tell one moment with more and with fewer digits, or with another offset."""


def json_of(text: str | None) -> Any:
    """The JSON value of a body; None when it is none."""
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def task_list(body: Any) -> list[dict[str, Any]] | None:
    """The tasks in an answer to ``GET /tasks``: an array, or one under items, tasks or data. None: no list."""
    if isinstance(body, dict):
        body = next((body[key] for key in ("items", "tasks", "data") if isinstance(body.get(key), list)), None)
    return body if isinstance(body, list) and all(isinstance(task, dict) for task in body) else None


def ids_of(exchange: HttpExchange) -> list[str] | None:
    """The ids of the tasks in an answer to ``GET /tasks``; None when it holds no list."""
    found = task_list(json_of(exchange.body))
    return None if found is None else [str(task.get("id")) for task in found]


def plain_task(exchange: HttpExchange) -> Mapping[str, Any] | None:
    """The task that a body is, as the contract asks for; None when it is none."""
    body = json_of(exchange.body)
    return body if isinstance(body, dict) and body.get("id") is not None else None


def any_task(exchange: HttpExchange) -> Mapping[str, Any] | None:
    """The task in a body, also one that is wrapped up or stands in a list by itself; None when there is none.

    For checks that are about something else than the shape of an answer.
    """
    body = json_of(exchange.body)
    if isinstance(body, dict) and "title" not in body:
        body = next((value for value in body.values() if isinstance(value, dict | list)), body)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return body if isinstance(body, dict) else None


def went_well(exchange: HttpExchange) -> bool:
    """Whether the answer says that the request was done, with whatever number."""
    return exchange.status is not None and 200 <= exchange.status < 300


def seen_of(exchange: HttpExchange) -> str:
    """What came back, in two words: the status, or why there was none."""
    return exchange.error or f"status {exchange.status}"


def first(history: History, method: str, path: str, since: float) -> HttpExchange | None:
    """The first request of this kind from a moment on."""
    return next((e for e in history.exchanges(method) if e.path == path and e.at >= since), None)


def same_value(key: str, one: Any, other: Any) -> bool:
    """Whether two answers tell the same of a column."""
    if one == other or (key == "id" and str(one) == str(other)):
        return True
    if not key.endswith("_at"):
        return False
    times = _moment(one), _moment(other)
    return times[0] is not None and times[1] is not None and abs(times[0] - times[1]) < _SAME_TIME


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def never_answered(history: History, service: str = "api", *, before: str | None = None) -> Judgement | None:
    """That the api-service did not answer (in time), where that is why there is nothing else to judge.

    What comes after the scenario's moment ``before`` is not the caller's business.
    """
    gave_up = history.gave_up
    if before is not None and history.moment(before) is not None:
        return None
    if gave_up is None or not gave_up.waited_for.startswith(f"{service} to answer"):
        return None
    exit_ = history.exited(service)
    if gave_up.waited_for == f"{service} to answer in time":
        own = (e for e in history.exchanges() if e.service == service)
        slow = sorted(own, key=lambda e: e.at - e.ended_at)[:4]
        return broken(
            *sorted((asked(e) for e in slow), key=lambda line: line.at),
            expected="an answer to each request within some seconds",
            observed=f"the slowest ones took {gave_up.seconds:.0f} s together; nothing more was asked",
            hint="What does a request wait for, that another one keeps? A connection that is not given back, or a lock?",
        )
    return broken(
        *[said(line) for line in history.log(service)[-6:]],
        *([ended(exit_)] if exit_ else []),
        expected="an api-service that answers HTTP at API_HOST and API_PORT",
        observed=f"it ended, {status_words(exit_.status)}" if exit_ else f"no answer in {gave_up.seconds:.0f} s",
        hint="Run it alone with DATABASE_URL, API_HOST and API_PORT set, and ask it for /health.",
    )
