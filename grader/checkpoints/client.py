"""A client, the api-service, the table and a worker: the whole way of a task, as a scenario for several topics."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor, wait

from grader.declare import scenario
from grader.lab import Answer, Api, Condition, Lab, Task, Worker
from grader.wire.transaction import may_write

DURATION = 0.5
"""Seconds that the work of a task lasts, of those that are posted one by one."""

BURST = 10
"""Tasks that are posted at the same moment."""

_WORKED = 8.0
"""Seconds that a single task may take from here to there; one that takes longer does not come."""


@scenario(timeout=12, seconds=6)
def client_to_client(lab: Lab) -> None:
    """A client posts tasks and watches them complete; then ten clients post at the same moment."""
    api = lab.start_api()
    worker = lab.start_worker(poll=0.2, duration=DURATION)
    if _is_seen_to_complete(lab, api):
        _changed_at_work(lab, api, worker)
    if worker.is_alive:
        worker.signal(signal.SIGTERM)
    if not lab.comes(lab.has_exited(worker), timeout=3):  # how it stops is judged elsewhere
        lab.stop(worker, signal.SIGKILL)
    lab.start_worker("worker-B", poll=0.2, duration=0.05)
    _burst(lab, api)


def _is_seen_to_complete(lab: Lab, api: Api) -> bool:
    first = _post(lab, api, lab.new_title(), "as it was posted")
    if first is None:
        return False
    lab.note("posted", task=first.id, title=first.title)
    api.request("GET", f"/tasks/{first.id}")
    completed = lab.comes(lab.has_status(first), timeout=_WORKED)
    api.request("GET", f"/tasks/{first.id}", timeout=15)
    lab.note("looked", task=first.id)
    return completed


def _changed_at_work(lab: Lab, api: Api, worker: Worker) -> None:
    second = _post(lab, api, lab.new_title(), "before the change")
    if second is None:
        return
    lab.note("posted-again", task=second.id)
    works, is_over = worker.works_on(second), lab.has_status(second)
    either = Condition(works.description, lambda b, n: works.holds(b, n) or is_over.holds(b, n), by=worker.name)
    if not lab.comes(either, timeout=_WORKED) or lab.status_of(second) == "completed":
        return
    new = {"title": lab.new_title(), "description": "after the change"}
    lab.note("changed-at-work", task=second.id, **new)
    api.request("PUT", f"/tasks/{second.id}", body=new)
    lab.comes(lab.has_status(second), timeout=_WORKED)


def _burst(lab: Lab, api: Api) -> None:
    titles = [lab.new_title() for _ in range(BURST)]
    lab.note("burst", titles=titles)
    # None is stored before all are under way: whatever the requests share, they share it now.
    with api.relay.hold(lambda step: may_write(step.sql)) as hold, ThreadPoolExecutor(BURST) as clients:
        posts = [clients.submit(api.request, "POST", "/tasks", body={"title": title}) for title in titles]
        lab.comes(Condition("ten requests at work", lambda _b, _n: len(hold.held) == BURST), timeout=0.3)
        hold.release()
        wait(posts)
    answers = [post.result() for post in posts]
    tasks = [task for a, t in zip(answers, titles, strict=True) if (task := _created(lab, a, t)) is not None]
    lab.comes(lab.has_status(*tasks), timeout=12)
    lab.watch(0.3)
    lab.note("burst-over")


def _post(lab: Lab, api: Api, title: str, description: str) -> Task | None:
    answer = api.request("POST", "/tasks", body={"title": title, "description": description})
    return _created(lab, answer, title)


def _created(lab: Lab, answer: Answer, title: str) -> Task | None:
    """The task as the table has it; the id in the answer may be missing, or that of another."""
    found = [task for task, row in lab.database.tasks().items() if row["title"] == title]
    task = found[0] if found else answer.task_id
    return None if task is None else Task(task, title)
