"""The grader's two ways of finding races, run once each: its explorer, and the lab's own stress test.

Both are the scenarios that ``make grade`` runs. The clock starts just before their first worker does, and stops when
the scenario is over: neither the server's start counts nor the making of databases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from grader.checkpoints.races import two_workers
from grader.checkpoints.schedules import holds_in_every_order
from grader.commands.stage import Stage
from grader.declare import Scenario
from grader.explore import broken_rule
from grader.history.recorder import Recorder
from grader.history.timeline import History
from grader.judgement import NotObserved
from grader.lab import GaveUp, Lab
from grader.model import Verdict

Answer = Literal["broken", "holds", "none"]
T = TypeVar("T")

QUIET: Final = 3.0
"""Seconds (times patience) without any change, after which a task that is not done will not be done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run said of a design: ``broken``, ``holds`` (nothing was found), or ``none``: it came to no verdict.

    ``note`` says which rule broke, or why there is no verdict.
    """

    answer: Answer
    seconds: float
    note: str = ""


class Stopwatch:
    """Adds up the seconds of some pieces of work."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time(self, work: Callable[[], T]) -> T:
        """Do it, and count its seconds, also when it raises."""
        start = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - start


@contextmanager
def lab_of(stage: Stage, name: str, timeout: float, recorder: Recorder | None = None) -> Iterator[Lab]:
    """A lab in a database of its own. ``timeout``: of a wait, in seconds (times patience)."""
    with closing(stage.databases.create(name)) as database:
        with Lab(stage.around, database, recorder or Recorder(stage.clock), name, timeout) as lab:
            yield lab


def explorer(stage: Stage) -> Outcome:
    """The scenarios of the check 3b.interleavings one after the other, up to a counterexample, judged by the check."""
    watch = Stopwatch()
    histories: list[History] = []
    for scenario in holds_in_every_order.on:
        histories.append(_driven(stage, scenario, watch))
        if histories[-1].moment("counterexample") is not None:
            break
    left = len(holds_in_every_order.on) - len(histories)
    try:
        judged = holds_in_every_order.judge(*histories, *(History([]) for _ in range(left)))
    except NotObserved as reason:
        return Outcome("none", watch.seconds, str(reason))
    if judged.verdict is Verdict.PASS:
        return Outcome("holds", watch.seconds)
    return Outcome("broken", watch.seconds, judged.observed or "")


def stress(stage: Stage) -> Outcome:
    """Two workers, twenty tasks at once, nobody is held: whether a rule broke by itself."""
    watch = Stopwatch()
    history = _driven(stage, two_workers, watch)
    inserted = history.moment("twenty-tasks")
    if inserted is None:
        return Outcome("none", watch.seconds, "the workers did not come to their first polls")
    broken = broken_rule(history, inserted.detail["tasks"])
    if broken is None:
        return Outcome("holds", watch.seconds)
    if broken.rule == "not-completed" and _was_cut_short(history):
        return Outcome("none", watch.seconds, "the time was over while the workers were at work")
    return Outcome("broken", watch.seconds, broken.sentence)


def _was_cut_short(history: History) -> bool:
    """Whether the scenario stopped waiting for tasks that were still being done, on a machine that was too slow."""
    changes = [c.at for story in history.stories.values() for c in story.changes if c.service is not None]
    return (
        history.gave_up is not None and history.gave_up.at - max(changes, default=0.0) < QUIET * history.patience
    )


def _driven(stage: Stage, scenario: Scenario, watch: Stopwatch) -> History:
    recorder = Recorder(stage.clock)
    with lab_of(stage, scenario.name, scenario.timeout, recorder) as lab, suppress(GaveUp):
        watch.time(lambda: scenario.drive(lab))
    return History(recorder.events(), stage.around.patience)
