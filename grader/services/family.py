"""Which processes came of a command, and how to end them all.

A child may start a new session and let its parent die, and then neither parent nor session tells where it came
from. On Linux two facts of the kernel still do: an orphan falls to its nearest ancestor that is a *subreaper*
(prctl(2)), here the grader; and a hard resource limit is inherited by every child and can only be lowered
(getrlimit(2)). So each leader gets a file size limit with a random number in the low digits, a family name that
nobody below it can take off. Elsewhere a family is its session and what descends from the leader.
"""

from __future__ import annotations

import ctypes
import os
import resource
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from grader.errors import EnvironmentFailed
from grader.services.processes import Process, descendants, process_now, processes_now

_PR_SET_CHILD_SUBREAPER = 36
_KILL_TIMEOUT = 10.0


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind. For its lifetime; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Family:
    """A leader that was just started as our child in a session of its own, and all that comes of it."""

    def __init__(self, leader: int, name: int) -> None:
        self._leader = leader
        self._name = name
        self._orphans_cpu_s = 0.0
        self._collecting = threading.Lock()
        if sys.platform == "linux":
            with suppress(OSError, ValueError):  # gone already, or a lower limit is in force: the session must do
                resource.prlimit(leader, resource.RLIMIT_FSIZE, (self._name, self._name))

    def members(self) -> Iterator[Process]:
        """The living processes of the family, leader included; orphans that ended are collected by the way."""
        for process in self._all():
            if not process.is_zombie:
                yield process
            elif process.pid != self._leader and process.parent == os.getpid():
                self._collect(process.pid)

    def cpu_s(self) -> tuple[float, int]:
        """CPU seconds of all but a leader that was collected, and the number of living processes."""
        living = sum(1 for _ in self.members())
        used = self._orphans_cpu_s
        for process in self._all():
            used += process.cpu_s
        return used, living

    def kill(self) -> None:
        """End all of them. Raises EnvironmentFailed when some are still alive after a while."""
        deadline = time.monotonic() + _KILL_TIMEOUT
        self._kill_leaders_group()
        while killed := [process for process in self.members() if _kill_with_its_group(process)]:
            if time.monotonic() > deadline:
                pids = ", ".join(str(process.pid) for process in killed)
                raise EnvironmentFailed(f"processes {pids} of the submission cannot be ended; end them by hand")

    def _kill_leaders_group(self) -> None:
        """At once, before anything is searched for: a tree that keeps forking makes every search slow."""
        with suppress(psutil.Error, OSError):
            if psutil.Process(self._leader).ppid() == os.getpid():  # not collected: the group is still its own
                os.killpg(self._leader, signal.SIGKILL)

    def _all(self) -> Iterator[Process]:
        """The family, zombies included. Parents come before their children."""
        found: set[int] = set()
        table = processes_now()
        for process in descendants(table, os.getpid()):
            if self._is_named(process) or process.parent in found:
                found.add(process.pid)
                yield process
        if sys.platform != "linux":  # orphans are not ours there
            for process in table.values():
                if process.pid not in found and self._is_named(process):
                    yield process

    def _is_named(self, process: Process) -> bool:
        return self._leader in (process.pid, process.session) or self._name in _largest_file(process.pid)

    def _collect(self, orphan: int) -> None:
        with self._collecting, suppress(ChildProcessError):
            pid, _, used = os.wait4(orphan, os.WNOHANG)
            if pid:
                self._orphans_cpu_s += used.ru_utime + used.ru_stime


def end_strays() -> None:
    """End every descendant of ours with another file size limit than our own: some family's lost child."""
    if sys.platform != "linux":
        return
    ours = resource.getrlimit(resource.RLIMIT_FSIZE)
    for found in descendants(processes_now(), os.getpid()):
        if _largest_file(found.pid) not in ((), ours):
            with suppress(psutil.Error):
                process = psutil.Process(found.pid)
                process.kill()
                process.wait(_KILL_TIMEOUT)


def _largest_file(pid: int) -> tuple[int, ...]:
    """Soft and hard limit of a process; empty where it cannot be told."""
    if sys.platform == "linux":
        with suppress(OSError):
            return resource.prlimit(pid, resource.RLIMIT_FSIZE)
        with suppress(OSError, ValueError):  # another user's, and no capability for it: everybody may read this
            for line in Path(f"/proc/{pid}/limits").read_text().splitlines():  # empty for one that has ended
                if line.startswith("Max file size"):
                    soft, hard = line.split()[3:5]
                    return _limit(soft), _limit(hard)
    return ()


def _limit(text: str) -> int:
    return resource.RLIM_INFINITY if text == "unlimited" else int(text)


def new_name(largest_file: int) -> int:
    """A file size limit that no other family has: at most ``largest_file``, and not much below."""
    return largest_file - secrets.randbelow(max(1, largest_file // 4))


@contextmanager
def named_from_birth(name: int) -> Iterator[None]:
    """What is started inside has the name before its first instruction, so that no child of it can lack it.

    Limits are inherited and belong to the whole process: the grader itself has this one for that moment, which
    is far above the size of anything that it writes. One at a time.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with suppress(OSError, ValueError):  # a lower limit is in force: the session must do
        resource.setrlimit(resource.RLIMIT_FSIZE, (name, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _kill_with_its_group(process: Process) -> bool:
    """To a whole group at once, because one that forks while it is killed one by one could outrun us.

    False when it was gone already.
    """
    now = process_now(process.pid)
    if now is None or now.began != process.began:
        return False
    try:
        if now.session != os.getsid(0):
            os.killpg(os.getpgid(process.pid), signal.SIGKILL)
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and the time for ending it will run out
    return True
