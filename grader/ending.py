"""Ctrl-C and SIGTERM to the grader itself: everything that was started is ended, then it exits.

A signal's exception can come between any two instructions: also between making a folder and noting that it is to be
removed, or in the middle of removing it. So whatever makes something that must not outlive the grader does it, and
undoes it, ``uninterrupted``: a signal that comes meanwhile is remembered, and ends the grader a moment later.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType


class Ended(BaseException):
    """Somebody wants the grader to end. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_status = 128 + number


_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Signals:
    """What came, and whether it may be told now. Python runs handlers in the main thread alone: nobody else asks."""

    def __init__(self) -> None:
        self.is_held = False
        self.has_come = False
        self.waiting: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.has_come:
            print("ending what was started; one moment", file=sys.stderr)
            return
        self.has_come = True
        if self.is_held:
            self.waiting = number
        else:
            raise Ended(number)

    def hold(self, is_held: bool) -> None:
        """Hold signals from now on, or let them come; raises Ended for one that was held."""
        self.is_held = is_held
        if not is_held and self.waiting is not None:
            number, self.waiting = self.waiting, None
            raise Ended(number)


_signals = _Signals()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, the first SIGINT, SIGTERM or SIGHUP raises Ended in the main thread; further ones wait for the end."""
    global _signals
    _signals = _Signals()
    before = {number: signal.signal(number, _signals.handle) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Held:
    """A block in which signals are held or come; afterwards it is as it was before. Not to be entered twice at once."""

    def __init__(self, is_held: bool) -> None:
        self._is_held = is_held
        self._before = is_held

    def __enter__(self) -> _Held:
        if _is_main():
            self._before = _signals.is_held
            _signals.hold(self._is_held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _is_main():
            _signals.hold(self._before)

    def paused(self) -> AbstractContextManager[object]:
        """A part of the block that is as it was outside: what the block is made for is done in it."""
        return _Held(self._before)


def uninterrupted() -> _Held:
    """A block in which no signal raises Ended; one that came raises it at the block's end. Other threads: nothing."""
    return _Held(True)


def interruptible() -> AbstractContextManager[object]:
    """A part of an uninterrupted block that may take long, and makes nothing: a signal raises Ended there."""
    return _Held(False)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
