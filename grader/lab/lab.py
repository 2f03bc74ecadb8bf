"""One scenario's view of the world."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from grader.durations import format_duration
from grader.errors import EnvironmentFailed
from grader.history.board import Board
from grader.history.events import DocumentRead, Event, Moment
from grader.history.recorder import Recorder
from grader.history.timeline import SCENARIO_OVER, History
from grader.lab.api import Api
from grader.lab.held import HeldWorker
from grader.lab.tasks import Task, title
from grader.lab.waiting import Condition, Observer
from grader.lab.worker import Worker
from grader.postgres import ScenarioDatabase
from grader.run_folder import RunFolder
from grader.services import Network, Reach, ServiceProcess, Services, service_environment
from grader.submission import Submission
from grader.submission_files import read_document
from grader.wire import Relay, Wire

FAR_AWAY = 3600.0
"""A WORKER_STUCK_TIMEOUT that no scenario lives to see."""

FIRST_PORT, LAST_PORT = 10240, 32767
"""Where an api-service listens in a network that is its own."""

_DOCUMENT_LIMIT = 64 * 1024

_SETTLED, _LONGEST_SETTLED = 0.05, 0.15
"""Seconds in which a worker that has a task comes to its work: on a quiet machine, and on any. All work lasts longer."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all scenarios of a run share."""

    submission: Submission
    wire: Wire
    services: Services
    run: RunFolder
    patience: float
    """How many times slower than a quiet machine of today this one is; at least 1."""
    is_cancelled: Callable[[], bool]
    """Whether the scenario is to stop: the run ends, or nobody needs it any more."""
    deep: bool = False
    """Explore until nothing is left, however long that takes."""
    tell: Callable[[str], None] = lambda _text: None
    """Tells whoever waits how far something long has come."""


class Lab:
    """One scenario's view of the world. Used by the scenario's thread; leaving it ends all it started."""

    def __init__(
        self, around: Surroundings, database: ScenarioDatabase, recorder: Recorder, seed: str, timeout: float
    ) -> None:
        self.database = database
        self.patience = around.patience
        self.deep = around.deep
        self.tell = around.tell
        self.clock = recorder.clock
        self.is_cancelled = around.is_cancelled
        self._around = around
        self.recorder = recorder
        self._random = random.Random(seed)
        self._timeout = timeout * around.patience
        self._observer = Observer(recorder, database.read_changes, around.is_cancelled)
        self._stack = ExitStack()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.note(SCENARIO_OVER)
        self._stack.close()
        self._observer.look()
        for change in self.database.read_changes():
            self.recorder.record(change)

    # ------------------------------------------------------------ tasks

    def insert_tasks(
        self,
        count: int,
        *,
        fail: bool | None = None,
        type: str | None = None,
        status: str = "pending",
        owner: str | None = None,
        ages: Sequence[float] | None = None,
        titles: Sequence[str] | None = None,
    ) -> list[Task]:
        """Insert tasks by SQL, one after the other in age; ``ages`` are seconds before now instead.

        ``fail`` goes into the payload, which is empty without it. Nobody has touched a task since it was created.
        Titles come from ``new_title`` unless they are given.
        """
        rows: list[dict[str, Any]] = []
        for number in range(count):
            row: dict[str, Any] = {"title": titles[number] if titles else self.new_title(), "status": status}
            row["age"] = row["updated_age"] = ages[number] if ages is not None else (count - number) * 0.001
            if fail is not None:
                row["payload"] = {"fail": fail}
            if type is not None:
                row["type"] = type
            if owner is not None:
                row["assigned_worker"] = owner
            rows.append(row)
        ids = self.database.insert_tasks(rows)
        return [Task(task_id, row["title"]) for task_id, row in zip(ids, rows, strict=True)]

    def new_title(self) -> str:
        """A title for a task that the api-service is to create."""
        return title(self._random)

    def shuffled(self, count: int) -> list[int]:
        """The numbers below ``count`` in an order that the seed decides, never the sorted one."""
        numbers = list(range(count))
        while numbers == sorted(numbers):
            self._random.shuffle(numbers)
        return numbers

    def task_rows(self) -> list[dict[str, str]]:
        """Every row of the table now: id and status."""
        return [{"id": task, "status": str(row["status"])} for task, row in self.database.tasks().items()]

    @property
    def secret(self) -> str:
        """The password of the services' database login."""
        return self.database.service.password

    # ------------------------------------------------------------ services

    def start_worker(
        self,
        name: str = "worker-A",
        *,
        poll: float = 0.2,
        duration: float = 0.3,
        stuck: float = FAR_AWAY,
        timezone: str | None = None,
        changed: Mapping[str, str | None] | None = None,
        database: Literal["up", "refuses", "is silent"] = "up",
        ready: bool = True,
    ) -> Worker:
        """Start a worker-service; wait until it has looked for work and found nothing more to do, if ``ready``.

        Durations in seconds. ``changed`` replaces variables of its environment (None leaves one out). A ``database``
        that is out of reach refuses connections, or is silent in them.
        """
        relay, network = self._open_relay(name)
        if database == "refuses":
            relay.refuse()
        elif database == "is silent":
            relay.stall()
        settings = self._worker_settings(name, poll, duration, stuck)
        if timezone is not None:
            settings["TZ"] = timezone
        process = self._start(name, "worker", relay, Reach(network, relay.port), settings, changed or {})
        worker = Worker(process, relay, self._observer, self.recorder, self.patience)
        if ready:
            self.wait_until(worker.has_looked())
        return worker

    def start_held_worker(
        self,
        name: str,
        *,
        poll: float,
        duration: float = 0.0,
        stuck: float = FAR_AWAY,
        recorder: Recorder | None = None,
        stalled: bool = False,
    ) -> HeldWorker:
        """Start a worker-service behind a closed gate: every statement of its waits until it is granted.

        Durations in seconds. What the wire and the process tell goes to ``recorder`` if one is given, else into
        the scenario's record. ``stalled``: not even its connection is answered, until ``relay.accept``.
        """
        relay, network = self._open_relay(name, recorder)
        self._around.wire.call(relay.gate.close)
        if stalled:
            relay.stall()
        settings = self._worker_settings(name, poll, duration, stuck)
        process = self._start(name, "worker", relay, Reach(network, relay.port), settings, {}, recorder)
        return HeldWorker(name, process, relay, self._around.wire, self.patience)

    def _worker_settings(self, name: str, poll: float, duration: float, stuck: float) -> dict[str, str | None]:
        durations = {
            "WORKER_POLL_INTERVAL": poll,
            "WORKER_TASK_DURATION": duration,
            "WORKER_STUCK_TIMEOUT": stuck,
        }
        settings: dict[str, str | None] = {k: self.duration(v) for k, v in durations.items()}
        settings["WORKER_ID"] = self.new_worker_id(name)
        return settings

    def new_worker_id(self, name: str) -> str:
        """A WORKER_ID for an instance: the same never comes twice."""
        return f"{name}-{self._random.randrange(16**6):06x}"

    def start_api(self, name: str = "api") -> Api:
        """Start an api-service and wait until it answers HTTP.

        Raises EnvironmentFailed when another program has taken its port and answers in its place.
        """
        relay, network = self._open_relay(name)
        # Never the one that a submission may have as its own default: it is to be told by API_PORT.
        own = self._random.randint(FIRST_PORT, LAST_PORT)
        port = own if network.is_own else self._around.services.free_port()
        settings = {"API_HOST": "127.0.0.1", "API_PORT": str(port)}
        process = self._start(name, "api", relay, Reach(network, relay.port), settings, {})
        api = Api(process, relay, f"http://127.0.0.1:{port}", self.recorder, self.patience, network)
        self._stack.callback(api.close)
        self.wait_until(Condition(f"{name} to answer", lambda _b, _n: api.answers(), by=name))
        if process.running.listens_on(port) is False and process.status is None:
            raise EnvironmentFailed(
                f"port {port} on 127.0.0.1, which was free a moment ago, is another program's now: end it, or try again"
            )
        return api

    def duration(self, seconds: float) -> str:
        """A duration in the form that the submission's manifest asks for, as a person would write it.

        What was multiplied by patience has more digits than a strict reader of settings has to take.
        """
        return format_duration(round(seconds, 3), self._around.submission.durations)

    def _open_relay(self, service: str, recorder: Recorder | None = None) -> tuple[Relay, Network]:
        network = self._around.services.network()
        self._stack.callback(network.close)
        relay = self._around.wire.open_relay(
            service=service,
            server=self.database.address,
            recorder=recorder or self.recorder,
            make_socket=network.socket,
        )
        self._stack.callback(relay.close)
        return relay, network

    def _start(
        self,
        name: str,
        role: Literal["api", "worker"],
        relay: Relay,
        reach: Reach,
        settings: Mapping[str, str | None],
        changed: Mapping[str, str | None],
        recorder: Recorder | None = None,
    ) -> ServiceProcess:
        submission = self._around.submission
        url = self.database.service_url(relay.host, relay.port)
        wanted = {"DATABASE_URL": url, **settings, **changed}
        given = {key: value for key, value in wanted.items() if value is not None}
        told = {key: value for key, value in given.items() if key != "DATABASE_URL"}
        database_url = given.pop("DATABASE_URL", None)
        process = self._around.services.start(
            name=name,
            role=role,
            command=submission.worker if role == "worker" else submission.api,
            cwd=submission.folder,
            env=service_environment(self._around.run.new_tmp(), database_url=database_url, settings=given),
            settings=told,
            recorder=recorder or self.recorder,
            note_process=self._around.run.note_process,
            reach=reach,
        )
        self._stack.callback(process.end)
        return process

    # ------------------------------------------------------------ waiting

    def wait_until(
        self, condition: Condition, timeout: float | None = None, *, since: float | None = None
    ) -> None:
        """Wait for a moment; give the scenario up when it does not come (recorded, judged by the checks).

        ``since``: the moment since which it has been waited for in another way, for the record.
        """
        self._observer.until(condition, self._limit(timeout), since)

    def comes(self, condition: Condition, timeout: float) -> bool:
        """Wait for something that may as well not come within ``timeout`` seconds (times patience)."""
        return self._observer.comes(condition, self._limit(timeout))

    def watch(self, seconds: float) -> None:
        """Let time pass while everything is recorded."""
        self._observer.watch(seconds)

    def settle(self) -> None:
        """Let a worker that has just taken a task come to its work, before something happens to it *in the middle*.

        What it still does for its claim (a second commit, say) is over then: which of its statements is hit would be
        luck, and is tried one by one elsewhere.
        """
        self.watch(min(_SETTLED * self.patience, _LONGEST_SETTLED))

    def has_status(self, *tasks: Task, status: str = "completed") -> Condition:
        """All these tasks have this status, for everybody to see."""

        def holds(board: Board, _now: float) -> bool:
            return all(board.status(task.id) == status for task in tasks)

        return Condition(f"task {', '.join(task.id for task in tasks)} to be {status}", holds)

    def has_exited(self, service: Worker | Api) -> Condition:
        """The process of a service has ended."""

        def holds(board: Board, _now: float) -> bool:
            instance = board.services.get(service.name)
            return instance is not None and instance.status is not None

        return Condition(f"{service.name} to exit", holds)

    def wait_until_backends_gone(self) -> None:
        """Wait until no server process of a service is left: what a killed one had under way is over then."""
        gone = Condition("the server to notice the kill", lambda _b, _n: not self.database.service_backends())
        self.wait_until(gone)

    def give_up_unless(self, fine: bool, needed: str) -> None:
        """Give the scenario up, recorded like a wait that timed out, when what it needs next is not there."""
        if not fine:
            self.wait_until(Condition(needed, lambda _b, _n: False), timeout=0)

    def wait_for_any(self, conditions: Mapping[str, Condition], timeout: float | None = None) -> str:
        """Wait until one of several conditions holds; its key. ``timeout`` as for ``wait_until``."""
        held: list[str] = []

        def holds(board: Board, now: float) -> bool:
            held.extend(key for key, condition in conditions.items() if condition.holds(board, now))
            return bool(held)

        self.wait_until(Condition(" or ".join(c.description for c in conditions.values()), holds), timeout)
        return held[0]

    def _limit(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout * self.patience

    def status_of(self, task: Task) -> str | None:
        """A task's status now, for everybody to see."""
        self._observer.look()
        return self._observer.board.status(task.id)

    def history(self) -> History:
        """The record up to now, as the checks will see it."""
        self._observer.look()
        return History(self.recorder.events(), self.patience)

    # ------------------------------------------------------------ faults and notes

    def note(self, name: str, **detail: Any) -> Moment:
        """Put a moment of the scenario's own into the record."""
        moment = Moment(at=self.clock.now(), name=name, detail=detail)
        self.recorder.record(moment)
        return moment

    def events(self) -> Sequence[Event]:
        """Everything that is in the record up to now, changes of rows included."""
        self._observer.look(at_once=True)
        return self.recorder.events()

    def looks_of(self, worker: HeldWorker) -> int:
        """How many statements that could find a task a worker has sent up to now."""
        self._observer.look()
        return self._observer.board.services[worker.name].looks

    @contextmanager
    def outage(self, *services: Worker | Api) -> Iterator[None]:
        """The database is gone for these services: connections are cut, new ones refused."""
        for service in services:
            service.relay.refuse()
        self.note("database-gone", services=[s.name for s in services])
        try:
            yield
        finally:
            for service in services:
                service.relay.accept()
            self.note("database-back", services=[s.name for s in services])

    def stop(self, worker: Worker, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the exit."""
        worker.signal(number)
        self.wait_until(self.has_exited(worker))

    def end(self, worker: Worker, grace: float) -> None:
        """Let a worker stop within so many seconds of SIGTERM, and end all that is left of it: none runs afterwards.

        For what comes after it. A signal alone is no end: behind a wrapper that passes nothing on the worker lives on.
        """
        if worker.is_alive:
            worker.signal(signal.SIGTERM)
            self.comes(self.has_exited(worker), grace)
        worker.kill()

    def read_documents(self) -> None:
        """Read the submission's documents into the record."""
        submission = self._around.submission
        for name, path in (("data-flow", submission.data_flow), ("answers", submission.answers)):
            document = read_document(submission.folder, path, _DOCUMENT_LIMIT)
            shown = path.relative_to(submission.folder)
            self.recorder.record(
                DocumentRead(
                    at=self.recorder.clock.now(),
                    name=name,
                    path=str(shown),
                    text=document.text,
                    problem=document.problem,
                )
            )
