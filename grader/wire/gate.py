"""Who may pass: steps of a relay's connections are held before the server sees them, or their answers withheld.

Everything here runs on the wire's event loop, except what ``Hold`` offers to threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from grader.errors import Internal
from grader.history.events import StepEnded
from grader.wire.steps import WireStep

Where = Literal["before", "answer"]
"""Hold a step before the server sees it, or withhold the answer after the server did it."""

Predicate = Callable[[WireStep], bool]
Granted = asyncio.Future[StepEnded | None]
"""The answer of a granted step, once it is complete; None when the connection ended first."""


class Bell:
    """Wakes whoever waits for something to change at a gate. Several gates may share one."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait(self) -> None:
        """Return at the next ring. Look at the state first: there is no way to miss a ring in between."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class Line(Protocol):
    """What the gate asks of a connection."""

    def pass_on(self, *, withhold: bool) -> None:
        """Send the step that is held to the server."""

    def give_answer(self) -> None:
        """Send the answer that is withheld to the client."""

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        """Close one side or both, now."""


@dataclass(slots=True)
class _Place:
    """What is known of one connection at the gate."""

    line: Line
    held: WireStep | None = None
    hold: Hold | None = None
    """Whose it is; None: held by the closed gate, or granted by hand."""
    granted: list[Granted] = field(default_factory=list)

    def let_go(self) -> None:
        if self.hold is not None and self.held is not None:
            self.hold._drop(self.held)
        self.held, self.hold = None, None


class Gate:
    """One relay's gate: open, with any number of holds, or closed, where every step waits to be granted."""

    def __init__(self, bell: Bell | None = None) -> None:
        self.bell = bell or Bell()
        self.is_closed = False
        self._holds: list[Hold] = []
        self._places: dict[int, _Place] = {}

    # ------------------------------------------------------------ for the explorer

    def close(self) -> None:
        """From now on every step of every connection is held until it is granted."""
        self.is_closed = True

    def open(self) -> None:
        """Let everything pass again; what the closed gate holds, withheld answers included, goes on."""
        self.is_closed = False
        for step in self.held:
            if self._places[step.connection].hold is None:
                self.release(step)

    @property
    def held(self) -> tuple[WireStep, ...]:
        """What is held, by whatever holds it."""
        return tuple(place.held for place in self._places.values() if place.held is not None)

    def grant(self, step: WireStep, *, withhold: bool = False) -> Granted:
        """Pass a held step on to the server; the future is done when its answer is complete.

        By then a Sync behind it that is no step of its own is answered too, if the client has sent it along.
        With ``withhold`` the answer is kept from the client until ``release``.
        """
        place = self._place(step)
        if step.answer is not None:
            raise Internal(f"step {step.step} of connection {step.connection} is done; release its answer")
        granted: Granted = asyncio.get_running_loop().create_future()
        place.granted.append(granted)
        place.let_go()
        place.line.pass_on(withhold=withhold)
        return granted

    def release(self, step: WireStep) -> None:
        """Let a held step go on to the server, or a withheld answer to the client."""
        place = self._place(step)
        place.let_go()
        if step.answer is None:
            place.line.pass_on(withhold=False)
        else:
            place.line.give_answer()

    def cut(self, step: WireStep, *, client: bool = True, server: bool = True) -> None:
        """Instead of release: close the connection, or one side of it; the other end is not told."""
        self._place(step).line.cut(client=client, server=server)

    def _place(self, step: WireStep) -> _Place:
        place = self._places.get(step.connection)
        if place is None or place.held is not step:
            raise Internal(f"step {step.step} of connection {step.connection} is not held at the gate")
        return place

    # ------------------------------------------------------------ for scenarios

    def arm(self, hold: Hold) -> None:
        """Hold what matches from now on."""
        self._holds.append(hold)

    def disarm(self, hold: Hold, *, cut: tuple[bool, bool] | None = None) -> None:
        """Hold nothing more for it, and release what it held, or cut the connections (client, server side)."""
        if hold in self._holds:
            self._holds.remove(hold)
        for place in list(self._places.values()):
            if place.hold is not hold:
                continue
            if place.held is None:  # its answer has not come yet; now nobody waits for it
                place.hold = None
                place.line.give_answer()
            elif cut is None:
                self.release(place.held)
            else:
                place.line.cut(client=cut[0], server=cut[1])

    # ------------------------------------------------------------ for connections

    @property
    def is_watching(self) -> bool:
        """Whether steps have to be asked for one by one."""
        return self.is_closed or bool(self._holds)

    def enter(self, number: int, line: Line) -> None:
        """A connection is there."""
        self._places[number] = _Place(line)
        self.bell.ring()

    def leave(self, number: int) -> None:
        """A connection is gone, and what was held of it."""
        place = self._places.pop(number, None)
        if place is None:
            return
        place.let_go()
        self._settle(place, None)
        self.bell.ring()

    def wants(self, step: WireStep) -> Where | None:
        """What to do with a step that arrives: hold it, withhold its answer, or let it pass."""
        place = self._places[step.connection]
        hold = next((hold for hold in self._holds if hold.wants(step)), None)
        if hold is not None and hold.where == "answer" and not self.is_closed:
            hold.taken += 1
            place.hold = hold
            return "answer"
        if hold is None and not self.is_closed:
            return None
        place.hold = hold if hold is not None and hold.where == "before" else None
        self._hold(place, step)
        return "before"

    def answered(self, step: WireStep) -> None:
        """An answer is withheld now."""
        self._hold(self._places[step.connection], step, taken=False)

    def settled(self, number: int, answer: StepEnded | None) -> None:
        """Nothing of a connection is under way any more."""
        if (place := self._places.get(number)) is not None:
            self._settle(place, answer)
            self.bell.ring()

    def _hold(self, place: _Place, step: WireStep, *, taken: bool = True) -> None:
        place.held = step
        if place.hold is not None:
            place.hold.taken += taken
            place.hold._keep(step)
        self.bell.ring()

    @staticmethod
    def _settle(place: _Place, answer: StepEnded | None) -> None:
        for granted in place.granted:
            if not granted.done():
                granted.set_result(answer)
        place.granted.clear()


class Hold:
    """A standing order to hold what matches; released, or cut, once. Its methods may be called from any thread.

    As a context manager it is released at the end.
    """

    def __init__(
        self,
        gate: Gate,
        run: Callable[[Callable[[], None]], None],
        predicate: Predicate,
        where: Where,
        limit: int | None,
    ) -> None:
        self.where = where
        self.taken = 0
        self._gate = gate
        self._run = run
        self._predicate = predicate
        self._limit = limit
        self._held: tuple[WireStep, ...] = ()
        self._problem: Exception | None = None
        self._changed = threading.Condition()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def held(self) -> tuple[WireStep, ...]:
        """What it holds at this moment."""
        return self._held

    @property
    def is_holding(self) -> bool:
        """Whether it holds anything at this moment."""
        return bool(self._held)

    def wait(self, timeout: float) -> WireStep | None:
        """Block until something is held; None when nothing was within ``timeout`` seconds.

        Raises Internal when the predicate failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._problem, timeout)
            if self._problem is not None:
                raise Internal("the predicate of a hold failed") from self._problem
            return self._held[0] if self._held else None

    def release(self) -> None:
        """Hold nothing more, and let go what is held."""
        self._run(lambda: self._gate.disarm(self))

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        """Hold nothing more, and close the connections of what is held, on both sides or one."""
        self._run(lambda: self._gate.disarm(self, cut=(client, server)))

    def wants(self, step: WireStep) -> bool:
        """Whether this step is to be held."""
        if self._problem is not None or (self._limit is not None and self.taken >= self._limit):
            return False
        try:
            return self._predicate(step)
        except Exception as problem:  # the caller's mistake: no connection shall suffer from it
            self._problem = problem
            self._set(self._held)
            return False

    def _keep(self, step: WireStep) -> None:
        self._set([*self._held, step])

    def _drop(self, gone: WireStep) -> None:
        self._set(step for step in self._held if step is not gone)

    def _set(self, held: Iterable[WireStep]) -> None:
        with self._changed:
            self._held = tuple(held)
            self._changed.notify_all()
