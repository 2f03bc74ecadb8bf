"""``grader grade FOLDER``: run a submission, judge it, report."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from grader.calibration import StallWatch, measure_patience
from grader.checkpoints import all_checks, select
from grader.commands.reporting import publish
from grader.declare import Check
from grader.errors import EnvironmentFailed
from grader.history.recorder import Clock
from grader.lab import Surroundings
from grader.model import PostgresInfo
from grader.postgres import Databases, Provider, start_server
from grader.report import LiveProgress
from grader.run_folder import remove_leftovers, run_folder
from grader.runner import Runner
from grader.saved import Run, save
from grader.services import Services, build
from grader.submission import Submission, load_submission
from grader.wire import Wire

ISOLATION = "self-check"
"""Services run as the user who grades, in an environment of their own: enough to check one's own work."""

OURS = ("run.json", "report.json", "report.html", "build.log", "history")


@dataclass(frozen=True, slots=True)
class Options:
    """What the call asks for; ``jobs`` and ``seed`` are chosen when None."""

    folder: Path
    output: Path
    only: Sequence[str]
    part: str | None
    jobs: int | None
    seed: int | None
    postgres: Provider
    database_url: str | None
    image: str


def grade(options: Options, console: Console) -> int:
    """Grade one submission; the exit status. Raises CannotGrade, GraderError or Ended."""
    submission = load_submission(options.folder)
    checks = select(all_checks(), only=options.only, part=options.part)
    output = _cleared(options.output)
    started = datetime.now(UTC)
    clock = Clock()
    progress = LiveProgress(console)
    with ExitStack() as stack:
        progress.begin([(check.id, check.sentence) for check in checks])
        stack.callback(progress.end)
        runner, postgres = _prepare(options, submission, checks, clock, progress, stack)
        results = runner.run()
    run = Run(
        lab=submission.lab,
        submission=submission.name,
        isolation=ISOLATION,
        postgres=postgres,
        seed=runner.seed,
        patience=runner.around.patience,
        started_at=started.isoformat(timespec="seconds"),
        duration_s=round(clock.now(), 2),
        checks=tuple(check.id for check in checks),
        complete=len(checks) == len(all_checks()),
        notes=tuple(_notes(runner)),
    )
    save(output, run, runner.recordings)
    return publish(run, checks, results, output, console)


def _prepare(
    options: Options,
    submission: Submission,
    checks: Sequence[Check],
    clock: Clock,
    progress: LiveProgress,
    stack: ExitStack,
) -> tuple[Runner, PostgresInfo]:
    """Start what all scenarios share; the stack ends it in reverse, whatever happens."""
    for line in remove_leftovers():
        progress.note(line)
    patience = measure_patience()
    run = stack.enter_context(run_folder())
    if submission.build is not None:
        progress.note(f"building: {' '.join(submission.build)}")
        build(submission, options.output / "build.log")
    server = stack.enter_context(
        start_server(run, provider=options.postgres, url=options.database_url, image=options.image)
    )
    info = server.info
    progress.note(f"PostgreSQL {info.version}, {info.provider}: {info.reason}; isolation: {ISOLATION}")
    databases = stack.enter_context(Databases(server, run, clock))
    databases.prepare(submission.migration_files)
    around = Surroundings(
        submission=submission,
        wire=stack.enter_context(Wire()),
        services=stack.enter_context(Services()),
        run=run,
        patience=patience,
        is_cancelled=lambda: False,
    )
    runner = Runner(
        checks=checks,
        around=around,
        databases=databases,
        clock=clock,
        stalls=stack.enter_context(StallWatch(clock)),
        seed=options.seed if options.seed is not None else secrets.randbelow(10**6),
        jobs=options.jobs or default_jobs(),
        progress=progress,
    )
    return runner, info


def default_jobs() -> int:
    """Scenarios at the same time: most of them wait most of the time, so that a core bears several."""
    return min(16, 4 * (os.cpu_count() or 1))


def _cleared(folder: Path) -> Path:
    """The output folder, made if need be, without what an earlier run of ours left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in OURS:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as problem:
        raise EnvironmentFailed(
            f"{folder}: cannot write reports there: {problem.strerror}; choose --output"
        ) from None
    return folder


def _notes(runner: Runner) -> list[str]:
    notes = []
    if runner.around.patience >= 2:
        notes.append(f"This machine was {runner.around.patience:g} times slower than a quiet one.")
    if runner.stalls.longest:
        notes.append(f"The machine stalled for up to {runner.stalls.longest:.1f} s; times near that say little.")
    takes = Counter(recording.scenario for recording in runner.recordings)
    if again := sorted(name for name, count in takes.items() if count > 1):
        notes.append(f"Repeated once, since the first time was inconclusive: {', '.join(again)}.")
    return notes
