"""Literal histories for tests: a scenario written down instead of run."""

from __future__ import annotations

import json
from typing import Any

from grader.history.events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReady,
    Event,
    HttpExchange,
    LogLine,
    Moment,
    RowChanged,
    ServiceExited,
    ServiceStarted,
    SignalSent,
    StepBegan,
    StepEnded,
)
from grader.history.timeline import History

PIDS = {"api": 100, "api-again": 104, "worker-A": 101, "worker-B": 102, "worker-C": 103, "worker-A-again": 105}
SETTINGS = {"WORKER_POLL_INTERVAL": "0.2", "WORKER_TASK_DURATION": "0.3", "WORKER_STUCK_TIMEOUT": "60"}


class Story:
    """Writes events down; each method appends, and returns itself."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self._steps = 0

    def history(self, patience: float = 1.0) -> History:
        return History(self.events, patience)

    def add(self, *events: Event) -> Story:
        self.events.extend(events)
        return self

    def start(self, service: str, at: float = 0.0, **settings: str) -> Story:
        role = "api" if service.startswith("api") else "worker"
        told = {**SETTINGS, "WORKER_ID": f"id-of-{service}", **settings}
        pid = PIDS.get(service, 199)
        return self.add(
            ServiceStarted(at=at, service=service, role=role, pid=pid, settings=told),  # type: ignore[arg-type]
            ConnectionOpened(at=at + 0.01, service=service, connection=pid),
            ConnectionReady(at=at + 0.02, service=service, connection=pid, backend_pid=pid),
        )

    def exit(self, service: str, at: float, status: int = 0, closed_by: str = "terminate") -> Story:
        pid = PIDS.get(service, 199)
        return self.add(
            ConnectionClosed(at=at - 0.01, service=service, connection=pid, by=closed_by),  # type: ignore[arg-type]
            ServiceExited(at=at, service=service, status=status),
        )

    def signal(self, service: str, name: str, at: float) -> Story:
        return self.add(SignalSent(at=at, service=service, signal=name))

    def log(self, service: str, at: float, text: str) -> Story:
        return self.add(LogLine(at=at, service=service, stream="stderr", text=text))

    def note(self, name: str, at: float, **detail: Any) -> Story:
        return self.add(Moment(at=at, name=name, detail=detail))

    def row(self, task: str) -> dict[str, Any]:
        return self._rows[task]

    def insert(self, task: str, at: float, status: str = "pending", by: str | None = None, **values: Any) -> Story:
        row = {"id": task, "title": f"title {task}", "description": "", "status": status}
        row |= {"assigned_worker": None, "created_at": f"{at:09.3f}", "updated_at": at} | values
        self._rows[task] = row
        return self.add(self._change(task, at, "insert", None, row, by))

    def update(self, task: str, at: float, by: str | None, **values: Any) -> Story:
        before = self._rows[task]
        after = self._rows[task] = {**before, "updated_at": at, **values}
        return self.add(self._change(task, at, "update", before, after, by))

    def claim(self, task: str, at: float, by: str, owner: str | None = None) -> Story:
        owner = owner or f"id-of-{by}"
        return self.update(task, at, by, status="processing", assigned_worker=owner)

    def complete(self, task: str, at: float, by: str) -> Story:
        return self.update(task, at, by, status="completed")

    def delete(self, task: str, at: float, by: str | None) -> Story:
        return self.add(self._change(task, at, "delete", self._rows.pop(task), None, by))

    def step(
        self,
        service: str,
        at: float,
        sql: str,
        *,
        took: float = 0.001,
        tag: str = "SELECT 0",
        before: str = "I",
        after: str = "I",
    ) -> Story:
        self._steps += 1
        where = {"service": service, "connection": PIDS.get(service, 199), "step": self._steps}
        rows = int(tag.split()[-1]) if tag[-1:].isdigit() else None
        return self.add(
            StepBegan(at=at, sql=sql, transaction=before, **where),  # type: ignore[arg-type]
            StepEnded(
                at=at + took,
                tag=tag,
                rows=rows,
                sqlstate=None,
                message=None,
                values=(),
                parameters=(),
                transaction=after,  # type: ignore[arg-type]
                committed=False,
                **where,  # type: ignore[arg-type]
            ),
        )

    def ask(
        self,
        method: str,
        path: str,
        at: float,
        status: int | None,
        body: Any = None,
        sent: Any = None,
        took: float = 0.01,
    ) -> Story:
        return self.add(
            HttpExchange(
                at=at,
                service="api",
                method=method,
                path=path,
                request=None if sent is None else json.dumps(sent),
                status=status,
                content_type="application/json",
                body=json.dumps(body),
                error=None if status else "ReadTimeout",
                ended_at=at + took,
            )
        )

    def _change(self, task: str, at: float, operation: str, before: Any, after: Any, by: str | None) -> RowChanged:
        return RowChanged(
            at=at,
            task=task,
            operation=operation,  # type: ignore[arg-type]
            before=before,
            after=after,
            backend_pid=PIDS[by] if by else 1,
            transaction=str(at),
            committed_at=at + 0.001,
            by_grader=by is None,
        )


def undisturbed(*took: float, duration: str = "0.3") -> Story:
    """A worker that works off tasks in so many seconds each, and nothing disturbs it."""
    story = Story().start("worker-A", WORKER_TASK_DURATION=duration)
    for number, seconds in enumerate(took):
        task, at = f"usual-{number}", 1.0 + 100 * number
        story.insert(task, 0.5).claim(task, at, "worker-A").complete(task, at + seconds, "worker-A")
    return story
