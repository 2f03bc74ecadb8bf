"""Ending and removing what earlier runs left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from grader.errors import EnvironmentFailed
from grader.run_folder import (
    PREFIX,
    default_parent,
    read_journal,
    remove_containers,
    remove_from_memory,
    remove_tree,
    taken,
)

_CLOCK_TOLERANCE = 2.0
"""Seconds by which the create time of one process may seem to move: the boot time it counts from is rounded."""

_SANDBOXES = frozenset({"bwrap", "nsenter"})
_POLITE_TIMEOUT = 5.0
_KILL_TIMEOUT = 10.0


def remove_leftovers(parent: Path | None = None) -> list[str]:
    """End and remove what runs left behind whose grader is dead. One line for people for each thing done.

    Runs that are alive are not touched, nor is anything of another user. What cannot be removed is told in a
    line as well, and tried again by the next run.
    """
    told: list[str] = []
    for path in sorted((parent or default_parent()).glob(f"{PREFIX}*")):
        with taken(path) as ours:
            if not ours:
                continue
            entries = read_journal(path)
            told += _end_processes(path, entries)
            try:
                remove_from_memory(path)
                told += remove_containers(path, entries)
                remove_tree(path)
            except (EnvironmentFailed, OSError) as problem:
                told.append(f"{path}, left by an earlier run, stays for now: {problem}")
            else:
                told.append(f"removed {path}, left by an earlier run")
    return told


def _end_processes(path: Path, entries: list[Mapping[str, Any]]) -> list[str]:
    told = []
    for entry in entries:
        if "pid" not in entry:
            continue
        processes = _session(path, entry["pid"], entry["created"])
        if not processes:
            continue
        names = ", ".join(sorted({_name(process) for process in processes}))
        if entry["first"] is not None:
            with suppress(psutil.Error):
                psutil.Process(entry["pid"]).send_signal(signal.Signals(entry["first"]))
            processes = _still_alive(processes, _POLITE_TIMEOUT)
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        outcome = "could not end" if _still_alive(processes, _KILL_TIMEOUT) else "ended"
        told.append(f"{outcome} {names} (process {entry['pid']} and its children), left by an earlier run")
    return told + _end_strays(path)


def _end_strays(path: Path) -> list[str]:
    """End what was started for a run and never noted: its grader was killed between the two."""
    told = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if not (_was_started_in(process, path) or _is_sandbox_for(process, path)):
                continue
            name = _name(process)
            process.kill()
            outcome = "could not end" if _still_alive([process], _KILL_TIMEOUT) else "ended"
            told.append(f"{outcome} {name} (process {process.pid}), left by an earlier run")
    return told


def _still_alive(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that have not ended within ``patience`` seconds.

    A zombie has ended: it may wait long for whoever adopted it to take notice.
    """
    deadline = time.monotonic() + patience
    while True:
        processes = [process for process in processes if _is_alive(process)]
        if not processes or time.monotonic() > deadline:
            return processes
        time.sleep(0.002)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _session(path: Path, leader: int, created: float) -> list[psutil.Process]:
    """The processes that came of a noted leader and are still alive.

    The leader's number counts only if it is the very process that was noted (ended and not taken notice of, it
    still has its number). When it is gone, what is left of its session counts only if its environment names the
    run's folder: the number may have been used again since.
    """
    noted = _is_same(leader, created)
    if not noted and psutil.pid_exists(leader):
        return []
    found = {}
    if noted:
        with suppress(psutil.Error):
            process = psutil.Process(leader)
            found = {p.pid: p for p in (process, *process.children(recursive=True))}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader and (noted or _was_started_in(process, path)):
                found[process.pid] = process
    return [process for process in found.values() if process.pid != os.getpid() and _is_alive(process)]


def _is_same(pid: int, created: float) -> bool:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < _CLOCK_TOLERANCE
    return False


def _was_started_in(process: psutil.Process, path: Path) -> bool:
    return process.environ().get("TMPDIR", "").startswith(f"{path}{os.sep}")


def _is_sandbox_for(process: psutil.Process, path: Path) -> bool:
    """Whether it was to start a service of that run in a sandbox; whatever is in the sandbox ends with it."""
    return process.name() in _SANDBOXES and any(word.startswith(str(path)) for word in process.cmdline())


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return "a process"
