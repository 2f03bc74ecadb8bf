"""How often a worker polls, found out from the wire alone.

A poll is a burst of statements after a pause. Workers with several loops poll more often than the interval,
each loop at its own phase, so that the rhythm is looked for in several ways: over all connections, over
the busiest connection alone, over each kind of statement, and over every k-th burst.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from grader.history.sql import shape
from grader.history.steps import Step
from grader.history.timeline import History

_SAME_BURST, _LONGEST_PAUSE = 0.06, 0.12
"""Seconds between two statements of one poll, at the most, on a quiet machine and on any; less than half the
shortest interval asked for."""

_MOST_LOOPS = 8

_MOST_OF_A_POLL = 20
"""Statements: who sends more with hardly a pause does not poll now and then."""


def latest(interval: float, patience: float) -> float:
    """Seconds after which the next poll has come on such a machine, if the interval is this."""
    return 1.3 * interval + 0.1 * patience


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The times of a loop's polls, in seconds of the run, and how many statements they were made of."""

    times: tuple[float, ...]
    statements: int = 0

    @property
    def gaps(self) -> list[float]:
        """The times between two polls, in seconds, the shortest first."""
        return sorted(b - a for a, b in pairwise(self.times))

    @property
    def interval(self) -> float | None:
        """The median time between two polls, in seconds; None for fewer than three polls."""
        return median(self.gaps) if len(self.gaps) >= 2 else None

    def fits(self, wanted: float, patience: float) -> bool:
        """Whether the polls come at this interval.

        A busy machine makes some polls late, and none early: the usual one must not be early, the quickest quarter
        not late (beyond what the machine needs).
        """
        interval = self.interval
        if interval is None:
            return False
        return interval >= 0.8 * wanted and self.gaps[len(self.gaps) // 4] <= latest(wanted, patience)

    @property
    def words(self) -> str:
        """For people: ``every 0.26 s``."""
        if self.interval is not None:
            return f"every {self.interval:.2g} s"
        return "without a pause" if self.statements > _MOST_OF_A_POLL else "fewer than three times"


def rhythms(history: History, service: str, begins: float, ends: float) -> dict[str, Rhythm]:
    """Every way to look at the polls of a service in an interval, by name: the same ways at every setting."""
    steps = [s for s in history.steps_of(service) if begins <= s.began <= ends and not s.is_setup]
    pause = min(_SAME_BURST * history.patience, _LONGEST_PAUSE)
    everything = _bursts(steps, pause)
    busiest = Counter(s.connection for s in steps).most_common(1)
    alone = _bursts([s for s in steps if busiest and s.connection == busiest[0][0]], pause)
    found = {"all": Rhythm(everything, len(steps)), "one connection": Rhythm(alone)}
    # However long a busy machine takes from one statement of a poll to the next: each kind comes once a poll.
    for text in dict.fromkeys(shape(s.sql) for s in steps):
        found[text] = Rhythm(_bursts([s for s in steps if shape(s.sql) == text], pause))
    return found | {f"every {k}": Rhythm(everything[::k]) for k in range(2, _MOST_LOOPS + 1)}


def _bursts(steps: list[Step], pause: float) -> tuple[float, ...]:
    """When each burst began. A pause is from an answer to the next statement: a slow answer ends no burst."""
    begins = [n == 0 or s.began - (steps[n - 1].ended or steps[n - 1].began) > pause for n, s in enumerate(steps)]
    return tuple(s.began for s, is_first in zip(steps, begins, strict=True) if is_first)
