"""What happened in one schedule, in the order in which it happened, for judging and for showing."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.history.events import StepEnded
from grader.wire import WireStep

GRADER = "grader"
"""The lane of what the grader does itself."""


@dataclass(slots=True, eq=False)
class Entry:
    """A step from its grant to its answer, or (``step`` None) something that the grader did, told by ``text``.

    ``number`` is its place in the schedule, from 1; 0: it had none of its own. Times are of the run.
    """

    lane: str
    text: str
    began: float
    step: WireStep | None = None
    number: int = 0
    ended: float | None = None
    answer: StepEnded | None = None
    waits_for: str | None = None
    withheld: bool = False
    """The worker was not told the answer."""

    @property
    def backend_pid(self) -> int | None:
        """The server process that did it."""
        return self.step.backend_pid if self.step else None


@dataclass(frozen=True, slots=True)
class Line:
    """The beginning of an entry (its whole, if it had to wait for nobody), or the end of one that had to wait."""

    entry: Entry
    is_end: bool = False


@dataclass(slots=True)
class Trace:
    """One schedule as it came about."""

    lines: list[Line] = field(default_factory=list)

    def begin(self, entry: Entry) -> None:
        """A step was granted."""
        self.lines.append(Line(entry))

    def end(self, entry: Entry, answer: StepEnded | None, at: float) -> None:
        """Its answer is complete, or its connection gone."""
        entry.answer, entry.ended = answer, at
        if entry.waits_for is not None:
            self.lines.append(Line(entry, is_end=True))

    def does(self, text: str, at: float) -> None:
        """The grader did something."""
        self.lines.append(Line(Entry(GRADER, text, at, ended=at)))
