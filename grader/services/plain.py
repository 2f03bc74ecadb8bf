"""Isolation level 0, on every platform: an environment of its own, a session of its own, and limits.

The processes run as the grader's own user. That keeps the mistakes of a submission away from the grader, not its
malice: a report says so.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from grader.errors import BadSubmission, EnvironmentFailed
from grader.services.exits import watch_exit
from grader.services.family import Family, adopt_orphans, end_strays, named_from_birth, new_name

_LONGEST_COMMAND_LINE = 200
_OURS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""What keeps a command from being started without any fault of its own."""


class Plain:
    """Commands as children of the grader, which becomes the parent of their orphans too."""

    name = "self-check"

    def __init__(self) -> None:
        adopt_orphans()
        self._one_at_a_time = threading.Lock()

    def launch(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> PlainProcess:
        """Start ``command``. Raises BadSubmission when the system refuses to run it."""
        name = new_name()
        try:
            with self._one_at_a_time, named_from_birth(name):
                popen = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if isinstance(error, OSError) and error.errno in _OURS:
                raise EnvironmentFailed(f"no process can be started: {reason}; end other programs") from None
            raise BadSubmission(f"the command {command[0]!r} cannot be run in {cwd}: {reason}") from None
        return PlainProcess(popen, name)

    def sweep(self) -> None:
        """End what escaped its family."""
        end_strays()


class PlainProcess:
    """A running command of level 0; see ``isolation.Running``."""

    def __init__(self, popen: subprocess.Popen[bytes], name: int) -> None:
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._popen = popen
        self._family = Family(popen.pid, name)
        self._streams: tuple[IO[bytes], IO[bytes]] = (popen.stdout, popen.stderr)
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)
        self._exit = watch_exit(popen.pid)
        self._cpu_s = 0.0
        self._collected = threading.Lock()

    @property
    def pid(self) -> int:
        """See ``Running``."""
        return self._popen.pid

    @property
    def stdout(self) -> int:
        """See ``Running``."""
        return self._streams[0].fileno()

    @property
    def stderr(self) -> int:
        """See ``Running``."""
        return self._streams[1].fileno()

    @property
    def exit_notice(self) -> int:
        """See ``Running``."""
        return self._exit.descriptor

    def gone(self) -> bool:
        """See ``Running``."""
        return self._popen.returncode is not None or self._exit.happened()

    def collect(self) -> int:
        """See ``Running``."""
        with self._collected:
            if self._popen.returncode is None:
                self._popen.returncode, self._cpu_s = self._exit.collect()
            return self._popen.returncode

    def send(self, number: signal.Signals) -> None:
        """See ``Running``."""
        with self._collected:  # before it is collected its pid cannot be anyone else's
            if not self.gone():
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def others(self) -> Sequence[str]:
        """See ``Running``."""
        others = (process for process in self._family.members() if process.pid != self.pid)
        return [line for process in others if (line := _command_line(process))]

    def usage(self) -> tuple[float, int]:
        """See ``Running``."""
        with self._collected:  # the leader is counted by the family until it is collected, and never twice
            cpu_s, living = self._family.cpu_s()
            return cpu_s + self._cpu_s, living

    def kill(self) -> None:
        """See ``Running``."""
        self._family.kill()

    def close(self) -> None:
        """See ``Running``."""
        for stream in self._streams:
            stream.close()
        self._exit.close()


def _command_line(process: psutil.Process) -> str:
    """Empty for one that has vanished."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())[:_LONGEST_COMMAND_LINE] or process.name()
    return ""
