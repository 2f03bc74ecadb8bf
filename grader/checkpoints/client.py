"""A client, the api-service, the table and a worker: the whole way of a task, as a scenario for several topics."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grader.declare import scenario
from grader.history.board import Board
from grader.lab import Api, Condition, Lab, Task, Worker, any_of
from grader.wire.transaction import may_write

DURATION = 0.5
"""Seconds that the work of a task lasts, of those that are posted one by one."""

BURST = 10
"""Tasks that are posted at the same moment."""

_WORKED = 8.0
"""Seconds that a single task may take from here to there; one that takes longer does not come."""


_STORED = 2.0
"""Seconds after which a task that was posted should be there for all to see."""


@scenario(timeout=12, seconds=6)
def client_to_client(lab: Lab) -> None:
    """A client posts tasks, changes and deletes some, and sees them complete; then ten clients post at one moment."""
    api = lab.start_api()
    worker = lab.start_worker(poll=0.2, duration=DURATION)
    if completes := _is_seen_to_complete(lab, api):
        _changed_at_work(lab, api, worker)
        _deleted_at_work(lab, api, worker)
    lab.end(worker, grace=3)  # how it stops is judged elsewhere
    if completes:
        _deleted_before_work(lab, api)
    lab.start_worker("worker-B", poll=0.2, duration=0.05)
    _burst(lab, api)


def _is_seen_to_complete(lab: Lab, api: Api) -> bool:
    first = _post(lab, api, lab.new_title(), "as it was posted")
    if first is None:
        return False
    lab.note("posted", task=first.id, title=first.title)
    api.request("GET", f"/tasks/{first.id}")
    completed = lab.comes(lab.has_status(first), timeout=_WORKED)
    api.request("GET", f"/tasks/{first.id}")
    lab.note("looked", task=first.id)
    return completed


def _changed_at_work(lab: Lab, api: Api, worker: Worker) -> None:
    second = _post(lab, api, lab.new_title(), "before the change")
    if second is None:
        return
    lab.note("posted-again", task=second.id)
    if not _comes_to_work(lab, worker, second):
        return
    new = {"title": lab.new_title(), "description": "after the change"}
    lab.note("changed-at-work", task=second.id, **new)
    api.request("PUT", f"/tasks/{second.id}", body=new)
    lab.comes(lab.has_status(second), timeout=_WORKED)


def _deleted_at_work(lab: Lab, api: Api, worker: Worker) -> None:
    third = _post(lab, api, lab.new_title(), "to be deleted")
    if third is None or not _comes_to_work(lab, worker, third):
        return
    lab.note("deleted-at-work", task=third.id)
    api.request("DELETE", f"/tasks/{third.id}")
    [behind] = lab.insert_tasks(1)
    lab.note("behind-it", task=behind.id)
    lab.comes(any_of((lab.has_status(behind), lab.has_exited(worker))), timeout=_WORKED)
    lab.note("after-it")


def _deleted_before_work(lab: Lab, api: Api) -> None:
    """While no worker runs."""
    fourth = _post(lab, api, lab.new_title(), "to be deleted before anybody works on it")
    if fourth is not None:
        api.request("DELETE", f"/tasks/{fourth.id}")
        lab.note("deleted-before-work", task=fourth.id)


def _comes_to_work(lab: Lab, worker: Worker, task: Task) -> bool:
    """Whether the task is in hand, and not over already."""
    in_hand_or_over = any_of((worker.works_on(task), lab.has_status(task)), by=worker.name)
    return lab.comes(in_hand_or_over, timeout=_WORKED) and lab.status_of(task) != "completed"


def _burst(lab: Lab, api: Api) -> None:
    titles = [lab.new_title() for _ in range(BURST)]
    lab.note("burst", titles=titles)
    # None is stored before all are under way: whatever the requests share, they share it now.
    with ThreadPoolExecutor(BURST) as clients, api.relay.hold(lambda step: may_write(step.sql)) as hold:
        posts = [clients.submit(api.request, "POST", "/tasks", body={"title": title}) for title in titles]
        lab.comes(Condition("ten requests at work", lambda _b, _n: len(hold.held) == BURST), timeout=0.3)
        hold.release()
        for post in posts:
            post.result()
    tasks = _stored(lab, titles)
    lab.comes(lab.has_status(*tasks), timeout=12)
    lab.watch(0.3)
    lab.note("burst-over")


def _post(lab: Lab, api: Api, title: str, description: str) -> Task | None:
    api.request("POST", "/tasks", body={"title": title, "description": description})
    return next(iter(_stored(lab, [title])), None)


def _stored(lab: Lab, titles: Sequence[str]) -> list[Task]:
    """The tasks with these titles that come to be in the table; an id in an answer may be missing, or another's."""
    found: dict[str, Task] = {}

    def all_there(board: Board, _now: float) -> bool:
        found.update(
            {task: Task(task, row["title"]) for task, row in board.rows.items() if row["title"] in titles}
        )
        return {task.title for task in found.values()} >= set(titles)

    lab.comes(Condition("the tasks that were posted", all_there), timeout=_STORED)
    return list(found.values())
