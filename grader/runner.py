"""Scenarios side by side, each in a database of its own, judged as soon as they are over."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from grader.calibration import StallWatch, measure_patience
from grader.checkpoints import scenarios_of
from grader.declare import Check, Scenario
from grader.errors import BadSubmission, GraderError
from grader.history.events import LimitHit, Refused
from grader.history.recorder import Clock, Recorder
from grader.history.timeline import History
from grader.judging import SLOWER, Judge, Take
from grader.lab import Cancelled, GaveUp, Lab, Surroundings
from grader.model import CheckResult, Verdict
from grader.postgres import Databases
from grader.saved import Recording
from grader.snapshot import Snapshot


class Progress(Protocol):
    """Who wants to know how a run gets on. Called from several threads."""

    def scenario_started(self, name: str, sentence: str) -> None:
        """A scenario begins."""

    def scenario_ended(self, name: str) -> None:
        """It is over, and recorded."""

    def verdict(self, result: CheckResult) -> None:
        """A check has its verdict; a later one for the same check replaces it."""


MOST_TAKES = 2
"""So often a scenario is run, at most."""

LOOK_EVERY = 0.3
"""Seconds at most between two calls of a runner's ``look``."""


@dataclass(slots=True)
class Runner:
    """Runs what a selection of checks needs, and judges it.

    ``look`` is called now and then while scenarios run, in the caller's thread; what it raises ends the run.
    """

    checks: Sequence[Check]
    around: Surroundings
    databases: Databases
    clock: Clock
    stalls: StallWatch
    seed: int
    jobs: int
    progress: Progress
    measure_patience: Callable[[], float] = measure_patience
    look: Callable[[], None] = lambda: None
    recordings: list[Recording] = field(default_factory=list)
    _files: Snapshot | None = None
    """What the submission consisted of when the run began."""
    _moot: dict[str, threading.Event] = field(default_factory=dict)
    _driven: Counter[str] = field(default_factory=Counter)
    """How often each scenario was begun."""
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> dict[str, CheckResult]:
        """Run every scenario once, those of inconclusive checks once more, and return the results by check id.

        Where a load has come since the start, those of failed checks are run once more as well. An exception of the
        caller's thread (Ctrl-C) ends all scenarios before it goes on.
        """
        judge = Judge(self.checks)
        self._files = Snapshot(self.around.submission.folder)
        self._run_all(_longest_first(scenarios_of(self.checks)), judge)
        doubtful = {Verdict.INCONCLUSIVE, Verdict.FAIL}
        if any(result.verdict in doubtful for result in judge.results().values()):
            # A load that came since the start may be why: this time the machine is taken as it is now.
            patience = max(self.around.patience, self.measure_patience())
            if patience < SLOWER * self.around.patience:
                doubtful = {Verdict.INCONCLUSIVE}
            # What builds on a check that comes out well the second time is judged only then, and may be doubtful too.
            while again := self._wanted_again(judge, doubtful):
                self.around = replace(self.around, patience=patience)
                self._run_all(again, judge)
        return judge.results()

    @property
    def takes(self) -> dict[str, list[Take]]:
        """What was recorded, by scenario, as it is judged."""
        found: dict[str, list[Take]] = {}
        for recording in self.recordings:
            found.setdefault(recording.scenario, []).append(self._take(recording))
        return found

    def _take(self, recording: Recording) -> Take:
        history = History(recording.events, recording.patience)
        return Take.recorded(history, recording.seconds, recording.error)

    def _wanted_again(self, judge: Judge, doubtful: Collection[Verdict]) -> list[Scenario]:
        """The scenarios of doubtful checks, and those that were left out and are of use after all; each twice at most."""
        results = judge.results()
        unclear = scenarios_of([c for c in self.checks if c.id in results and results[c.id].verdict in doubtful])
        return [
            scenario
            for scenario in scenarios_of(self.checks)
            if self._driven[scenario.name] < MOST_TAKES
            and (scenario in unclear or self._is_missing(judge, scenario))
        ]

    def _run_all(self, scenarios: Sequence[Scenario], judge: Judge) -> None:
        waiting = list(scenarios)
        running: dict[Future[Recording], Scenario] = {}
        told: dict[str, CheckResult] = dict(judge.results())
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="scenario") as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < self.jobs:
                        scenario = waiting.pop(0)
                        if not self._is_moot(judge, scenario):
                            self._moot[scenario.name] = threading.Event()
                            self._driven[scenario.name] += 1
                            running[pool.submit(self._record, scenario)] = scenario
                    done, _ = wait(running, LOOK_EVERY, return_when=FIRST_COMPLETED)
                    self.look()
                    for future in done:
                        self._take_in(future.result(), judge)
                        del running[future]
                    self._tell(judge, told)
                    for scenario in running.values():
                        if self._is_moot(judge, scenario):
                            self._moot[scenario.name].set()
            except BaseException:
                self._ending.set()
                raise

    def _is_missing(self, judge: Judge, scenario: Scenario) -> bool:
        return scenario.name not in judge.takes and not self._is_moot(judge, scenario)

    def _take_in(self, recording: Recording, judge: Judge) -> None:
        if self._moot[recording.scenario].is_set():
            return  # it was cut short, and says nothing
        self.recordings.append(recording)
        judge.add(recording.scenario, self._take(recording))

    def _tell(self, judge: Judge, told: dict[str, CheckResult]) -> None:
        for name, result in judge.results().items():
            if told.get(name) != result:
                told[name] = result
                self.progress.verdict(result)

    def _is_moot(self, judge: Judge, scenario: Scenario) -> bool:
        """Whether no check could use this scenario any more, since one that it builds on has failed."""
        results = judge.results()
        users = [check for check in self.checks if scenario in check.on]
        return all(
            (result := results.get(check.id)) is not None and result.verdict is Verdict.SKIPPED for check in users
        )

    def _record(self, scenario: Scenario) -> Recording:
        self.progress.scenario_started(scenario.name, scenario.sentence)
        recorder = Recorder(self.clock, self.databases.service_password)
        stop_listening = self.stalls.listen(recorder)
        start = self.clock.now()
        error = None
        try:
            self._drive(scenario, recorder)
        except GraderError as problem:
            error = str(problem)
        except Exception as problem:  # a bug in a scenario must never become a student's failure
            error = f"{scenario.name}: {type(problem).__name__}: {problem}"
        finally:
            stop_listening()
        if error is None and self._files is not None and (gone := self._files.missing()) is not None:
            error = f"{gone} of the submission was gone while it was graded; put it back, and grade again"
        seconds = round(self.clock.now() - start, 3)
        self.progress.scenario_ended(scenario.name)
        return Recording(scenario.name, recorder.events(), seconds, error, self.around.patience)

    def _drive(self, scenario: Scenario, recorder: Recorder) -> None:
        moot = self._moot[scenario.name]
        limits = self.around.services.isolation.limits
        longest = math.inf if self.around.deep else limits.scenario * self.around.patience
        bound = Deadline(longest, limits.run, self.clock.now())

        def is_cancelled() -> bool:
            if (words := bound.passed(self.clock.now())) is not None:
                recorder.record(LimitHit(at=self.clock.now(), service="scenario", limit=words))
            return bound.is_over or self._ending.is_set() or moot.is_set()

        around = replace(self.around, is_cancelled=is_cancelled)
        with closing(self.databases.create(scenario.name)) as database:
            seed = f"{self.seed}/{scenario.name}"
            try:
                with Lab(around, database, recorder, seed, scenario.timeout) as lab:
                    scenario.drive(lab)
            except (GaveUp, Cancelled):
                pass  # what did not come is in the record
            except BadSubmission as problem:
                recorder.record(Refused(at=self.clock.now(), why=str(problem)))


@dataclass(slots=True)
class Deadline:
    """When a scenario that began at a moment of the run has to be over. Its clock began with the run."""

    longest: float
    run: float | None
    began: float
    is_over: bool = False

    def passed(self, now: float) -> str | None:
        """In words which bound is passed now, told once."""
        if self.is_over:
            return None
        if now - self.began > self.longest:
            self.is_over = True
            return f"time: a scenario may take {self.longest:.4g} s on this machine"
        if self.run is not None and now > self.run:
            self.is_over = True
            return f"time: the whole run may take {self.run:.4g} s"
        return None


def _longest_first(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The longest first, so that none of them is left over at the end."""
    return sorted(scenarios, key=lambda scenario: -scenario.seconds)
