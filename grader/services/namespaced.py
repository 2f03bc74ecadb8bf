"""A command in process namespaces of its own, as the grader sees it from outside.

There are three processes of interest, by their numbers on this machine. The *init* is the namespace's first: with it
ends everything in there, whatever it did to its session or its parents. The *holder* is the parent of the *leader*,
which is the command itself. The holder is stopped before the leader begins, and never goes on: so the leader stays a
zombie when it ends, its number stays its own, and its exit status can be read exactly (an exit status of 137 and an
end by SIGKILL are two things, and no program in between reports them as such).
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from grader.errors import EnvironmentFailed
from grader.services.cgroups import Group
from grader.services.processes import Process, command_line, descendants, processes_now, stat_fields

_KILL_TIMEOUT = 10.0
_LOOK_AGAIN = 0.0005
_STOP_TIMEOUT = 5.0
_STATE, _EXIT_CODE = 0, 49
"""Fields of /proc/PID/stat (proc(5)) behind the name: the state, and the status as waitpid(2) reports it."""


class Namespaced:
    """The three processes, and the descriptors through which the leader is watched. See ``isolation.Running``."""

    def __init__(
        self,
        *,
        init: int,
        holder: int,
        leader: int,
        stdout: int,
        stderr: int,
        group: Group | None,
    ) -> None:
        """The descriptors become ours, unless this fails.

        The holder is stopped when this returns. Raises EnvironmentFailed.
        """
        self.pid = leader
        self.stdout = stdout
        self.stderr = stderr
        self.init = init
        self.is_counted = group is not None
        self._not_its_own = frozenset({init, holder})
        self._group = group
        self._status: int | None = None
        self._cpu_s = 0.0
        self._lock = threading.Lock()
        for pipe in (stdout, stderr):
            os.set_blocking(pipe, False)
        try:
            self.exit_notice = os.pidfd_open(leader)
            self._init = os.pidfd_open(init)
            _stop(holder)
            if group is not None:
                group.add(leader)
        except OSError as problem:
            raise EnvironmentFailed(f"a service could not be watched: {problem.strerror}") from problem

    def gone(self) -> bool:
        """See ``Running``."""
        return self._status is not None or _is_over(self.exit_notice)

    def collect(self) -> int:
        """See ``Running``."""
        with self._lock:
            return self._note_status()

    def _note_status(self) -> int:
        """Of a leader that is gone. Where the zombie is gone as well, somebody has ended the whole namespace."""
        if self._status is None:
            fields = stat_fields(self.pid)
            is_there = fields is not None and fields[_STATE] == "Z"
            self._status = (
                os.waitstatus_to_exitcode(int(fields[_EXIT_CODE])) if fields and is_there else -signal.SIGKILL
            )
        return self._status

    def send(self, number: signal.Signals) -> None:
        """See ``Running``."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.exit_notice, number)

    def others(self) -> Sequence[str]:
        """See ``Running``."""
        found = (command_line(process.pid) for process in self._living() if process.pid != self.pid)
        return [line for line in found if line]

    def listens_on(self, _port: int) -> bool | None:
        """See ``Running``. Nobody else is in its network."""
        return True

    def usage(self) -> tuple[float, int]:
        """See ``Running``."""
        everybody = self._everybody()
        self._cpu_s = max(self._cpu_s, sum(process.cpu_s for process in everybody))
        return self._cpu_s, len(self._living(everybody))

    def limits_hit(self) -> Sequence[str]:
        """See ``Running``."""
        return [] if self._group is None else self._group.hit()

    def kill(self) -> None:
        """See ``Running``."""
        self.usage()
        self.send(signal.SIGKILL)
        _until_over(self.exit_notice, f"process {self.pid} of the submission")
        self.collect()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._init, signal.SIGKILL)
        _until_over(self._init, f"process {self.init}, the first of the submission's,")

    def close(self) -> None:
        """See ``Running``."""
        for descriptor in (self.stdout, self.stderr, self.exit_notice, self._init):
            os.close(descriptor)
        if self._group is not None:
            self._group.remove()

    def _living(self, everybody: Sequence[Process] | None = None) -> Sequence[Process]:
        """The service's own processes, as far as they have not ended."""
        among = self._everybody() if everybody is None else everybody
        return [process for process in among if process.pid not in self._not_its_own and not process.is_zombie]

    def _everybody(self) -> Sequence[Process]:
        """The init and all its descendants: whoever loses its parent in there becomes the init's child."""
        table = processes_now()
        return [table[self.init], *descendants(table, self.init)] if self.init in table else []


class NamespacedProcess:
    """A ``Running`` command in namespaces, for a level to add what it has to give back."""

    has_own_files = True

    def __init__(self, running: Namespaced) -> None:
        self.pid = running.pid
        self.ancestor = running.init
        self.stdout = running.stdout
        self.stderr = running.stderr
        self.exit_notice = running.exit_notice
        self.is_counted = running.is_counted
        self.gone = running.gone
        self.collect = running.collect
        self.send = running.send
        self.others = running.others
        self.listens_on = running.listens_on
        self.usage = running.usage
        self.limits_hit = running.limits_hit
        self._running = running

    def kill(self) -> None:
        """See ``Running``."""
        self._running.kill()

    def close(self) -> None:
        """See ``Running``."""
        self._running.close()


def is_at_gate(stdout: int, seconds: float) -> bool:
    """Whether what waits there for its command says so, with an empty line; False when it says anything else, or ends.

    Raises EnvironmentFailed when it says nothing within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if _wait(stdout, left):
            with suppress(BlockingIOError):
                return os.read(stdout, 1) == b"\n"
    raise EnvironmentFailed(f"a service could not be started within {seconds:g} s; end other programs")


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while (fields := stat_fields(pid)) is not None and fields[_STATE] != "T":
        if time.monotonic() > deadline:
            raise EnvironmentFailed(f"process {pid} could not be stopped within {_STOP_TIMEOUT:g} s")
        time.sleep(_LOOK_AGAIN)


def _is_over(pidfd: int) -> bool:
    return _wait(pidfd, 0)


def _until_over(pidfd: int, who: str) -> None:
    if not _wait(pidfd, _KILL_TIMEOUT):
        raise EnvironmentFailed(f"{who} cannot be ended; end it by hand")


def _wait(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
