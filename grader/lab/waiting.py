"""The one place where a scenario waits. Every wait names what it waits for and has a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grader.history.board import Board
from grader.history.events import RowChanged, StepEnded, WaitTimedOut
from grader.history.recorder import Recorder

_LOOK_AGAIN = 0.02
"""Seconds until a condition that depends on time alone is looked at again."""

_READ_ROWS_AT_LEAST = 0.1
"""Seconds after which row changes are read even if no statement of a service ended."""


class GaveUp(Exception):
    """What a scenario waited for did not come; its record says what that was, and the checks judge it."""


class Cancelled(Exception):
    """The run is being ended."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something to wait for. ``by``: the service that has to bring it about; once it is gone, so is hope."""

    description: str
    holds: Callable[[Board, float], bool]
    """Takes the present state and the present time."""
    by: str | None = None


def any_of(conditions: Iterable[Condition], by: str | None = None) -> Condition:
    """One of several conditions holds."""
    several = tuple(conditions)
    return Condition(
        " or ".join(c.description for c in several),
        lambda board, now: any(c.holds(board, now) for c in several),
        by=by,
    )


class Observer:
    """Keeps the board of a scenario up to date and waits on it. Used by the scenario's thread alone."""

    def __init__(
        self,
        recorder: Recorder,
        read_changes: Callable[[], list[RowChanged]],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self.board = Board()
        self._recorder = recorder
        self._read_changes = read_changes
        self._is_cancelled = is_cancelled
        self._known = 0
        self._rows_read_at = -1.0

    def look(self, *, at_once: bool = False) -> None:
        """Take in everything that happened up to now; row changes if there can be any, or it is a while ago.

        ``at_once``: row changes in any case.
        """
        if self._absorb() or at_once or self._recorder.clock.now() - self._rows_read_at > _READ_ROWS_AT_LEAST:
            self._rows_read_at = self._recorder.clock.now()
            for change in self._read_changes():
                self._recorder.record(change)
            self._absorb()

    def _absorb(self) -> bool:
        """Whether a statement ended that may have changed rows for everybody to see."""
        committed = False
        for event in self._recorder.events(self._known):
            self.board.absorb(event)
            self._known += 1
            committed = committed or (isinstance(event, StepEnded) and event.transaction == "I")
        return committed

    def until(self, condition: Condition, timeout: float, since: float | None = None) -> None:
        """Return when the condition holds.

        Raises GaveUp, after recording it, when it does not within ``timeout`` seconds or when the service it
        depends on has exited; Cancelled when the run ends. ``since``: when waiting for it began, if not now.
        """
        start = self._recorder.clock.now() if since is None else since
        if not self.comes(condition, timeout):
            now = self._recorder.clock.now()
            what = condition.description + (f" ({condition.by} had exited)" if self._is_gone(condition.by) else "")
            self._recorder.record(WaitTimedOut(at=now, waited_for=what, seconds=round(now - start, 6)))
            raise GaveUp(what)

    def comes(self, condition: Condition, timeout: float) -> bool:
        """Like ``until``, for what may as well not come: False instead of GaveUp, and nothing is recorded."""
        clock = self._recorder.clock
        start = clock.now()
        while True:
            known = self._known
            self.look()
            now = clock.now()
            if condition.holds(self.board, now):
                return True
            if now - start > timeout or self._is_gone(condition.by):
                return False
            if self._is_cancelled():
                raise Cancelled
            if self._known == known:
                self._recorder.wait_for_more(known, _LOOK_AGAIN)

    def watch(self, seconds: float) -> None:
        """Let time pass while recording: for seeing what happens, or that nothing does, in a given time."""
        end = self._recorder.clock.now() + seconds
        while (left := end - self._recorder.clock.now()) > 0:
            if self._is_cancelled():
                raise Cancelled
            self._recorder.wait_for_more(self._known, min(left, _READ_ROWS_AT_LEAST))
            self.look()

    def _is_gone(self, service: str | None) -> bool:
        instance = self.board.services.get(service) if service else None
        return instance is not None and instance.status is not None
