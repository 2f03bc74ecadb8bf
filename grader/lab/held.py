"""A worker-service behind a closed gate: it takes a step when it is told to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from grader.history.events import StepEnded
from grader.services import ServiceProcess
from grader.wire import Bell, Relay, Wire, WireStep
from grader.wire.connection import ConnectionView
from grader.wire.gate import Granted

QUICK = 0.002
"""Seconds in which a statement that has to wait for nobody is usually answered."""

OTHERS_WAIT = 0.05
"""Seconds within which the one that was just answered sends something, if other connections have something to send."""

LATE = 5.0
"""Seconds within which a worker that has nothing else to send comes back after an answer."""

START = 15.0
"""Seconds within which a worker that was just started comes to its database."""

_MOST_STEPS_LEFT = 200
_LOOK_AGAIN = 0.02
_HOP = 30.0


@dataclass(slots=True, eq=False)
class Flight:
    """A step that was granted. ``granted`` is done when its answer is complete."""

    step: WireStep
    granted: Granted

    @property
    def is_over(self) -> bool:
        """Whether its answer is complete, or its connection gone."""
        return self.granted.done()

    @property
    def answer(self) -> StepEnded | None:
        """What the server said; None when the connection ended first."""
        return self.granted.result()


class StepGone(Exception):
    """A step that was held is not there any more: its connection ended."""


class HeldWorker:
    """One instance. For one thread."""

    def __init__(self, name: str, process: ServiceProcess, relay: Relay, wire: Wire, patience: float) -> None:
        self.name = name
        self.process = process
        self.relay = relay
        self._wire = wire
        self._gate = relay.gate
        self._patience = patience
        self._held: tuple[WireStep, ...] = ()
        self._has_come = False
        self.back_within = LATE
        """Seconds (times patience) that are waited for its next statement after an answer."""

    @property
    def is_alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.status is None

    @property
    def held(self) -> tuple[WireStep, ...]:
        """The steps that wait at the gate, as of the last look, in the order in which connections were opened."""
        return self._held

    def arrive(self, seconds: float | None = None) -> bool:
        """Wait until a step waits at the gate; False when the process ended, or none did in time.

        Without ``seconds`` its first step has as much time as a start may take.
        """
        usual = LATE if self._has_come else START
        limit = (usual if seconds is None else seconds) * self._patience
        self._held = self._wire.run(self._arrived((), limit), limit + _HOP)
        self._has_come = self._has_come or bool(self._held)
        return bool(self._held)

    def look(self) -> None:
        """See what waits at the gate now."""
        self._held = self._wire.call(self._sorted)

    def connects(self, seconds: float = START) -> bool:
        """Wait until it has tried to connect; False when it ended, or did not in time."""
        limit = seconds * self._patience
        return self._wire.run(self._connected(limit), limit + _HOP) and self.relay.arrivals > 0

    def reacts(self, seconds: float) -> bool:
        """Give it the time to do something about a signal while it waits for an answer: to end, or to hang up."""
        limit = seconds * self._patience
        return self._wire.run(self._hung_up(limit), limit + _HOP)

    def grant(self, step: WireStep, *, withhold: bool = False, alone: bool = True) -> Flight:
        """Let a step go; return when it is answered and the next one has arrived, or soon if it has to wait.

        ``alone``: nothing else of this worker's is under way, so that it has to come back. Raises StepGone.
        """
        known = tuple(other for other in self._held if other is not step)
        limit = OTHERS_WAIT if known or not alone else self.back_within
        flight, self._held = self._wire.run(
            self._granted(step, known, withhold, limit * self._patience), limit * self._patience + _HOP
        )
        return flight

    def wait_for(self, flight: Flight, seconds: float) -> bool:
        """Wait until a granted step is over; whether it is."""
        return self._wire.run(
            _until(self._gate.bell, lambda: flight.is_over, seconds * self._patience),
            seconds * self._patience + _HOP,
        )

    def come_back(self, *, alone: bool = True) -> None:
        """After a step that had to wait is over: wait until the next one has arrived."""
        known = self._held
        limit = (OTHERS_WAIT if known or not alone else self.back_within) * self._patience
        self._held = self._wire.run(self._arrived(known, limit), limit + _HOP)

    def open(self) -> None:
        """Let everything pass from now on."""
        self._wire.call(self._gate.open)

    def close(self) -> None:
        """From now on hold every step again."""
        self._wire.call(self._gate.close)

    def hold_again(self, quiet_since: float) -> bool:
        """Close the gate again, and let it finish the transactions that it is in; whether it did.

        Closing alone is not enough: a statement that is under way at that moment may still find something. A
        transaction in which nothing has happened from ``quiet_since`` on, while it looked for tasks, was left open
        beside its work: its end is not waited for.
        """
        self.close()
        for _ in range(_MOST_STEPS_LEFT):
            if not any(_is_busy(view, quiet_since) for view in self.relay.connections()):
                return True
            self.arrive(QUICK)
            for step in self._held:
                if step.transaction != "I":
                    self.grant(step)
        return False

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process that the command started; False when it is gone."""
        return self.process.signal(number)

    def end(self) -> None:
        """End the process and its connections."""
        self.process.end()
        self.relay.close()

    # ------------------------------------------------------------ on the loop

    def _sorted(self) -> tuple[WireStep, ...]:
        return tuple(sorted(self._gate.held, key=lambda step: step.connection))

    async def _connected(self, limit: float) -> bool:
        return await _until(self._gate.bell, lambda: self.relay.arrivals > 0 or not self.is_alive, limit)

    async def _hung_up(self, limit: float) -> bool:
        before = len(self._gate.held)
        return await _until(self._gate.bell, lambda: len(self._gate.held) < before or not self.is_alive, limit)

    async def _granted(
        self, step: WireStep, known: tuple[WireStep, ...], withhold: bool, limit: float
    ) -> tuple[Flight, tuple[WireStep, ...]]:
        if not any(step is held for held in self._gate.held):
            raise StepGone
        flight = Flight(step, self._gate.grant(step, withhold=withhold))
        await _until(self._gate.bell, lambda: flight.is_over, QUICK * self._patience)
        if not flight.is_over or withhold:
            return flight, self._sorted()
        return flight, await self._arrived(known, limit)

    async def _arrived(self, known: tuple[WireStep, ...], limit: float) -> tuple[WireStep, ...]:
        def is_there() -> bool:
            return any(not any(step is old for old in known) for step in self._gate.held)

        await _until(self._gate.bell, lambda: is_there() or not self.is_alive, limit)
        return self._sorted()


def _is_busy(view: ConnectionView, quiet_since: float) -> bool:
    if view.idle_since is not None and view.idle_since < quiet_since:
        return False
    return view.transaction != "I" or view.under_way is not None


async def _until(bell: Bell, holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds, looking whenever the bell rings, and now and then."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not holds():
        left = end - loop.time()
        if left <= 0:
            return False
        try:
            async with asyncio.timeout(min(left, _LOOK_AGAIN)):
                await bell.wait()
        except TimeoutError:
            continue
    return True
