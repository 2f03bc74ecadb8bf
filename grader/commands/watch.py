"""``grader watch FOLDER``: grade, and grade again what a saved file can have changed.

After a save, the checks that failed and that the file can have changed are run first, alone: they answer in seconds.
When none of them fails any more, the others that it can have changed follow, and those that were never judged because
they build on one that failed. What is saved meanwhile ends what is under way, and it begins anew.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from grader.calibration import StallWatch
from grader.checkpoints import all_checks, select
from grader.commands import changes
from grader.commands.grade import cleared, default_jobs, describe
from grader.commands.reporting import keep, publish, refusal
from grader.commands.stage import ServerChoice, Stage, stage
from grader.declare import Check
from grader.errors import CannotGrade
from grader.history.recorder import Clock
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from grader.report import LiveProgress, line
from grader.runner import Runner
from grader.saved import Recording
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

    def look(self) -> changes.State:
        """The submission's files now; what is reported of it is none of them."""
        return changes.look(self.folder, self.output)


class _Saved(Exception):
    """Something was saved while scenarios ran."""


def watch(options: Options, console: Console) -> int:
    """Grade at each save, until a signal raises Ended. Raises CannotGrade for a folder that cannot be watched."""
    load_submission(options.folder)
    checks = select(all_checks(), part=options.part)
    state = options.look()
    while True:
        try:
            with _set_up(options, checks, console, state) as watched:
                state = watched.until_set_up_anew()
        except CannotGrade as problem:
            console.print(refusal(problem), markup=False)
            _say_that_it_waits(console, options.folder)
            if (options.output / "build.log").exists():
                state = options.look()  # what a build made before it failed is no save
            state = wait_for_save(options.look, state)


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
        if submission.build is not None:
            state = options.look()  # what it made is no save
        yield _Watched(options, submission, checks, console, there, stalls, state)


@dataclass(slots=True)
class _Watched:
    """A submission whose server and databases are there, and what is known of it by now.

    ``stale`` are the scenarios whose last recording is of before a save that can have changed it.
    """

    options: Options
    submission: Submission
    checks: Sequence[Check]
    console: Console
    there: Stage
    stalls: StallWatch
    state: changes.State
    recordings: dict[str, list[Recording]] = field(default_factory=dict)
    takes: dict[str, list[Take]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)

    def until_set_up_anew(self) -> changes.State:
        """Grade at each save; returns, with the folder's state, when the manifest or a migration was saved."""
        while True:
            try:
                if self.is_built():
                    self.grade()
                _say_that_it_waits(self.console, self.options.folder)
                now = wait_for_save(self.options.look, self.state)
            except _Saved:
                now = settled(self.options.look)
            what = changes.reach(self.submission, changes.saved(self.state, now))
            self.state = now
            if what.setup:
                return now
            touched = changes.affected(self.checks, self.takes, what)
            self.stale |= {scenario.name for check in touched for scenario in check.on}

    def is_built(self) -> bool:
        """Build anew where the submission has a build; whether it can be run now."""
        if self.submission.build is None or not self.recordings:
            return True
        try:
            build(self.submission, self.options.output / "build.log")
        except CannotGrade as problem:
            self.console.print(refusal(problem), markup=False)
            return False
        finally:
            self.state = self.options.look()  # what it made is no save
        return True

    def grade(self) -> None:
        """Run what is due: what failed first, the rest when nothing of that fails any more."""
        known = self.results()
        first = [c for c in self.due() if c.id in known and known[c.id].verdict in _NOT_WELL]
        if first:
            known = self.run(first)
            if any(known[check.id].verdict in _NOT_WELL for check in first):
                return
        # What is skipped builds on a check that failed and that the save did not touch: nothing new there.
        skipped = {name for name, result in known.items() if result.verdict is Verdict.SKIPPED}
        if rest := [check for check in self.due() if check.id not in skipped]:
            self.run(rest)

    def due(self) -> list[Check]:
        """The checks of which some scenario is stale, or was not run yet."""
        return [c for c in self.checks if any(s.name in self.stale or s.name not in self.takes for s in c.on)]

    def run(self, checks: Sequence[Check]) -> dict[str, CheckResult]:
        """Run some checks, and report all that is known."""
        started, begin = datetime.now(UTC), self.there.clock.now()
        progress = LiveProgress(self.console)
        runner = Runner(
            checks=checks,
            around=self.there.around,
            databases=self.there.databases,
            clock=self.there.clock,
            stalls=self.stalls,
            seed=secrets.randbelow(10**6),
            jobs=self.options.jobs or default_jobs(),
            progress=progress,
            look=self.stop_when_saved,
        )
        try:
            progress.begin([(check.id, check.sentence) for check in checks])
            runner.run()
        finally:
            progress.end()
        self.learn(runner)
        results = self.results()
        shown = [check for check in self.checks if check.id in results]
        seconds = self.there.clock.now() - begin
        source = str(self.options.folder)
        run = describe(self.submission, source, self.there, runner, shown, started, seconds)
        if old := [c for c in shown if c in self.due() and results[c.id].verdict is not Verdict.SKIPPED]:
            note = f"{len(old)} of the checks stand as they did before the last save."
            run = replace(run, notes=(*run.notes, note))
        output = self.options.output
        problems = keep(run, [r for group in self.recordings.values() for r in group], output)
        saved = None if problems else output
        publish(run, shown, results, self.takes, output, self.console, saved=saved, problems=problems)
        return results

    def learn(self, runner: Runner) -> None:
        """What was recorded anew takes the place of what was recorded before."""
        self.takes.update(runner.takes)
        fresh: dict[str, list[Recording]] = {}
        for recording in runner.recordings:
            fresh.setdefault(recording.scenario, []).append(recording)
        self.recordings.update(fresh)
        self.stale -= fresh.keys()

    def results(self) -> dict[str, CheckResult]:
        """What the last recordings of all scenarios amount to."""
        return Judge(self.checks, dict(self.takes)).results()

    def stop_when_saved(self) -> None:
        """Raises when a file was saved since the last look."""
        if changes.saved(self.state, self.options.look()):
            raise _Saved


_NOT_WELL = frozenset({Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR})


def wait_for_save(look: Callable[[], changes.State], before: changes.State) -> changes.State:
    """Wait until the files differ from ``before``, and stay the same for a moment; their state then."""
    while not changes.saved(before, look()):
        time.sleep(LOOK_EVERY)
    return settled(look)


def settled(look: Callable[[], changes.State]) -> changes.State:
    """The files' state once two looks in a row see the same: editors save in several steps."""
    state = look()
    while True:
        time.sleep(LOOK_EVERY)
        state, before = look(), state
        if state == before:
            return state


def _say_that_it_waits(console: Console, folder: Path) -> None:
    console.print(f"\nWatching {line(str(folder))}: save a file to grade again, Ctrl-C to end.", markup=False)
