"""A client, the api-service, the table and a worker: the whole way of a task, as a scenario for several topics."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from grader.declare import scenario
from grader.lab import Api, Condition, Lab, Task


@scenario(timeout=15, seconds=6)
def client_to_client(lab: Lab) -> None:
    """A client posts tasks and watches them complete; then ten clients post at the same moment."""
    api = lab.start_api()
    worker = lab.start_worker(poll=0.2, duration=0.5)
    title = lab.new_title()
    first = _post(lab, api, title, "as it was posted")
    lab.note("posted", task=first.id, title=first.title)
    lab.wait_until(Condition("GET to show the task completed", lambda _b, _n: _shows_completed(api, first)))
    second = _post(lab, api, lab.new_title(), "before the change")
    lab.wait_until(worker.works_on(second))
    new_title = lab.new_title()
    lab.note("changed-at-work", task=second.id, title=new_title, description="after the change")
    api.request("PUT", f"/tasks/{second.id}", body={"title": new_title, "description": "after the change"})
    lab.wait_until(lab.has_status(second))
    lab.stop(worker)
    lab.start_worker("worker-B", poll=0.2, duration=0.05)
    titles = [lab.new_title() for _ in range(10)]
    lab.note("burst", titles=titles)
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda t: api.request("POST", "/tasks", body={"title": t}), titles))
    burst = [Task(a.task_id, t) for a, t in zip(answers, titles, strict=True) if a.task_id]
    lab.note("burst-posted", tasks=[task.id for task in burst])
    lab.wait_until(lab.has_status(*burst))
    lab.watch(0.3)
    lab.note("burst-over")


def _post(lab: Lab, api: Api, title: str, description: str) -> Task:
    answer = api.request("POST", "/tasks", body={"title": title, "description": description})
    lab.give_up_unless(answer.task_id is not None, "the api-service to create a task")
    return Task(str(answer.task_id), title)


def _shows_completed(api: Api, task: Task) -> bool:
    body = api.request("GET", f"/tasks/{task.id}", timeout=15).json
    return isinstance(body, dict) and body.get("status") == "completed"
