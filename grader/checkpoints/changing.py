"""Part 2: what becomes of tasks that are changed or deleted, and of all of them at a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grader.checkpoints.api import LAB
from grader.checkpoints.evidence import asked, ended, list_of, moved, sent, status_words
from grader.checkpoints.over_http import tasks_over_http
from grader.checkpoints.replies import any_task, first, ids_of, never_answered, same_value, seen_of
from grader.declare import check
from grader.history.events import HttpExchange, Moment, SignalSent
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.model import Evidence
from grader.postgres.table import COLUMNS

API = "api"


@check(
    "2.update-delete",
    points=1,
    on=tasks_over_http,
    hint="UPDATE only title and description (and updated_at). Leave the status alone.",
    read=f"{LAB}#the-api-service-you-bring",
)
def updates_and_deletes(history: History) -> Judgement:
    """PUT changes title and description alone, also of a completed task; DELETE removes; 404 afterwards.

    Two programs write to one row here: the api-service and the worker. A PUT that writes more than it was given
    undoes what the worker did.
    """
    if silent := never_answered(history):
        return silent
    unknown = need(history.moment("changes-unknown"), "the api-service did not come as far as changing tasks")
    changes = history.moments("changes")
    if len({moment.detail["status"] for moment in changes}) < 2:
        need(None, "there was no finished task to be changed")
    for moment in changes:
        if problem := _change_problem(history, moment):
            return problem
    if problem := _undone_claim(history):
        return problem
    need(history.moment("deletes"), "nothing was deleted")
    for gone in history.moments("deletes"):
        path = f"/tasks/{gone.detail['task']}"
        delete = need(first(history, "DELETE", path, gone.at), "no DELETE was sent")
        after_it = need(first(history, "GET", path, gone.at), "the deleted task was not asked for")
        if delete.status not in (200, 204) or after_it.status != 404:
            return broken(
                asked(delete),
                asked(after_it),
                expected="204 or 200, then 404, whatever the status of the task",
                observed=f"{seen_of(delete)}, then {seen_of(after_it)}",
                hint="DELETE is for any task, whatever its status; from then on GET answers 404 for it.",
            )
        if problem := _listed_problem(history, gone, delete):
            return problem
    for method in ("PUT", "DELETE"):
        answer = need(first(history, method, f"/tasks/{unknown.detail['task']}", unknown.at), "not asked")
        if answer.status != 404:
            return broken(
                asked(answer),
                expected="404 for an id that is not there",
                observed=seen_of(answer),
                hint="A statement that met no row (its row count is 0) is answered with 404.",
            )
    return holds("what was asked for changed and nothing else; deleted; 404 for what is not there")


def _listed_problem(history: History, gone: Moment, delete: HttpExchange) -> Judgement | None:
    """That a list still shows a task that was deleted; a list that is none is judged elsewhere."""
    path = f"/tasks?status={gone.detail.get('status')}"
    listed = need(first(history, "GET", path, gone.at), "no list was asked for after a DELETE")
    if listed.status != 200 or gone.detail["task"] not in (ids_of(listed) or ()):
        return None
    return broken(
        asked(delete),
        asked(listed),
        expected="a task that was deleted is in no list",
        observed=f"GET {path} still shows it",
        hint="A row that is only marked as deleted has to be left out wherever tasks are read: also of lists.",
    )


def _change_problem(history: History, moment: Moment) -> Judgement | None:
    task, new = moment.detail["task"], moment.detail["new"]
    put = need(first(history, "PUT", f"/tasks/{task}", moment.at), "no PUT was sent")
    story = history.story(task)
    # What another instance does to the row later on is none of this one's doing.
    own = [c for c in story.changes if c.service == API and moment.at <= c.at <= put.ended_at]
    others: list[str] = []
    if own:
        before, after = own[0].row.before or {}, own[-1].row.after or {}
        others = [k for k in _OF_NO_PUT if k in before and k not in new and before[k] != after.get(k)]
    left = [k for k in new if not own or own[-1].after(k) != new[k]]
    hint = None
    if put.status != 200:
        seen = f"PUT /tasks/{task}: {seen_of(put)}"
        hint = (
            "PUT finds the row in the table by its id, whoever stored it, and changes it whatever its status is."
        )
    elif left:
        seen = f"{list_of(left)} not changed"
    elif others:
        seen = f"also changed: {list_of(others)}"
    elif not _is_told(put, own[-1].row.after or {}, new):
        seen = "the answer is not the task as it is now"
        hint = "Answer with the row as the UPDATE has left it (RETURNING), not with one that was read before."
    else:
        return None
    return broken(
        asked(put),
        *[moved(c) for c in story.changes if c.service in (None, API)][:6],
        expected=f"200 and the task; {' and '.join(new)} of a {moment.detail['status']} task change, nothing else",
        observed=seen,
        hint=hint,
    )


_OF_NO_PUT = tuple(column for column in COLUMNS if column != "updated_at")
"""What a PUT leaves alone, but for what it names; columns of the submission's own are the submission's."""

_TOLD = ("id", "title", "status")
"""What an answer with a task tells at the least; GET for one task is held to the same."""

_TOLD_IF_AT_ALL = ("description", "type", "payload")


def _is_told(put: HttpExchange, row: Mapping[str, Any], new: Iterable[str]) -> bool:
    """Whether the answer is the task as this row has it, in whatever shape."""
    told = any_task(put) or {}
    keys = {*_TOLD, *new, *(key for key in _TOLD_IF_AT_ALL if key in told)}
    return all(key in told and same_value(key, told[key], row.get(key)) for key in keys)


def _undone_claim(history: History) -> Judgement | None:
    """What a PUT took back of a claim that was made while it was under way."""
    beside = need(history.moment("claims-beside"), "the api-service did not come as far as a claim beside a PUT")
    if not beside.detail["claimed"]:
        return None  # it had locked the row, or it had answered before
    task = beside.detail["task"]
    put = need(first(history, "PUT", f"/tasks/{task}", 0.0), "no PUT was sent")
    changes = [c for c in history.story(task).changes if c.service == API and c.at > beside.at]
    undone = [
        key
        for key in ("status", "assigned_worker")
        if any(change.before(key) != change.after(key) for change in changes)
    ]
    if not undone:
        return None
    return broken(
        asked(put),
        Evidence(beside.at, f"task {task} claimed by another one while the PUT is under way"),
        *[moved(change) for change in changes[:4]],
        expected="a task that is claimed while its title changes stays claimed",
        observed=f"{' and '.join(undone)} as they were before the claim",
        hint="What was read before may be old when it is written back: UPDATE only the columns that the request names.",
    )


@check(
    "2.persistence",
    points=1,
    on=tasks_over_http,
    hint="Tasks live in PostgreSQL alone: what an answer shows has to be read from there.",
    read=f"{LAB}#the-api-service-you-bring",
)
def persists(history: History) -> Judgement:
    """Tasks survive SIGTERM and a restart of the api-service, which answers what it was asked and exits with status 0.

    Services are restarted all the time: for a new version, a new machine, a crash. What lives in memory alone is
    gone then.
    """
    if silent := never_answered(history):
        return silent
    stop = need(history.signal("SIGTERM", API), "the api-service did not come as far as its restart")
    exit_ = history.exited(API)
    if exit_ is None:
        return broken(
            expected="exit after SIGTERM, although a client keeps an idle connection open",
            observed=f"still running {history.gave_up.seconds if history.gave_up else 0:.0f} s after the signal",
            hint="Answer what was asked, then close the connections on which nothing is asked; a limit on the wait helps "
            "(uvicorn: timeout_graceful_shutdown).",
        )
    if cut := _cut_short(history, stop):
        return cut
    if exit_.status != 0:
        return broken(
            ended(exit_),
            expected="exit status 0",
            observed=status_words(exit_.status),
            hint="End with status 0 once all is answered. uvicorn raises SIGTERM once more when it is done: catch that.",
        )
    if silent := never_answered(history, "api-again"):
        return silent
    before = need(history.moment("before-restart"), "the api-service was not asked before its restart")
    after = need(history.moment("restarted"), "the api-service was not started again")
    shown = 0
    for path in before.detail["paths"]:
        old = need(first(history, "GET", path, before.at), "the tasks were not asked for before the restart")
        new = need(first(history, "GET", path, after.at), "the tasks were not asked for after the restart")
        was = _shown(old)
        if was and _shown(new) != was:
            return broken(
                asked(old),
                asked(new),
                expected="the same tasks after the restart as before it",
                observed=f"of {len(was)} shown by GET {path}, {len(was - _shown(new))} are gone or changed",
            )
        shown += len(was)
    if not shown:
        return broken(
            expected="tasks that GET shows, before a restart and after it",
            observed=f"no task shown before it, by {list_of(before.detail['paths'])}",
        )
    return holds(f"exit status 0 after {exit_.at - stop.at:.1f} s, and the same tasks after the restart")


def _cut_short(history: History, stop: SignalSent) -> Judgement | None:
    """What is wrong with the answer to a request that was under way when SIGTERM came."""
    under_way = history.moment("under-way")
    if under_way is None or not under_way.detail["waits"]:
        return None
    asks = [e for e in history.exchanges("GET", under_way.detail["path"]) if e.at <= stop.at]
    answer = need(max(asks, key=lambda e: e.at, default=None), "no request was under way at SIGTERM")
    if answer.status is not None and answer.status < 500:
        return None
    return broken(
        asked(answer),
        sent(stop),
        expected="a request that is under way at SIGTERM is answered before the exit",
        observed=seen_of(answer),
        hint="Stop taking requests, finish those that you have, then exit: uvicorn does so by itself when it is let.",
    )


def _shown(answer: HttpExchange) -> set[tuple[str, str]]:
    """Id and title of what GET shows, or the ids of a list; empty where it shows nothing."""
    if answer.status != 200:
        return set()
    if answer.path == "/tasks":
        return {(task, "") for task in ids_of(answer) or ()}
    task = any_task(answer)
    return {(str(task.get("id")), str(task.get("title")))} if task else set()
