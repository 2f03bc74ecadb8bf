"""What every command that runs a submission sets up: server, databases, wire, services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader.calibration import measure_patience
from grader.ending import uninterrupted
from grader.engine import find_engine
from grader.history.recorder import Clock, Recorder
from grader.lab import Lab, Surroundings
from grader.leftovers import remove_leftovers
from grader.model import PostgresInfo
from grader.postgres import Databases, Provider, start_server
from grader.run_folder import RunFolder, run_folder
from grader.services import Engine, IsolationChoice, Services, build, choose_isolation
from grader.submission import Submission
from grader.wire import Wire

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Where PostgreSQL is to come from. ``database_url`` is of a server that is there already."""

    postgres: Provider
    database_url: str | None
    image: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that scenarios share, for as long as it is set up."""

    around: Surroundings
    databases: Databases
    clock: Clock
    postgres: PostgresInfo
    isolation: str
    """The level's name, as reports have it."""


@contextmanager
def stage(
    submission: Submission,
    server_choice: ServerChoice,
    tell: Callable[[str], None],
    *,
    isolation: IsolationChoice | None = None,
    build_log: Path | None = None,
    deep: bool = False,
    clock: Clock | None = None,
) -> Iterator[Stage]:
    """Set up, and take down in reverse, whatever happens. ``tell`` is told what a person wants to know of it.

    ``isolation`` is how services are kept apart (None: as one's own work). The build's output goes to ``build_log``;
    without one it is gone in the end.

    Raises CannotGrade or GraderError.
    """
    for line in remove_leftovers():
        tell(line)
    with uninterrupted() as hold, ExitStack() as stack:
        patience = measure_patience()
        run = stack.enter_context(run_folder())
        choice = isolation or IsolationChoice("self-check")
        apart = choose_isolation(choice, run.path, tell, _engine(choice, run))
        stack.callback(apart.sweep)
        apart.show(submission.folder)
        if submission.build is not None:
            tell(f"building: {' '.join(submission.build)}")
            build(submission, build_log or run.path / "build.log", isolation=apart)
        server = stack.enter_context(
            start_server(
                run,
                provider=server_choice.postgres,
                url=server_choice.database_url,
                image=server_choice.image,
            )
        )
        info = server.info
        tell(
            f"PostgreSQL {info.version}, {info.provider}: {info.reason}; isolation: {apart.level.value} ({apart.detail})"
        )
        clock = clock or Clock()
        databases = stack.enter_context(Databases(server, run, clock))
        databases.prepare(submission.folder, submission.migration_files)
        around = Surroundings(
            submission=submission,
            wire=stack.enter_context(Wire()),
            services=stack.enter_context(Services(apart)),
            run=run,
            patience=patience,
            is_cancelled=lambda: False,
            deep=deep,
            tell=tell,
        )
        with hold.paused():
            yield Stage(around, databases, clock, info, apart.level.value)


def _engine(choice: IsolationChoice, run: RunFolder) -> Engine | None:
    """The Docker engine for services, where the call speaks of containers."""
    if "container" not in (choice.wanted, choice.required.value if choice.required else None):
        return None
    url = find_engine()
    return None if url is None else Engine(url, run.labels, lambda name: run.note_container(name, url))


@contextmanager
def one_lab(stage: Stage, name: str, seed: int) -> Iterator[Lab]:
    """A lab in a database of its own, outside of any run."""
    with uninterrupted() as hold, closing(stage.databases.create(name)) as database:
        recorder = Recorder(stage.clock, stage.databases.service_password)
        with Lab(stage.around, database, recorder, f"{seed}/{name}", _TIMEOUT) as lab, hold.paused():
            yield lab
