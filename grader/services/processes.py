"""The processes of this machine, all in one quick look.

``psutil`` makes an object of each process that it meets, and reads several files for it; a grade looks for what came of
a service a few hundred times. On Linux one file a process says all that is asked here (/proc/PID/stat, proc(5)).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

_T = TypeVar("_T")

_STATE, _PARENT, _SESSION, _CPU, _THREADS, _BEGAN, _PAGES = 0, 1, 3, slice(11, 15), 17, 19, 21
"""Fields of /proc/PID/stat behind the name. The four of CPU: user, system, both of the children it waited for."""

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine, as it was at one moment.

    ``began`` tells it from a later one with its number, and means nothing else. ``tasks`` are its threads, ``memory``
    its resident bytes, ``cpu_s`` the CPU seconds of it and of the children that it has waited for.
    """

    pid: int
    parent: int
    session: int
    began: float
    is_zombie: bool
    tasks: int
    memory: int
    cpu_s: float


Table = Mapping[int, Process]


def processes_now() -> Table:
    """Every process that can be seen, by number."""
    return {process.pid: process for process in (_all_of_proc() if sys.platform == "linux" else _all_of_psutil())}


def process_now(pid: int) -> Process | None:
    """One process; None when there is none with that number."""
    if sys.platform == "linux":
        return None if (fields := stat_fields(pid)) is None else _from_fields(pid, fields)
    with suppress(psutil.Error, OSError):
        return _from_psutil(psutil.Process(pid))
    return None


def descendants(table: Table, *ancestors: int) -> list[Process]:
    """Who came of these processes, as far as parents tell; themselves not among them. Parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    known = set(ancestors)
    found: list[Process] = []
    waiting = list(ancestors)
    for parent in waiting:  # it grows meanwhile
        for child in children.get(parent, ()):
            if child.pid not in known:
                known.add(child.pid)
                found.append(child)
                waiting.append(child.pid)
    return found


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None for a process that is not there."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - the quickest way, and all there is
            return file.read(4096).rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None


def command_line(pid: int, longest: int = 200) -> str:
    """How a process was called, cut where it is long; empty for one that has vanished."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return " ".join(process.cmdline())[:longest] or process.name()
    return ""


def children_of(pid: int) -> list[int]:
    """The processes that a process's first thread has started, as far as it is still their parent."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN, or the process is gone
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
    except OSError:
        pass
    return []


def _all_of_proc() -> Iterator[Process]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - a few hundred times a grade
        if name.isdigit() and (fields := stat_fields(int(name))):
            yield _from_fields(int(name), fields)


def _from_fields(pid: int, fields: list[str]) -> Process:
    return Process(
        pid=pid,
        parent=int(fields[_PARENT]),
        session=int(fields[_SESSION]),
        began=float(fields[_BEGAN]),
        is_zombie=fields[_STATE] in ("Z", "X"),
        tasks=int(fields[_THREADS]),
        memory=int(fields[_PAGES]) * _PAGE_SIZE,
        cpu_s=sum(map(int, fields[_CPU])) / _TICKS_A_SECOND,
    )


def _all_of_psutil() -> Iterator[Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            yield _from_psutil(process)


def _or(ask: Callable[[], _T], otherwise: _T) -> _T:
    """What others' processes, and zombies, may not tell."""
    try:
        return ask()
    except (psutil.AccessDenied, psutil.ZombieProcess):
        return otherwise


def _from_psutil(process: psutil.Process) -> Process:
    with process.oneshot():
        return Process(
            pid=process.pid,
            parent=process.ppid(),
            session=os.getsid(process.pid),
            began=process.create_time(),
            is_zombie=process.status() == psutil.STATUS_ZOMBIE,
            tasks=_or(process.num_threads, 1),
            memory=_or(lambda: process.memory_info().rss, 0),
            cpu_s=_or(lambda: sum(process.cpu_times()[:4]), 0.0),
        )
