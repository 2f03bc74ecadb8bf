"""Which order comes next: a depth-first walk over schedules, those with the fewest preemptions first.

A schedule is the list of who takes the next step. Where several may, every choice but the one that was taken is
kept for later, by the number of preemptions that it costs: a preemption is a switch away from somebody who could
have gone on (iterative context bounding: Musuvathi and Qadeer, PLDI 2007). All schedules with none come first,
then those with one, and so on; so that what is found is found with the fewest. Pure: the world is told and asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

Schedule = tuple[str, ...]
"""Who takes each step: ``A``, ``B``; ``A2`` is the second connection of A that has something to send."""


WORKERS = frozenset("AB")
"""The workers that are alike, by their letters."""


class World(Protocol):
    """Whatever takes steps."""

    def moves(self) -> Sequence[str]:
        """Who may take the next step, always in the same order; empty when it is over. No name comes twice."""

    def take(self, move: str) -> None:
        """Let one of ``moves()`` take its step."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A schedule from its beginning to its end."""

    schedule: Schedule
    preemptions: int
    followed: bool
    """Whether it could be walked as it was asked for: False when a choice was not there this time."""


@dataclass(slots=True)
class Frontier:
    """The schedules that are still to be walked, each told by its beginning.

    ``bound`` is the most preemptions that a schedule may have (None: any number); ``left_out`` counts the choices
    that it forbids. With ``symmetric``, workers are the same program in the same state at the beginning, and only one
    of them may take the first step: every other schedule is one of these with the names exchanged.
    """

    bound: int | None = None
    symmetric: bool = True
    left_out: int = 0
    _waiting: dict[int, list[Schedule]] = field(default_factory=lambda: {0: [()]})

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def level(self) -> int | None:
        """The fewest preemptions among what waits; None when nothing does."""
        return min((cost for cost, waiting in self._waiting.items() if waiting), default=None)

    def pop(self) -> Schedule | None:
        """The beginning of the next schedule; None when all were walked."""
        level = self.level
        return None if level is None else self._waiting[level].pop()

    def add(self, beginning: Schedule, preemptions: int) -> None:
        """Keep a choice for later, or count it as left out."""
        if self.bound is not None and preemptions > self.bound:
            self.left_out += 1
        else:
            self._waiting.setdefault(preemptions, []).append(beginning)


def walk(world: World, beginning: Schedule, frontier: Frontier | None = None) -> Walked:
    """Walk one schedule: the choices of ``beginning``, then as long as can be without a preemption.

    The choices that were not taken after the beginning go to the frontier, if there is one and the beginning could be
    followed: else they would be choices of another schedule than the one that was asked for.
    """
    schedule: list[str] = []
    branches: list[tuple[Schedule, int]] = []
    preemptions = 0
    followed = True
    last: str | None = None
    while moves := world.moves():
        usual = _usual(last, moves)
        chosen = usual
        if len(schedule) < len(beginning):
            if beginning[len(schedule)] in moves:
                chosen = beginning[len(schedule)]
            else:
                followed = False
        elif frontier is not None:
            # The last one kept is the first one walked: the farthest ahead in the order of moves.
            for other in moves:
                is_mirrored = frontier.symmetric and not schedule and {usual[0], other[0]} == WORKERS
                if other != usual and not is_mirrored:
                    branches.append(((*schedule, other), preemptions + _cost(last, other, moves)))
        preemptions += _cost(last, chosen, moves)
        world.take(chosen)
        schedule.append(chosen)
        last = chosen
    followed = followed and len(schedule) >= len(beginning)
    if frontier is not None and followed:
        for branch, cost in branches:
            frontier.add(branch, cost)
    return Walked(tuple(schedule), preemptions, followed)


def _usual(last: str | None, moves: Sequence[str]) -> str:
    """Who goes on when nobody interferes: the same connection, else the same worker, else the first."""
    if last is None or last in moves:
        return last or moves[0]
    return next((move for move in moves if move[0] == last[0]), moves[0])


def _cost(last: str | None, chosen: str, moves: Sequence[str]) -> int:
    return int(last is not None and chosen != last and last in moves)


def switches(schedule: Schedule) -> int:
    """How often somebody else goes on, whether the one before could have or not."""
    return sum(1 for before, after in itertools.pairwise(schedule) if before != after)
