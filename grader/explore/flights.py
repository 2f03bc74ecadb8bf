"""The statements of a schedule that are under way, and whom each waits for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from grader.explore.actor import Actor
from grader.explore.trace import GRADER, Entry
from grader.explore.undecided import Undecided
from grader.explore.witness import Witness
from grader.lab import Lab
from grader.lab.held import Flight
from grader.postgres import ScenarioDatabase
from grader.wire import WireStep

SLOWEST: Final = 10.0
"""Seconds for one statement that waits for nobody."""

_INTERVAL = 0.003


class HeldRow:
    """The row of a task that the grader may hold."""

    def __init__(self, database: ScenarioDatabase) -> None:
        self._database = database
        self._lock = ExitStack()
        self.is_held = False

    def hold(self, task: str) -> None:
        """Hold the row of a task, in the middle of a schedule."""
        self._lock.enter_context(self._database.hold_row(task))
        self.is_held = True

    def let_go(self) -> None:
        """Let go of the row that is held."""
        self._lock.close()
        self.is_held = False


class Flights:
    """What every worker has under way."""

    def __init__(self, lab: Lab, witness: Witness, actors: Sequence[Actor], row: HeldRow) -> None:
        self._lab = lab
        self._witness = witness
        self._actors = actors
        self._row = row

    def is_over_or_waits(self, actor: Actor, flight: Flight, entry: Entry) -> bool:
        """True when it waits for a lock of somebody who is held; False when it is over."""
        deadline = self._lab.clock.now() + SLOWEST * self._lab.patience
        while not flight.is_over:
            blocker = self._blocker(flight.step)
            # It may have been answered while the database was asked.
            if blocker is not None and not actor.worker.wait_for(flight, 0):
                entry.waits_for = blocker
                return True
            if self._lab.clock.now() > deadline:
                raise Undecided(f"a statement of {actor.worker.name} took longer than {SLOWEST:g} s")
            actor.worker.wait_for(flight, _INTERVAL)
        return False

    def blocked_by_grader(self) -> bool:
        """Whether the step that was granted last waits for the row that the grader holds."""
        actor = next((actor for actor in self._actors if actor.flights), None)
        if actor is None:
            return False
        flight, entry = actor.flights[-1]
        while not flight.is_over:
            if self._blocker(flight.step) == GRADER and not actor.worker.wait_for(flight, 0):
                entry.waits_for = GRADER
                return True
            actor.worker.wait_for(flight, _INTERVAL)
        return False

    def are_of(self, name: str | None) -> bool:
        """Whether a worker has a statement under way."""
        return any(actor.worker.name == name and actor.flights for actor in self._actors)

    def _blocker(self, step: WireStep) -> str | None:
        if step.backend_pid is None:
            return None
        pids = self._lab.database.blocking_pids(step.backend_pid)
        if self._row.is_held and not self._lab.database.own_pids.isdisjoint(pids):
            return GRADER
        return self._witness.name_of(pids)
