"""``grader grade FOLDER``: run a submission, judge it, report."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from grader.calibration import StallWatch, describe_machine
from grader.checkpoints import all_checks, select
from grader.commands.reporting import keep, publish
from grader.commands.stage import ServerChoice, Stage, stage
from grader.declare import Check
from grader.errors import BadCall, CannotGrade, EnvironmentFailed, GraderError
from grader.history.recorder import Clock
from grader.model import Refusal
from grader.report import FILES, LiveProgress, write_refusal
from grader.runner import Runner
from grader.saved import Run
from grader.services import IsolationChoice
from grader.sources import absolute, is_repository, name_of, opened, without_password
from grader.submission import Submission, load_submission

OURS = ("run.json", "build.log", "history", *FILES)


@dataclass(frozen=True, slots=True)
class Options:
    """What the call asks for; ``jobs`` and ``seed`` are chosen when None, ``formats`` come on top of the usual ones."""

    source: str
    """A folder, an archive, or the address of a git repository."""
    output: Path
    only: Sequence[str]
    part: str | None
    jobs: int | None
    seed: int | None
    deep: bool
    server: ServerChoice
    isolation: IsolationChoice
    formats: Sequence[str] = ()
    verbose: bool = False


def grade(options: Options, console: Console) -> int:
    """Grade one submission; the exit status. Raises CannotGrade, GraderError or Ended.

    Where there is nothing to report on, the output folder says why.
    """
    try:
        with opened(options.source) as folder:
            return _grade(load_submission(folder), options, console)
    except BadCall:
        raise
    except (CannotGrade, GraderError) as problem:
        _refuse(options, problem)
        raise


def _refuse(options: Options, problem: CannotGrade | GraderError) -> None:
    if not is_repository(options.source) and not os.path.lexists(options.source):
        return  # a slip of the pen leaves no folder behind
    refusal = Refusal(name_of(options.source), str(problem), isinstance(problem, GraderError))
    with suppress(EnvironmentFailed):
        for line in write_refusal(refusal, cleared(options.output, keep=("build.log",)), options.formats):
            print(f"grader: {line}", file=sys.stderr)


def _grade(submission: Submission, options: Options, console: Console) -> int:
    checks = select(all_checks(), only=options.only, part=options.part)
    output = cleared(options.output)
    started = datetime.now(UTC)
    clock = Clock()
    progress = LiveProgress(console)
    with ExitStack() as stack:
        stack.callback(progress.end)
        progress.begin([(check.id, check.sentence) for check in checks])
        there = stack.enter_context(
            stage(
                submission,
                options.server,
                progress.note,
                isolation=options.isolation,
                build_log=options.output / "build.log",
                deep=options.deep,
                clock=clock,
            )
        )
        runner = Runner(
            checks=checks,
            around=there.around,
            databases=there.databases,
            clock=clock,
            stalls=stack.enter_context(StallWatch(clock)),
            seed=options.seed if options.seed is not None else secrets.randbelow(10**6),
            jobs=options.jobs or default_jobs(),
            progress=progress,
        )
        results = runner.run()
    run = describe(submission, options.source, there, runner, checks, started, clock.now())
    problems = keep(run, runner.recordings, output)
    return publish(
        run,
        checks,
        results,
        runner.takes,
        output,
        console,
        options.formats,
        saved=None if problems else output,
        problems=problems,
        verbose=options.verbose,
    )


def describe(
    submission: Submission,
    source: str,
    there: Stage,
    runner: Runner,
    checks: Sequence[Check],
    started: datetime,
    seconds: float,
) -> Run:
    """What is to be known of a run that judged ``checks``, began at ``started`` and took ``seconds``.

    ``source`` is where the submission came from, as the call gave it.
    """
    source = without_password(source)
    return Run(
        lab=submission.lab,
        submission=submission.name,
        source=source,
        folder=absolute(source),
        isolation=there.isolation,
        postgres=there.postgres,
        seed=runner.seed,
        patience=runner.around.patience,
        started_at=started.isoformat(timespec="seconds"),
        duration_s=round(seconds, 2),
        checks=tuple(check.id for check in checks),
        complete=len(checks) == len(all_checks()),
        notes=tuple(_notes(runner)),
        machine=describe_machine(runner.around.patience),
    )


def default_jobs() -> int:
    """Scenarios at the same time: most of them wait most of the time, so that a core bears several."""
    return min(16, 4 * (os.cpu_count() or 1))


def cleared(folder: Path, keep: Sequence[str] = ()) -> Path:
    """The output folder, made if need be, without what an earlier run of ours left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in set(OURS) - set(keep):
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
        why = "the first time was inconclusive, or the machine had become much slower"
        notes.append(f"Repeated once, since {why}: {', '.join(again)}.")
    return notes
