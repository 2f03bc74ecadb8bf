"""One worker in a schedule, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.explore.rounds import Rounds, Talk
from grader.explore.trace import Entry
from grader.lab import HeldWorker
from grader.lab.held import Flight
from grader.wire import WireStep


@dataclass(slots=True)
class Actor:
    """``letter`` is its name in schedules; ``flights`` are the steps that are under way."""

    letter: str
    worker: HeldWorker
    rounds: Rounds = field(default_factory=Rounds)
    talks: dict[int, Talk] = field(default_factory=dict)
    flights: list[tuple[Flight, Entry]] = field(default_factory=list)
    home: tuple[str, ...] | None = None
    """Where it was when it fell asleep for the first time."""

    @property
    def place(self) -> tuple[str, ...]:
        """Where in its loop it is: the statement that it sent last, and those that it is about to send."""
        return (self.rounds.previous, *(step.sql for step in self.worker.held))

    def talk(self, step: WireStep) -> Talk:
        """The conversation that a step belongs to."""
        return self.talks.setdefault(step.connection, Talk())

    def ready(self, *, has_task: bool) -> list[tuple[str, WireStep]]:
        """The steps that it may take, by the names that they have in schedules: ``A``, ``A2`` …"""
        in_flight = {flight.step.connection for flight, _ in self.flights}
        held = [step for step in self.worker.held if step.connection not in in_flight]
        named = [(self.letter + (str(i + 1) if i else ""), step) for i, step in enumerate(held)]
        return [
            (name, step)
            for name, step in named
            if not self.rounds.sleeps_at(step, self.talk(step), has_task=has_task)
        ]
