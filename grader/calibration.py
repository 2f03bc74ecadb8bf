"""How slow this machine is, measured at the start of a run, and whether it stalls while the run lasts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

import psutil

from grader.history.events import ClockSet, Event, Stalled
from grader.history.recorder import Clock, Recorder

_USUAL_START = 0.1
"""Seconds that the interpreter below takes on a quiet machine of 2025 or so."""

_MOST = 10.0
_STALL = 0.4
"""A thread that wants to wake up and gets no time for so many seconds has seen a stall."""

_TICK = 0.1

_SET = 0.05
"""Seconds by which the wall clock moves against the other one within a tick when somebody sets it; what keeps it right
little by little (NTP) moves it by a thousandth of that."""


def measure_patience() -> float:
    """How many times slower than a quiet machine this one is, between 1 and 10.

    The better of two starts of the interpreter with some of its standard library: what every scenario does most.
    """
    took = min(_seconds(_start_interpreter) for _ in range(2))
    return round(min(_MOST, max(1.0, took / _USUAL_START)), 2)


def describe_machine(patience: float) -> str:
    """This machine in a line: what a reader of times and of a crash wants to know, and no name of it."""
    cores = os.cpu_count() or 1
    memory = psutil.virtual_memory().total / 2**30
    pace = f"{patience:g} times slower than a quiet one" if patience > 1 else "as quick as a quiet one"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{cores} {'core' if cores == 1 else 'cores'}, {memory:.0f} GiB of memory, {system}, {pace}"


def _start_interpreter() -> None:
    subprocess.run([sys.executable, "-I", "-c", "import asyncio, http.client, decimal"], check=True)


def _seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class StallWatch:
    """A thread that notices when the machine gives the grader no time, or another time of day.

    It tells every recorder that listens.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: set[Recorder] = set()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall-watch", daemon=True)
        self.longest = 0.0
        self._looked_at = self._offset = 0.0

    def __enter__(self) -> StallWatch:
        self._looked_at, self._offset = self._clock.now(), self._clock.since_epoch()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def listen(self, recorder: Recorder) -> Callable[[], None]:
        """Tell this recorder of stalls until the returned function is called."""
        with self._lock:
            self._listeners.add(recorder)

        def stop() -> None:
            with self._lock:
                self._listeners.discard(recorder)

        return stop

    def _run(self) -> None:
        while not self._done.wait(_TICK):
            now = self._clock.now()
            late = now - self._looked_at - _TICK
            self._looked_at = now
            if late > _STALL:
                self.longest = max(self.longest, late)
                self._tell(Stalled(at=now, seconds=round(late, 3)))
            before, self._offset = self._offset, self._clock.since_epoch()
            set_by = before - self._offset
            if abs(set_by) > _SET:
                self._tell(ClockSet(at=now, seconds=round(set_by, 3)))

    def _tell(self, event: Event) -> None:
        with self._lock:
            for recorder in self._listeners:
                recorder.record(event)
