"""The pen: everything that happens in a scenario is appended here, from any thread."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

from grader.history.events import Event, LogLine

PASSWORD_MARK = "[the database password]"
"""What stands in a recorded log line where the service wrote its password."""

_PAIRS = 5


class Clock:
    """The one clock of a run: seconds since it was made, never going back."""

    def __init__(self) -> None:
        self._origin = time.monotonic()

    def now(self) -> float:
        """Seconds since the start of the run, to the microsecond."""
        return round(time.monotonic() - self._origin, 6)

    def since_epoch(self) -> float:
        """What to add to a reading of this machine's wall clock (``time.time``) for one of this clock, in seconds.

        From the tightest of some pairs of readings: right to a few microseconds however busy the machine is.
        """
        pairs = []
        for _ in range(_PAIRS):
            before = time.monotonic()
            wall = time.time()
            after = time.monotonic()
            pairs.append((after - before, (before + after) / 2 - wall))
        return min(pairs)[1] - self._origin


class Recorder:
    """Collects the events of one scenario and wakes whoever waits for them.

    ``record`` may be called from any thread. Events are kept in the order of arrival, which is not always the
    order of their times (a row change is read after it happened); a ``History`` sorts them.
    """

    def __init__(self, clock: Clock, password: str | None = None) -> None:
        self.clock = clock
        self._password = password
        self._events: list[Event] = []
        self._changed = threading.Condition()

    def record(self, event: Event) -> None:
        """Append an event and wake all waiters. A password in a log line is replaced before it is kept."""
        if self._password and isinstance(event, LogLine) and self._password in event.text:
            event = dataclasses.replace(event, text=event.text.replace(self._password, PASSWORD_MARK))
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def events(self, start: int = 0) -> Sequence[Event]:
        """The events recorded so far, from index ``start`` on."""
        with self._changed:
            return self._events[start:]

    def drain(self) -> list[Event]:
        """The events recorded so far; they are forgotten here."""
        with self._changed:
            events, self._events = self._events, []
            return events

    def wait_for_more(self, known: int, timeout: float) -> int:
        """Block until there are more than ``known`` events, or ``timeout`` seconds passed; the count now."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > known, timeout)
            return len(self._events)

    def wait_until(self, reached: Callable[[Sequence[Event]], bool], timeout: float) -> bool:
        """Block until ``reached(all events)`` holds; False when it did not within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: reached(self._events), timeout)
