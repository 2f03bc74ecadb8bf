"""Watching that services keep to their limits where the kernel does not see to it by itself.

One look at all processes of the machine serves all services. Where control groups do the counting, only what they say
is read.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grader.errors import Internal
from grader.services.isolation import Running
from grader.services.limits import Limits, size_words
from grader.services.processes import Process, Table, descendants, processes_now

_EVERY = 0.25
_ELSEWHERE_EVERY = 1.0
"""Seconds between two looks; where there is no /proc a look costs more."""

_MOST_FILES = 10_000


@dataclass(slots=True)
class _Watched:
    running: Running
    temporary: Path | None
    tell: Callable[[str], None]


class Watch:
    """A thread that looks at every service now and then. A context: leaving it ends the thread.

    A look that raises is a bug of ours: the first one is raised again, as Internal, when the watch is left.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._watched: dict[Running, _Watched] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="limits", daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._failure is not None:
            raise Internal(f"a look at the limits of services failed: {self._failure!r}") from self._failure

    def add(self, running: Running, temporary: Path | None, tell: Callable[[str], None]) -> None:
        """Watch a service; ``tell`` is told, at each look, of every limit that it is beyond, and has to end it.

        It may be told a last time just after the service is forgotten.
        """
        with self._lock:
            kept = None if running.has_own_files else temporary
            self._watched[running] = _Watched(running, kept, tell)

    def forget(self, running: Running) -> None:
        """Watch a service no more."""
        with self._lock:
            self._watched.pop(running, None)

    def _run(self) -> None:
        while not self._done.wait(_EVERY if sys.platform == "linux" else _ELSEWHERE_EVERY):
            try:
                self._look_at_all()
            except Exception as problem:  # the next look is taken all the same
                self._failure = self._failure or problem

    def _look_at_all(self) -> None:
        with self._lock:
            watched = list(self._watched.values())
        table = processes_now() if any(not each.running.is_counted for each in watched) else {}
        for each in watched:
            self._look(each, table)

    def _look(self, each: _Watched, table: Table) -> None:
        words = list(each.running.limits_hit())
        if not each.running.is_counted:
            words += beyond(self._limits, [table[pid] for pid in family(table, each.running.ancestor)])
        if each.temporary is not None and size_of(each.temporary, self._limits.disk) > self._limits.disk:
            words.append(f"disk: its temporary folder may hold {size_words(self._limits.disk)}")
        for word in words:
            each.tell(word)


def beyond(limits: Limits, processes: Sequence[Process]) -> list[str]:
    """Which limits these processes are beyond, in words."""
    found = []
    used = sum(process.memory for process in processes)
    if used > limits.memory:
        found.append(f"memory: all its processes together may use {size_words(limits.memory)}")
    if sum(process.tasks for process in processes) >= limits.processes:  # more may not be possible
        found.append(f"processes: it may have {limits.processes} at a time, threads included")
    return found


def family(table: Table, leader: int) -> set[int]:
    """A leader's descendants, and whoever is in its session, as far as they are in the table."""
    found = {pid for pid, process in table.items() if pid == leader or process.session == leader}
    return found.union(process.pid for process in descendants(table, *found))


def size_of(folder: Path, enough: int) -> int:
    """The bytes in a folder, or some number beyond ``enough``. Links are not followed, and a look is bounded."""
    total = 0
    seen = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            seen += 1
            with suppress(OSError):
                found = os.lstat(os.path.join(place, name))  # noqa: PTH118 - quicker
                total += found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0
            if total > enough or seen > _MOST_FILES:
                return total if total > enough else enough + (seen > _MOST_FILES)
    return total
