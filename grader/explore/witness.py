"""What the table and the record say of a schedule's tasks while it is walked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grader.history.events import ConnectionClosed, ConnectionOpened, ConnectionReady, Event, ServiceStarted
from grader.history.recorder import Recorder
from grader.history.tasks import FINAL
from grader.lab import Lab
from grader.wire import WireStep


class Witness:
    """Reads the changes of rows as they become visible, and knows whose they are."""

    def __init__(self, lab: Lab, recorder: Recorder | None) -> None:
        """``recorder``: one that is read elsewhere too; else the events of a schedule are forgotten after it."""
        self.recorder = recorder or Recorder(lab.clock)
        self.tasks: list[str] = []
        self._database = lab.database
        self._is_shared = recorder is not None
        self._preamble: list[Event] = []
        """What tells whose a connection is that was made before this schedule."""
        self._by_pid: dict[int, str] = {}
        self._status: dict[str, str] = {}
        self._holder: dict[str, str] = {}
        """Task to the worker that claimed it, while it is in processing."""

    def begin(self, tasks: Sequence[str]) -> None:
        """A schedule with these tasks begins."""
        if not self._is_shared:
            self._keep_preamble(self.recorder.drain())
        self.tasks = list(tasks)
        self._status = {}
        self._holder = {}

    def meet(self, step: WireStep, name: str) -> None:
        """Note whose a server process is."""
        if step.backend_pid is not None:
            self._by_pid[step.backend_pid] = name

    def name_of(self, pids: Iterable[int]) -> str | None:
        """The worker that one of these server processes belongs to."""
        return next((name for pid in pids if (name := self._by_pid.get(pid)) is not None), None)

    def take_in(self) -> bool:
        """Read what became visible; whether a worker changed a task."""
        changes = self._database.read_changes()
        for change in changes:
            self.recorder.record(change)
            status = None if change.after is None else str(change.after["status"])
            self._status[change.task] = status or "gone"
            holder = self._by_pid.get(change.backend_pid)
            if status == "processing" and holder is not None:
                self._holder[change.task] = holder
            else:
                self._holder.pop(change.task, None)
        return any(not change.by_grader for change in changes)

    def events(self) -> list[Event]:
        """Everything of this schedule, with what one has to know of the workers' starts and connections."""
        self.take_in()
        return [*self._preamble, *self.recorder.events()]

    def pids(self, names: Sequence[str]) -> frozenset[int]:
        """The server processes behind all connections that these workers have made up to now."""
        return frozenset(
            event.backend_pid
            for event in (*self._preamble, *self.recorder.events())
            if isinstance(event, ConnectionReady) and event.service in names
        )

    def status(self, task: str) -> str:
        """A task's status as everybody can see it."""
        return self._status.get(task, "pending")

    def has_task(self, name: str) -> bool:
        """Whether a worker has claimed a task that has not come to its end."""
        return name in self._holder.values()

    @property
    def is_done(self) -> bool:
        """Whether every task has come to its end."""
        return all(self._status.get(task) in FINAL for task in self.tasks)

    def _keep_preamble(self, events: Sequence[Event]) -> None:
        kept = (ServiceStarted, ConnectionOpened, ConnectionReady)
        gone = {event.connection for event in events if isinstance(event, ConnectionClosed)}
        self._preamble = [
            event
            for event in (*self._preamble, *events)
            if isinstance(event, kept) and getattr(event, "connection", None) not in gone
        ]
