"""Control groups: the one thing that bounds the memory, and the number, of a whole tree of processes exactly.

They can be made by root, and by users to whom the system has given a part of the hierarchy (``systemd-run --user
--scope -p Delegate=yes``). Both versions of the interface are spoken; where there is neither, a watcher must do.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grader.errors import EnvironmentFailed
from grader.services.limits import Limits, size_words

_ROOT = Path("/sys/fs/cgroup")
_NEEDED = ("memory", "pids")
_PREFIX = "task-queue-lab-"
_EMPTY_TIMEOUT = 2.0
_LOOK_AGAIN = 0.002

_V1 = {"memory": "memory.limit_in_bytes", "swap": "memory.memsw.limit_in_bytes", "pids": "pids.max"}
_V2 = {"memory": "memory.max", "swap": "memory.swap.max", "pids": "pids.max"}


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups can be made: a folder for each controller; in version 2 they are one and the same."""

    folders: Mapping[str, Path]
    is_second: bool


def find_hierarchy() -> Hierarchy | None:
    """Where this process may make groups that bound memory and processes; None where it may not. Tried."""
    if sys.platform != "linux":
        return None
    try:
        own = _own_paths()
    except OSError:
        return None
    for found in (_second(own), _first(own)):
        if found is not None and _works(found):
            return found
    return None


class Group:
    """A group for one service, in all hierarchies that it takes."""

    def __init__(self, hierarchy: Hierarchy, limits: Limits) -> None:
        """Raises OSError."""
        self._limits = limits
        self._is_second = hierarchy.is_second
        name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._folders = {controller: folder / name for controller, folder in hierarchy.folders.items()}
        try:
            for folder in dict.fromkeys(self._folders.values()):
                folder.mkdir()
            names = _V2 if self._is_second else _V1
            self._write("pids", names["pids"], limits.processes)
            self._write("memory", names["memory"], limits.memory)
            with suppress(OSError):  # a kernel that does not account for swap, or has none
                self._write("memory", names["swap"], 0 if self._is_second else limits.memory)
        except BaseException:
            self.remove()
            raise

    def add(self, pid: int) -> None:
        """Put a process in, with what it starts from now on. Raises OSError, ProcessLookupError for one that is gone."""
        for folder in dict.fromkeys(self._folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def add_all(self, family: Callable[[], Sequence[int]]) -> None:
        """Put a process in that runs already, and what it has started by now: asked again until all are in."""
        known: set[int] = set()
        while new := set(family()) - known:
            for pid in new:
                with suppress(OSError):  # it has ended
                    self.add(pid)
            known |= new

    def hit(self) -> Sequence[str]:
        """Which limits were run into up to now, in words."""
        found = []
        if self._events("memory", "memory.events" if self._is_second else "memory.oom_control", "oom_kill"):
            found.append(f"memory: all its processes together may use {size_words(self._limits.memory)}")
        if self._events("pids", "pids.events", "max"):
            found.append(f"processes: it may have {self._limits.processes} at a time, threads included")
        return found

    def remove(self) -> None:
        """Give it back once it is empty. One that is not, after a while, stays for whoever cleans up."""
        deadline = time.monotonic() + _EMPTY_TIMEOUT
        for folder in dict.fromkeys(self._folders.values()):
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(_LOOK_AGAIN)

    def _write(self, controller: str, file: str, value: int) -> None:
        (self._folders[controller] / file).write_text(str(value))

    def _events(self, controller: str, file: str, name: str) -> int:
        with suppress(OSError, ValueError):
            for line in (self._folders[controller] / file).read_text().splitlines():
                word, _, number = line.partition(" ")
                if word == name:
                    return int(number)
        return 0


class GivenGroup(Group):
    """The group that somebody else has put a process in: only what it tells is of interest."""

    def __init__(self, pid: int, limits: Limits) -> None:  # not the one above: nothing is made
        self._limits = limits
        self._is_second = (_ROOT / "cgroup.controllers").exists()
        own = _paths_of(pid)
        self._folders = {
            name: _ROOT / own.get("", "") if self._is_second else _ROOT / name / own.get(name, "")
            for name in _NEEDED
        }

    def add(self, pid: int) -> None:
        """It is in there."""

    def remove(self) -> None:
        """Whoever made it does that."""


def new_group(hierarchy: Hierarchy, limits: Limits) -> Group:
    """A group for one service. Raises EnvironmentFailed."""
    try:
        return Group(hierarchy, limits)
    except OSError as problem:
        raise EnvironmentFailed(f"no control group can be made for a service: {problem.strerror}") from problem


def remove_abandoned(hierarchy: Hierarchy) -> None:
    """Remove the empty groups of graders that are dead."""
    for parent in dict.fromkeys(hierarchy.folders.values()):
        for folder in parent.glob(f"{_PREFIX}*"):
            maker = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if maker.isdigit() and not Path(f"/proc/{maker}").exists():
                with suppress(OSError):
                    folder.rmdir()


def _own_paths() -> Mapping[str, str]:
    return _paths_of(os.getpid())


def _paths_of(pid: int) -> Mapping[str, str]:
    """A process's group for each controller; version 2 under the empty name."""
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path.lstrip("/")
    return found


def _second(own: Mapping[str, str]) -> Hierarchy | None:
    """Beside our own group, since one with processes in it cannot have children with limits."""
    if "" not in own or not (_ROOT / "cgroup.controllers").exists():
        return None
    for folder in (_ROOT / own[""], (_ROOT / own[""]).parent):
        with suppress(OSError):
            control = folder / "cgroup.subtree_control"
            missing = set(_NEEDED) - set(control.read_text().split())
            if missing:
                control.write_text(" ".join(f"+{name}" for name in sorted(missing)))
            return Hierarchy(dict.fromkeys(_NEEDED, folder), is_second=True)
    return None


def _first(own: Mapping[str, str]) -> Hierarchy | None:
    folders = {}
    for name in _NEEDED:
        candidates = (_ROOT / name / own.get(name, ""), _ROOT / name)
        there = [folder for folder in candidates if (folder / "cgroup.procs").exists()]
        if not there:
            return None
        folders[name] = there[0]
    return Hierarchy(folders, is_second=False)


def _works(hierarchy: Hierarchy) -> bool:
    try:
        Group(hierarchy, Limits()).remove()
    except OSError:
        return False
    return True
