"""A time axis on which busy moments are drawn wider: a few milliseconds of statements stay readable beside seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

SHARE = 0.5
"""The part of the width that goes to what happened, the rest goes to time."""

LEFT, RIGHT = 0.6, 92.0
"""Per cent of the width that the axis takes; the rest is for words behind the last mark."""

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0)
_MOST_TICKS = 9
_TICKS_APART = 7.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps seconds to per cent of the width: never back, and with room between any two of ``stops``."""

    start: float
    end: float
    stops: tuple[float, ...]

    @classmethod
    def over(cls, start: float, end: float, stops: Iterable[float]) -> Scale:
        """The scale from ``start`` to ``end`` (seconds), with room for each of ``stops``."""
        inside = sorted({round(min(max(stop, start), end), 4) for stop in stops})
        return cls(start, max(end, start + 0.001), tuple(inside))

    def at(self, seconds: float) -> float:
        """Per cent of the width; what lies outside goes to the nearer end."""
        seconds = min(max(seconds, self.start), self.end)
        linear = (seconds - self.start) / (self.end - self.start)
        share = SHARE if len(self.stops) > 1 else 0.0
        return LEFT + (RIGHT - LEFT) * ((1 - share) * linear + share * self._rank(seconds))

    def _rank(self, seconds: float) -> float:
        """How many of the stops are before this moment, as a part of all; between two of them in proportion."""
        fences = [self.start, *self.stops, self.end]
        index = min(bisect_right(fences, seconds), len(fences) - 1)
        low, high = fences[index - 1], fences[index]
        within = (seconds - low) / (high - low) if high > low else 1.0
        return min(1.0, (index - 1 + within) / (len(fences) - 1))

    def ticks(self) -> tuple[float, ...]:
        """Round times for the axis, in seconds, with room for their words."""
        length = self.end - self.start
        step = next((s for s in _STEPS if length / s <= _MOST_TICKS), _STEPS[-1])
        first = int(self.start / step) + 1
        found: list[float] = []
        for number in range(first, int(self.end / step) + 1):
            at = round(number * step, 3)
            if not found or self.at(at) - self.at(found[-1]) >= _TICKS_APART:
                found.append(at)
        return tuple(found)


def near(times: tuple[float, ...], at: float, tolerance: float = 2e-6) -> bool:
    """Whether one of the sorted ``times`` is this moment."""
    index = bisect_left(times, at - tolerance)
    return index < len(times) and times[index] <= at + tolerance
