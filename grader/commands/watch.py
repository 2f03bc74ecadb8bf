"""``grader watch FOLDER``: grade, and grade again what a saved file can have changed.

After a save, the checks that failed and that the file can have changed are run first, alone: they answer in seconds.
When none of them fails any more, the others that it can have changed follow, and those that were never judged because
they build on one that failed. What is saved meanwhile ends what is under way, and it begins anew.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from grader.calibration import StallWatch
from grader.checkpoints import all_checks, select
from grader.commands import changes
from grader.commands.grade import cleared, default_jobs, describe
from grader.commands.reporting import publish
from grader.commands.stage import ServerChoice, Stage, stage
from grader.declare import Check
from grader.errors import CannotGrade
from grader.history.recorder import Clock
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from grader.report import LiveProgress, line
from grader.runner import Runner
from grader.saved import Recording, save
from grader.services import build
from grader.submission import Submission, load_submission

LOOK_EVERY = 0.2
"""Seconds between two looks at the folder while nothing is under way."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the call asks for; ``part`` bounds the checks."""

    folder: Path
    output: Path
    part: str | None
    jobs: int | None
    server: ServerChoice


class _Saved(Exception):
    """Something was saved while scenarios ran."""


def watch(options: Options, console: Console) -> int:
    """Grade at each save, until a signal raises Ended. Raises CannotGrade for a folder that cannot be watched."""
    load_submission(options.folder)
    checks = select(all_checks(), part=options.part)
    state = changes.look(options.folder)
    while True:
        try:
            with _set_up(options, checks, console, state) as watched:
                state = watched.until_set_up_anew()
        except CannotGrade as problem:
            console.print(f"grader: {problem}", markup=False)
            _say_that_it_waits(console, options.folder)
            state = wait_for_save(options.folder, state)


@contextmanager
def _set_up(
    options: Options, checks: Sequence[Check], console: Console, state: changes.State
) -> Iterator[_Watched]:
    submission = load_submission(options.folder)
    clock = Clock()
    with ExitStack() as stack:
        there = stack.enter_context(
            stage(
                submission,
                options.server,
                lambda text: console.print(line(text), style="dim", markup=False),
                build_log=cleared(options.output) / "build.log",
                clock=clock,
            )
        )
        stalls = stack.enter_context(StallWatch(clock))
        yield _Watched(options, submission, checks, console, there, stalls, state)


@dataclass(slots=True)
class _Watched:
    """A submission whose server and databases are there, and what is known of it by now."""

    options: Options
    submission: Submission
    checks: Sequence[Check]
    console: Console
    there: Stage
    stalls: StallWatch
    state: changes.State
    recordings: dict[str, list[Recording]] = field(default_factory=dict)
    takes: dict[str, list[Take]] = field(default_factory=dict)

    def until_set_up_anew(self) -> changes.State:
        """Grade at each save; returns, with the folder's state, when the manifest or a migration was saved."""
        due = changes.Reach(True, True, True)
        while True:
            try:
                if self.is_built():
                    self.grade(due)
                _say_that_it_waits(self.console, self.options.folder)
                before, self.state = self.state, wait_for_save(self.options.folder, self.state)
                due = changes.reach(self.submission, changes.saved(before, self.state))
            except _Saved:
                # What was to be looked at is still to be, and what was saved now as well.
                before, self.state = self.state, settled(self.options.folder)
                more = changes.reach(self.submission, changes.saved(before, self.state))
                due = changes.Reach(
                    due.api or more.api, due.worker or more.worker, due.documents or more.documents, more.setup
                )
            if due.setup:
                return self.state

    def is_built(self) -> bool:
        """Build anew where the submission has a build; whether it can be run now."""
        if self.submission.build is None or not self.recordings:
            return True
        try:
            build(self.submission, self.options.output / "build.log")
        except CannotGrade as problem:
            self.console.print(f"grader: {problem}", markup=False)
            return False
        return True

    def grade(self, due: changes.Reach) -> None:
        """Run what is due: what failed first, the rest when nothing of that fails any more."""
        known = self.results()
        touched = changes.affected(self.checks, self.takes, due)
        first = tuple(c for c in touched if c.id in known and known[c.id].verdict in _NOT_WELL)
        if first:
            results = self.run(first)
            if any(results[check.id].verdict in _NOT_WELL for check in first):
                return
        rest = [c for c in self.checks if c not in first and (c in touched or self.is_open(c, self.results()))]
        if rest:
            self.run(rest)

    def is_open(self, check: Check, known: dict[str, CheckResult]) -> bool:
        """Whether a check has no verdict of its own yet."""
        return check.id not in known or known[check.id].verdict is Verdict.SKIPPED

    def run(self, checks: Sequence[Check]) -> dict[str, CheckResult]:
        """Run some checks, and report all that is known."""
        started, begin = datetime.now(UTC), self.there.clock.now()
        progress = LiveProgress(self.console)
        progress.begin([(check.id, check.sentence) for check in checks])
        runner = Runner(
            checks=checks,
            around=replace(self.there.around),
            databases=self.there.databases,
            clock=self.there.clock,
            stalls=self.stalls,
            seed=secrets.randbelow(10**6),
            jobs=self.options.jobs or default_jobs(),
            progress=progress,
            look=self.stop_when_saved,
        )
        try:
            runner.run()
        finally:
            progress.end()
        self.learn(runner)
        results = self.results()
        shown = [check for check in self.checks if check.id in results]
        seconds = self.there.clock.now() - begin
        run = describe(self.submission, self.there, runner, shown, started, seconds)
        save(self.options.output, run, [r for group in self.recordings.values() for r in group])
        publish(run, shown, results, self.takes, self.options.output, self.console)
        return results

    def learn(self, runner: Runner) -> None:
        """What was recorded anew takes the place of what was recorded before."""
        self.takes.update(runner.takes)
        fresh: dict[str, list[Recording]] = {}
        for recording in runner.recordings:
            fresh.setdefault(recording.scenario, []).append(recording)
        self.recordings.update(fresh)

    def results(self) -> dict[str, CheckResult]:
        """What the last recordings of all scenarios amount to."""
        return Judge(self.checks, dict(self.takes)).results()

    def stop_when_saved(self) -> None:
        """Raises when a file was saved since the last look."""
        if changes.saved(self.state, changes.look(self.options.folder)):
            raise _Saved


_NOT_WELL = frozenset({Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR})


def wait_for_save(folder: Path, before: changes.State) -> changes.State:
    """Wait until files of ``folder`` differ from ``before``, and stay the same for a moment; their state then."""
    while not changes.saved(before, changes.look(folder)):
        time.sleep(LOOK_EVERY)
    return settled(folder)


def settled(folder: Path) -> changes.State:
    """The folder's state once two looks in a row see the same: editors save in several steps."""
    state = changes.look(folder)
    while True:
        time.sleep(LOOK_EVERY)
        state, before = changes.look(folder), state
        if state == before:
            return state


def _say_that_it_waits(console: Console, folder: Path) -> None:
    console.print(f"\nWatching {line(str(folder))}: save a file to grade again, Ctrl-C to end.", markup=False)
