"""A client, the api-service and the table, without a worker: the scenario that most of part 2 is judged on."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grader.checkpoints.durable import AtCommit, maker
from grader.checkpoints.replies import task_list
from grader.checkpoints.requests import BAD_IDS
from grader.declare import scenario
from grader.errors import BadSubmission
from grader.history.tasks import STATES
from grader.lab import Api, Condition, Lab, Task
from grader.wire.transaction import may_write

FULL = 100
"""So many tasks a list holds without a limit, by the contract; in the scenario there are not more."""
PAGE = 20
OF_ONE_STATUS, SHORT_PAGE = "completed", 2
"""A status that some tasks have, and the size of the pages by which those alone are listed."""
UNDER_WAY = 0.3
"""Seconds after SIGTERM for which a request still has to wait for the database."""
_AT_ONE_MOMENT = 30.0
"""Seconds: the age of the tasks that were all created at the same moment."""
_ELSEWHERE = "worker-elsewhere"
"""The owner of tasks that no worker here has claimed."""


@scenario(timeout=10, seconds=3)
def tasks_over_http(lab: Lab) -> None:
    """Tasks are created, read, listed, changed, deleted, and looked for after a restart."""
    api = lab.start_api()
    created, commit = _create(lab, api)
    _read(lab, api)
    _list(lab, api)
    _change(lab, api)
    _change_beside_a_claim(lab, api)
    again = _restart(lab, api, created)
    if commit is not None:
        _cut_off(lab, again, commit)


def _create(lab: Lab, api: Api) -> tuple[list[str], str | None]:
    """The ids that were answered, and the shape of the statement that stores a task; None when none was stored."""
    created = []
    # Who answers lists from memory remembers this one.
    api.request("GET", "/tasks")
    for body in (
        {"title": lab.new_title()},
        {
            "title": lab.new_title(),
            "description": "Two lines,\nin UTF-8: żółw",
            "type": "email",
            "payload": {"n": [1, None]},
        },
    ):
        answer = api.request("POST", "/tasks", body=body)
        if answer.task_id is not None:
            api.request("GET", f"/tasks/{answer.task_id}")
            created.append(answer.task_id)
        if len(body) == 1:
            api.request("GET", "/tasks")
    history = lab.history()
    stored = (s.changes[0] for s in history.stories.values() if s.changes[0].service == api.name)
    statement = next((maker(history, change) for change in stored), None)
    # A COMMIT that takes its time: nobody may be told of the task before it is done.
    commits = api.relay.hold(AtCommit(statement)) if statement is not None else api.relay.hold_commits()
    with ThreadPoolExecutor(1) as client, commits as hold:
        posted = client.submit(api.request, "POST", "/tasks", body={"title": lab.new_title()})
        lab.comes(Condition("the api-service to commit", lambda _b, _n: hold.is_holding or posted.done()), 5)
        lab.watch(0.3)
        lab.note("commit-held", held=hold.is_holding, answered=posted.done())
        if posted.done() and (early := posted.result().task_id) is not None:
            api.request("GET", f"/tasks/{early}")
        hold.release()
        if (last := posted.result().task_id) is not None:
            api.request("GET", f"/tasks/{last}")
            created.append(last)
    return created, statement


def _cut_off(lab: Lab, api: Api, statement: str) -> None:
    # At the very end: whether an api-service comes through a lost connection is none of this scenario's business.
    title = lab.new_title()
    with ThreadPoolExecutor(1) as client, api.relay.hold(AtCommit(statement)) as hold:
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
    unknown = unknown_id(task.id)
    lab.note("reads-unknown", task=unknown)
    api.request("GET", f"/tasks/{unknown}")


def unknown_id(like: str) -> str:
    """An id of the same kind that no task has."""
    return str(int(like) + 1_000_000) if like.isdecimal() else "00000000-0000-4000-8000-000000000000"


def _list(lab: Lab, api: Api) -> None:
    for status, count in (("processing", 2), ("completed", 3), ("failed", 2)):
        _insert_with(lab, status, count)
    lab.insert_tasks(count := FULL - len(lab.task_rows()), ages=[_AT_ONE_MOMENT] * count)
    lab.note("lists", rows={row["id"]: row["status"] for row in lab.task_rows()})
    api.request("GET", "/tasks")
    for status in STATES:
        api.request("GET", f"/tasks?status={status}")
    for offset in range(0, FULL + PAGE, PAGE):
        page = task_list(api.request("GET", f"/tasks?limit={PAGE}&offset={offset}").json) or []
        if offset == 0:
            here = [str(task.get("id")) for task in page[:PAGE]]
            # PostgreSQL writes a row anew wherever it likes, whenever it changes; no order may depend on that.
            lab.database.rewrite(here[::4])
            _move_on(lab, here)
    api.request("GET", f"/tasks?offset={FULL - PAGE}")
    for offset in (0, SHORT_PAGE):
        api.request("GET", f"/tasks?status={OF_ONE_STATUS}&limit={SHORT_PAGE}&offset={offset}")
    lab.note("listed")


def _move_on(lab: Lab, here: Sequence[str]) -> None:
    """A task of the first page and one of a later page become those that changed last; nothing else of them moves.

    Whether that is where the list begins or where it ends: one of the two leaves its page. No PUT: what that does to a
    row is judged by itself.
    """
    rows = lab.database.tasks()
    waiting = [task for task, row in rows.items() if row["status"] == "pending"]
    on_page, later = [t for t in waiting if t in here], [t for t in waiting if t not in here]
    changed = [*on_page[:1], *later[:1]]
    for task in changed:
        lab.database.set_values(task, {"updated_at": max(str(row["updated_at"]) for row in rows.values())})
    lab.note("moved-on", tasks=changed)


def _insert_with(lab: Lab, status: str, count: int = 1) -> Sequence[Task]:
    """Tasks with this status, which is not pending; none, and a note, when the table does not take it.

    A table may insist on an owner of what was claimed once, or on none of what is in nobody's hands.
    """
    refusals = []
    for owner in (_ELSEWHERE, None):
        try:
            return lab.insert_tasks(count, status=status, owner=owner)
        except BadSubmission as problem:
            refusals.append(str(problem))
    lab.note("refused", status=status, why=refusals[0])
    return []


def _change(lab: Lab, api: Api) -> None:
    [waiting] = lab.insert_tasks(1)
    for status, tasks in (
        ("pending", [waiting]),
        ("completed", _insert_with(lab, "completed") or _insert_with(lab, "failed")),
    ):
        for task in tasks:
            title_alone, description_alone = {"title": lab.new_title()}, {"description": "changed again"}
            for new in ({"title": lab.new_title(), "description": "changed"}, title_alone, description_alone):
                lab.note("changes", task=task.id, status=status, new=new)
                api.request("PUT", f"/tasks/{task.id}", body=new)
    deleted = [(task, "pending") for task in lab.insert_tasks(1)]
    deleted += [(task, "completed") for task in _insert_with(lab, "completed")]
    for task, status in deleted:
        lab.note("deletes", task=task.id, status=status)
        api.request("DELETE", f"/tasks/{task.id}")
        api.request("GET", f"/tasks/{task.id}")
        # There are fewer of one status than a list has to hold.
        api.request("GET", f"/tasks?status={status}")
    unknown = unknown_id(waiting.id)
    lab.note("changes-unknown", task=unknown)
    api.request("PUT", f"/tasks/{unknown}", body={"title": lab.new_title()})
    api.request("DELETE", f"/tasks/{unknown}")


def _change_beside_a_claim(lab: Lab, api: Api) -> None:
    """A PUT that has come as far as its first write when a worker claims the task."""
    [task] = lab.insert_tasks(1)
    new = {"title": lab.new_title(), "description": "changed"}
    with ThreadPoolExecutor(1) as client, api.relay.hold(lambda step: may_write(step.sql)) as hold:
        put = client.submit(api.request, "PUT", f"/tasks/{task.id}", body=new)
        lab.comes(Condition("the api-service to write", lambda _b, _n: hold.is_holding or put.done()), 5)
        lab.note("claims-beside", task=task.id, claimed=hold.is_holding and _claim(lab, task))
        hold.release()
        put.result()


def _claim(lab: Lab, task: Task) -> bool:
    """Claim it as a worker would; False when the api-service keeps workers from it until it has written."""
    if not lab.database.lockable([task.id]):
        return False
    try:
        lab.database.set_values(task.id, {"status": "processing", "assigned_worker": _ELSEWHERE})
    except BadSubmission as problem:
        lab.note("claim-refused", why=str(problem))
        return False
    return True


def _restart(lab: Lab, api: Api, created: Sequence[str]) -> Api:
    paths = ["/tasks", *(f"/tasks/{task}" for task in created)]
    lab.note("before-restart", paths=paths)
    for path in paths:
        api.request("GET", path)
    # One request waits for the database. The client's other connections are idle and open: keep-alive must not keep
    # the service alive.
    with ThreadPoolExecutor(1) as client, api.relay.hold(lambda _step: True) as hold:
        asked = client.submit(api.request, "GET", paths[-1])
        lab.comes(Condition("a request to wait", lambda _b, _n: hold.is_holding or asked.done()), 5)
        lab.note("under-way", path=paths[-1], waits=hold.is_holding)
        api.process.signal(signal.SIGTERM)
        lab.watch(UNDER_WAY)
        hold.release()
        asked.result()
    lab.wait_until(lab.has_exited(api))
    again = lab.start_api("api-again")
    lab.note("restarted")
    for path in paths:
        again.request("GET", path)
    return again
