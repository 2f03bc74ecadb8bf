"""Part 2: the api-service of Lab 02, which everything else stands on."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from grader.checkpoints.durable import AtCommit, maker
from grader.checkpoints.evidence import asked, ended, list_of, moved, short, status_words
from grader.checkpoints.requests import BAD_IDS, json_of, task_list
from grader.declare import check, scenario
from grader.history.events import HttpExchange, Moment
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Api, Condition, Lab
from grader.model import Evidence

LAB = "labs/lab-03-worker-service.md"


# ---------------------------------------------------------------- create, read, list, update, delete, persist


@scenario(timeout=10, seconds=3)
def tasks_over_http(lab: Lab) -> None:
    """Tasks are created, read, listed, changed, deleted, and looked for after a restart."""
    api = lab.start_api()
    commit = _create(lab, api)
    _read(lab, api)
    _list(lab, api)
    _change(lab, api)
    again = _restart(lab, api)
    if commit is not None:
        _cut_off(lab, again, commit)


def _create(lab: Lab, api: Api) -> str | None:
    """The shape of the statement that stores a task; None when none was stored."""
    for body in (
        {"title": lab.new_title()},
        {"title": lab.new_title(), "description": "Two lines,\nin UTF-8: żółw", "payload": {"n": [1, None]}},
    ):
        answer = api.request("POST", "/tasks", body=body)
        if answer.task_id is not None:
            api.request("GET", f"/tasks/{answer.task_id}")
    history = lab.history()
    stored = (s.changes[0] for s in history.stories.values() if s.changes[0].service == api.name)
    statement = next((maker(history, change) for change in stored), None)
    # A COMMIT that takes its time: nobody may be told of the task before it is done.
    commits = api.relay.hold(AtCommit(statement)) if statement is not None else api.relay.hold_commits()
    with commits as hold, ThreadPoolExecutor(1) as client:
        posted = client.submit(api.request, "POST", "/tasks", body={"title": lab.new_title()}, timeout=10)
        lab.comes(Condition("the api-service to commit", lambda _b, _n: hold.is_holding or posted.done()), 5)
        lab.watch(0.3)
        lab.note("commit-held", held=hold.is_holding, answered=posted.done())
        if posted.done() and (created := posted.result().task_id) is not None:
            api.request("GET", f"/tasks/{created}")
        hold.release()
        if (created := posted.result().task_id) is not None:
            api.request("GET", f"/tasks/{created}")
    return statement


def _cut_off(lab: Lab, api: Api, statement: str) -> None:
    # At the very end: whether an api-service comes through a lost connection is none of this scenario's business.
    title = lab.new_title()
    with api.relay.hold(AtCommit(statement)) as hold, ThreadPoolExecutor(1) as client:
        posted = client.submit(api.request, "POST", "/tasks", body={"title": title}, timeout=5 * lab.patience)
        lab.comes(Condition("the api-service to commit", lambda _b, _n: hold.is_holding or posted.done()), 5)
        sql = hold.held[0].sql if hold.is_holding else None
        lab.note("commit-cut", title=title, sql=sql, answered=posted.done())
        hold.cut()
        posted.result()
    lab.note("cut-off")


def _read(lab: Lab, api: Api) -> None:
    [task] = lab.insert_tasks(1)
    lab.note("reads", task=task.id, title=task.title)
    api.request("GET", f"/tasks/{task.id}")
    for bad in BAD_IDS:
        api.request("GET", f"/tasks/{bad}")
    unknown = _unknown_id(task.id)
    lab.note("reads-unknown", task=unknown)
    api.request("GET", f"/tasks/{unknown}")


def _unknown_id(like: str) -> str:
    return str(int(like) + 1_000_000) if like.isdecimal() else "00000000-0000-4000-8000-000000000000"


def _list(lab: Lab, api: Api) -> None:
    for status in ("pending", "processing", "completed", "completed", "failed"):
        lab.insert_tasks(1, status=status)
    lab.watch(0.0)
    lab.note("lists", rows={row["id"]: row["status"] for row in lab.task_rows()})
    api.request("GET", "/tasks")
    for status in ("pending", "processing", "completed", "failed"):
        api.request("GET", f"/tasks?status={status}")
    for offset in range(0, len(lab.task_rows()) + 2, 2):
        api.request("GET", f"/tasks?limit=2&offset={offset}")


def _change(lab: Lab, api: Api) -> None:
    for status in ("pending", "completed"):
        [task] = lab.insert_tasks(1, status=status)
        new = {"title": lab.new_title(), "description": "changed"}
        lab.note("changes", task=task.id, status=status, new=new)
        api.request("PUT", f"/tasks/{task.id}", body=new)
    [task] = lab.insert_tasks(1)
    lab.note("deletes", task=task.id)
    api.request("DELETE", f"/tasks/{task.id}")
    api.request("GET", f"/tasks/{task.id}")
    unknown = _unknown_id(task.id)
    lab.note("changes-unknown", task=unknown)
    api.request("PUT", f"/tasks/{unknown}", body={"title": lab.new_title()})
    api.request("DELETE", f"/tasks/{unknown}")


def _restart(lab: Lab, api: Api) -> Api:
    # The client's connections are idle and open: keep-alive must not keep the service alive.
    api.process.signal(signal.SIGTERM)
    lab.wait_until(lab.has_exited(api))
    lab.note("restarted", rows=[row["id"] for row in lab.task_rows()])
    again = lab.start_api("api-again")
    again.request("GET", "/tasks?limit=100")
    return again


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
            return broken(
                asked(post), expected="201, the task with its id, pending, one row alike", observed=problem
            )
    if not held.detail["held"]:
        need(None, "the commit of the third task was not seen to come")
    cut = history.moment("commit-cut")
    if cut is None:  # the scenario ended before, which other checks judge
        return holds("three tasks created, each found by the next GET, the last with a slow COMMIT")
    return _promised_in_vain(history, cut) or holds(
        "three tasks created, each found by the next GET, the last with a slow COMMIT; "
        "no 201 for a task whose COMMIT was cut off"
    )


def _promised_in_vain(history: History, cut: Moment) -> Judgement | None:
    title = cut.detail["title"]
    post = need(
        next((e for e in history.exchanges("POST") if json_of(e.request) == {"title": title}), None),
        "the POST whose COMMIT was to be cut off was not sent",
    )
    sql = need(cut.detail["sql"] or cut.detail["answered"] or None, "the last commit was not seen to come")
    stored = [s for s in history.stories.values() if s.changes[0].after("title") == title]
    if stored or post.status is None or not 200 <= post.status < 300:
        return None
    return broken(
        asked(post),
        Evidence(cut.at, f"connection closed by the grader before: {short(str(sql), 100)}", "api-again"),
        expected="no 201 for a task that could not be stored (503, or any other error, is fine)",
        observed=f"status {post.status}, and no row in the table",
        hint="Commit inside the handler, and let what goes wrong there become the answer.",
    )


def _creation_problem(history: History, post: HttpExchange) -> str | None:
    wanted = json_of(post.request)
    task = json_of(post.body)
    if post.status != 201:
        return post.error or f"status {post.status}"
    if not isinstance(task, dict) or task.get("id") is None:
        return "the body is no task with an id"
    for key in ("title", "description", "payload"):
        if key in wanted and task.get(key, wanted[key]) != wanted[key]:
            return f"{key} came back as {short(str(task.get(key)), 60)}"
    if task.get("title") != wanted["title"] or task.get("status") != "pending":
        return f"title {short(str(task.get('title')), 60)}, status {task.get('status')}"
    if not all(task.get(key) for key in ("created_at", "updated_at")):
        return "created_at or updated_at is missing"
    rows = [
        s.changes[0].row.after or {}
        for s in history.stories.values()
        if s.changes[0].after("title") == wanted["title"]
    ]
    if len(rows) != 1:
        return f"{len(rows)} rows with this title in the table"
    if any(rows[0].get(key) != value for key, value in wanted.items()):
        return "the row in the table holds other values"
    after = [e for e in history.exchanges("GET", f"/tasks/{task['id']}") if e.at >= post.ended_at]
    if not after or after[0].status != 200 or json_of(after[0].body).get("title") != wanted["title"]:
        return f"the very next GET answered {after[0].status if after else 'nothing'}"
    return None


@check(
    "2.read",
    points=2,
    on=tasks_over_http,
    hint="No row: 404. An id that cannot be one, or is too large for the column: 404 or 422, never a 500.",
    read=f"{LAB}#the-api-service-you-bring",
)
def reads(history: History) -> Judgement:
    """GET /tasks/{id} answers with that task; 404 when there is none; 404 or 422 when it is no id at all.

    A client can only act on an answer that tells apart: here it is, there is none, that is no id. A 500 says that
    the service is broken, although the request was.
    """
    moment = need(history.moment("reads"), "the api-service did not come as far as reading")
    unknown = need(history.moment("reads-unknown"), "the api-service did not come as far as reading")
    one = need(_first(history, "GET", f"/tasks/{moment.detail['task']}", moment.at), "no task was read")
    body = json_of(one.body)
    if one.status != 200 or not isinstance(body, dict) or body.get("title") != moment.detail["title"]:
        return broken(asked(one), expected="200 and the task", observed=one.error or f"status {one.status}")
    missing = need(_first(history, "GET", f"/tasks/{unknown.detail['task']}", unknown.at), "nothing was read")
    if missing.status != 404:
        return broken(
            asked(missing),
            expected="404 for an id that is not there",
            observed=missing.error or f"status {missing.status}",
        )
    for bad in BAD_IDS:
        answer = need(_first(history, "GET", f"/tasks/{bad}", moment.at), "the malformed ids were not asked for")
        if answer.status not in (400, 404, 422):
            return broken(
                asked(answer),
                expected="400, 404 or 422 for an id that is none",
                observed=answer.error or f"status {answer.status}",
            )
    return holds(f"one task by id, 404 for {unknown.detail['task']}, 4xx for {len(BAD_IDS)} malformed ids")


@check(
    "2.list",
    points=2,
    on=tasks_over_http,
    hint="ORDER BY something unique (created_at, id), then LIMIT and OFFSET; the status filter is a WHERE.",
    read=f"{LAB}#the-api-service-you-bring",
)
def lists(history: History) -> Judgement:
    """GET /tasks lists every task, filters by status, and pages through all of them exactly once.

    Clients walk long lists page by page. Without a fixed order, a task can be on two pages or on none, and it
    happens only under load.
    """
    moment = need(history.moment("lists"), "the api-service did not come as far as listing")
    rows: dict[str, str] = {str(key): value for key, value in moment.detail["rows"].items()}
    asked_for = [e for e in history.exchanges("GET", "/tasks") if e.at >= moment.at]
    asked_for = [e for e in asked_for if e.path != "/tasks?limit=100"]
    pages: list[str] = []
    for exchange in asked_for:
        ids = _ids(exchange)
        if exchange.status != 200 or ids is None:
            return broken(
                asked(exchange),
                expected="200 and a JSON array of tasks (or an object with it under items, tasks or data)",
                observed=exchange.error or f"status {exchange.status}, {short(exchange.body, 60)}",
            )
        query = exchange.path.partition("?")[2]
        if query.startswith("limit"):
            pages += ids
            if len(ids) > 2:
                return broken(asked(exchange), expected="two tasks at most", observed=f"{len(ids)} tasks")
            continue
        status = query.partition("=")[2]
        wanted = sorted(i for i, s in rows.items() if status in ("", s))
        if sorted(ids) != wanted:
            return broken(
                asked(exchange),
                expected=f"{len(wanted)} tasks{f' with status {status}' if status else ''}",
                observed=f"{len(ids)} tasks: {list_of(ids)}",
            )
    need(pages or None, "the pages were not asked for")
    if sorted(pages) != sorted(rows):
        return broken(
            *[asked(e) for e in asked_for if "limit" in e.path][:6],
            expected=f"pages of two that hold each of the {len(rows)} tasks once",
            observed=f"{len(pages)} tasks, {len(set(pages))} different ones: {list_of(pages, 12)}",
        )
    return holds(f"{len(rows)} tasks, four filters, and pages of two that hold each task once")


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
    need(history.moment("changes-unknown"), "the api-service did not come as far as changing tasks")
    for moment in history.moments("changes"):
        task, new = moment.detail["task"], moment.detail["new"]
        put = need(_first(history, "PUT", f"/tasks/{task}", moment.at), "no PUT was sent")
        story = history.story(task)
        before, after = story.changes[0].row.after or {}, story.row or {}
        others = [
            k for k in before if k not in ("title", "description", "updated_at") and before[k] != after.get(k)
        ]
        wrong = [k for k in ("title", "description") if after.get(k) != new[k]]
        if put.status != 200 or wrong or others:
            seen = put.error or (f"status {put.status}" if put.status != 200 else "")
            seen = seen or f"{list_of(wrong)} not changed; also changed: {list_of(others)}"
            return broken(
                asked(put),
                *[moved(c) for c in story.changes][:6],
                expected=f"200; title and description of a {moment.detail['status']} task change, nothing else",
                observed=seen,
            )
    gone = need(history.moment("deletes"), "nothing was deleted")
    path = f"/tasks/{gone.detail['task']}"
    delete = need(_first(history, "DELETE", path, gone.at), "no DELETE was sent")
    after_it = need(_first(history, "GET", path, gone.at), "the deleted task was not asked for")
    if delete.status not in (200, 204) or after_it.status != 404:
        return broken(
            asked(delete),
            asked(after_it),
            expected="204 or 200, then 404",
            observed=f"{delete.error or delete.status}, then {after_it.error or after_it.status}",
        )
    unknown = need(history.moment("changes-unknown"), "")
    for method in ("PUT", "DELETE"):
        answer = need(_first(history, method, f"/tasks/{unknown.detail['task']}", unknown.at), "not asked")
        if answer.status != 404:
            return broken(
                asked(answer),
                expected="404 for an id that is not there",
                observed=f"{answer.error or answer.status}",
            )
    return holds("two fields changed and nothing else; deleted; 404 for what is not there")


@check(
    "2.persistence",
    points=1,
    on=tasks_over_http,
    hint="Tasks live in PostgreSQL alone. uvicorn raises SIGTERM once more when it is done: end with status 0.",
    read=f"{LAB}#the-api-service-you-bring",
)
def persists(history: History) -> Judgement:
    """Tasks survive SIGTERM and a restart of the api-service, which exits with status 0.

    Services are restarted all the time: for a new version, a new machine, a crash. What lives in memory alone is
    gone then.
    """
    stop = need(history.signal("SIGTERM", "api"), "the api-service did not come as far as its restart")
    exit_ = history.exited("api")
    if exit_ is None or history.gave_up:
        return broken(
            expected="exit after SIGTERM, although a client keeps an idle connection open",
            observed=f"still running {history.gave_up.seconds if history.gave_up else 0:.0f} s after the signal",
        )
    if exit_.status != 0:
        return broken(ended(exit_), expected="exit status 0", observed=status_words(exit_.status))
    moment = need(history.moment("restarted"), "the api-service was not started again")
    listing = need(_first(history, "GET", "/tasks?limit=100", moment.at), "the tasks were not asked for")
    ids = _ids(listing) or []
    if sorted(ids) != sorted(map(str, moment.detail["rows"])):
        return broken(
            asked(listing),
            expected=f"the {len(moment.detail['rows'])} tasks from before the restart",
            observed=f"{len(ids)} tasks",
        )
    return holds(f"exit status 0 after {exit_.at - stop.at:.1f} s, and all {len(ids)} tasks after the restart")


# ---------------------------------------------------------------- reading exchanges


def _first(history: History, method: str, path: str, since: float) -> HttpExchange | None:
    return next((e for e in history.exchanges(method) if e.path == path and e.at >= since), None)


def _ids(exchange: HttpExchange) -> list[str] | None:
    found = task_list(json_of(exchange.body))
    return None if found is None else [str(task.get("id")) for task in found]
