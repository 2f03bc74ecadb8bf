"""The third way: frontrun explores the same claim code, on the same server.

frontrun (PyPI) runs Python functions that the tester names, controls them at each SQL statement of a driver that it has
patched, and leaves out orders that come to the same (DPOR). Here it explores processes, as workers are, and not threads;
but an asyncio worker as two tasks, since it takes those into no process of their own. It begins with the explorer's
situations, all but the row that the grader holds, and its orders are judged by the explorer's rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from psycopg.conninfo import make_conninfo

from grader.checkpoints.schedules import OTHER_PLANS
from grader.commands.stage import Stage
from grader.explore import (
    ONE_TASK,
    TWO_TASKS,
    WORKERS,
    Situation,
    beside_stuck,
    broken_rule,
    set_up_database,
    stuck_row,
)
from grader.history.events import ConnectionOpened, ConnectionReady, Event, ServiceStarted
from grader.history.timeline import History
from grader.lab import Lab
from tests.bench.races.cases import Case
from tests.bench.races.frontrun_worker import asyncio_queue
from tests.bench.races.ways import Outcome, Stopwatch, lab_of

LIMIT: Final = 30.0
"""Seconds (times patience) for one design, shared out evenly among the situations that are left."""

SILENCE: Final = 5.0
"""Seconds after which frontrun gives up on a statement that does not come back."""

_RIGHT: Final = {
    "advisory-lock-worker": "advisory_lock",
    "held-transaction": "held_transaction",
    "pipeline-worker": "pipeline",
    "serializable-worker": "serializable",
}
_ASYNCIO: Final = "asyncpg-worker"
_RULES_BROKEN: Final = ("invariant", "worker_error", "deadlock")


@dataclass(frozen=True, slots=True)
class _Said:
    """frontrun's result of one situation: a broken rule, or why it came to no verdict, or neither."""

    broken: str | None = None
    undecided: str | None = None


def why_not() -> str | None:
    """Why frontrun cannot be asked; None when it can."""
    return "frontrun is not installed" if find_spec("frontrun") is None else None


def frontrun(stage: Stage, case: Case, folder: Path) -> Outcome:
    """Explore each situation until one breaks a rule, or the time is up."""
    watch = Stopwatch()
    situations = _situations(stage)
    undecided: list[str] = []
    for left, (situation, settings) in zip(range(len(situations), 0, -1), situations, strict=True):
        with lab_of(stage, "frontrun", SILENCE) as lab:
            set_up_database(lab, settings)
            world = _World(lab, situation, stage.around.run.path / "frontrun-backends")
            limit = max(1.0, (LIMIT * stage.around.patience - watch.seconds) / left)
            explore = _explore_tasks if case.name == _ASYNCIO else _explore_processes
            said = watch.time(lambda: explore(world, case, folder, limit))  # noqa: B023 - called at once
        if said.broken is not None:
            return Outcome("broken", watch.seconds, said.broken)
        if said.undecided is not None:
            undecided.append(said.undecided)
    if undecided:
        return Outcome("none", watch.seconds, undecided[0])
    return Outcome("holds", watch.seconds)


def _situations(stage: Stage) -> list[tuple[Situation, Mapping[str, str]]]:
    with lab_of(stage, "stuck", SILENCE) as lab:
        row = stuck_row(lab)
    found: list[tuple[Situation, Mapping[str, str]]] = [(ONE_TASK, {}), (TWO_TASKS, {})]
    if row is not None:
        found.append((beside_stuck(row), {}))
    return [*found, (TWO_TASKS, OTHER_PLANS)]


@dataclass(slots=True)
class _World:
    """The table under exploration: made ready before each order, and judged after it."""

    lab: Lab
    situation: Situation
    notes: Path
    tasks: list[str] = field(default_factory=list)
    began: float = 0.0
    sentence: str | None = None

    def open(self) -> None:
        """Connect as everybody that is needed later."""
        self.prepare()
        self.lab.database.tasks()

    def prepare(self) -> None:
        """Fresh tasks, nothing left of the order before."""
        database = self.lab.database
        database.terminate_backends(list(database.service_backends()))
        database.finish_tasks()
        database.read_changes()
        self.notes.unlink(missing_ok=True)
        self.began = self.lab.clock.now()
        self.tasks = self.situation.prepare(self.lab)

    def holds(self, _state: object) -> bool:
        """Whether every rule held in the order that is over."""
        history = History([*self._connections(), *self.lab.database.read_changes()], self.lab.patience)
        broken = broken_rule(history, self.tasks)
        self.sentence = broken.sentence if broken else None
        return broken is None

    def _connections(self) -> list[Event]:
        events: list[Event] = []
        for number, line in enumerate(self.notes.read_text().splitlines()):
            name, pid = line.split()
            at = self.began
            about: dict[str, Any] = {"service": name, "connection": number}
            events += [
                ServiceStarted(at=at, service=name, role="worker", pid=0, settings={}),
                ConnectionOpened(at=at, **about),
                ConnectionReady(at=at, backend_pid=int(pid), **about),
            ]
        return events


def _explore_processes(world: _World, case: Case, folder: Path, limit: float) -> _Said:
    import frontrun  # not there without the extra "bench"

    target = f"tests.bench.races.frontrun_worker:{_RIGHT.get(case.name, 'queue_module')}"
    arguments = (str(folder), make_conninfo(**_database(world.lab, "dbname")))
    workers = {name: frontrun.Subprocess(target, (*arguments, name, str(world.notes))) for name in WORKERS}
    found = frontrun.explore_processes(
        workers,
        setup=world.prepare,
        invariant=world.holds,
        total_timeout=limit,
        deadlock_timeout=SILENCE,
        reuse_workers=True,
    )
    if found.failure_kind in _RULES_BROKEN:
        return _Said(broken=world.sentence or _first(found.failure))
    if not found.ok:
        return _Said(undecided=f"{found.failure_kind}: {_first(found.failure)}")
    return _Said() if found.iterations else _Said(undecided="no order came to its end in time")


def _explore_tasks(world: _World, case: Case, folder: Path, limit: float) -> _Said:
    import frontrun

    def worker(name: str) -> Callable[[object], Awaitable[None]]:
        async def work(_state: object) -> None:
            await asyncio_queue(str(folder), _database(world.lab, "database"), name, str(world.notes))

        return work

    async def explore() -> Any:
        workers = [worker(name) for name in WORKERS]
        return await frontrun.explore(
            setup=world.prepare, workers=workers, invariant=world.holds, total_timeout=limit
        )

    world.open()  # what is connected from here on may be patched
    found = asyncio.run(explore())
    if found.property_holds is None:
        return _Said(undecided=_first(found.explanation))
    return _Said() if found.property_holds else _Said(broken=world.sentence or _first(found.explanation))


def _database(lab: Lab, name: str) -> dict[str, Any]:
    """Where the services' database is. ``name``: what the driver calls the parameter with its name."""
    database = lab.database
    return {
        "host": database.address.host,
        "port": database.address.port,
        name: database.name,
        "user": database.service.user,
        "password": database.service.password,
    }


def _first(text: str | None) -> str:
    """The first sentence, of a message that may have many."""
    return (text or "").partition(". ")[0]
