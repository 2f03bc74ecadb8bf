"""Isolation level 0, on every platform: an environment of its own, a session of its own, and limits.

The processes run as the grader's own user (root's, where that works, as a user who exists nowhere else). On Linux
Landlock keeps them to the files and TCP ports that they need. That keeps the mistakes of a submission away from the
grader, not all of its malice: a report says so.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import psutil

from grader.errors import BadSubmission, EnvironmentFailed
from grader.services.cgroups import Group, Hierarchy, new_group
from grader.services.confinement import can_confine, started_confined
from grader.services.exits import watch_exit
from grader.services.family import Family, adopt_orphans, end_strays, named_from_birth, new_name
from grader.services.isolation import Level, Reach
from grader.services.landlock import Allowed
from grader.services.landlock import version as landlock_version
from grader.services.limits import Limits
from grader.services.networks import MachineNetwork
from grader.services.processes import command_line
from grader.services.reading import ETC, SYSTEM, readable
from grader.services.rlimits import set_limits
from grader.submission import executable_command

_OURS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""What keeps a command from being started without any fault of its own."""

_NOBODY_ELSE = 1_800_000_000
"""User ids from here on belong to nobody; apart from those of other levels."""

_DEVICES = tuple(Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom", "tty", "shm"))
_SERVICES = 16
"""So many services of a run are one user, whose processes are counted together."""

_NO_CAPABILITY = ("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
_KERNEL = (Path("/proc"), Path("/sys"))
_ETC_OF_EVERYBODY = tuple(
    Path("/etc") / name for name in ("passwd", "group", "hosts", "nsswitch.conf", "resolv.conf", "host.conf")
)


class Plain:
    """Commands as children of the grader, which becomes the parent of their orphans too.

    ``confined``: what they may read, write and connect to is bounded as well, where the kernel can do that.
    """

    level = Level.SELF_CHECK

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        confined: bool = False,
        hierarchy: Hierarchy | None = None,
        reads: Sequence[Path] = (),
    ) -> None:
        adopt_orphans()
        self.limits = limits or Limits()
        self._confined = confined
        self._hierarchy = hierarchy
        self._reads = tuple(reads)
        self._user = _NOBODY_ELSE + secrets.randbelow(1 << 24) if confined and os.geteuid() == 0 else None
        self._can_be_other: dict[tuple[str, Path], bool] = {}
        self._one_at_a_time = threading.Lock()

    @property
    def detail(self) -> str:
        """See ``Isolation``."""
        if not self._confined or not can_confine():
            return "the same user and files; no Landlock" if self._confined else "the same user and files"
        ports = " and TCP ports" if landlock_version() >= 4 else ""
        signals = ", signals kept inside" if landlock_version() >= 6 else ""
        return f"Landlock bounds files{ports}{signals}"

    def show(self, folder: Path) -> None:
        """See ``Isolation``. Each launch says which folder it is."""

    def program(self, folder: Path, command: Sequence[str]) -> tuple[str, ...]:
        """See ``Isolation``."""
        return executable_command(folder, command)

    def network(self) -> MachineNetwork:
        """See ``Isolation``."""
        return MachineNetwork()

    def launch(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], reach: Reach | None = None
    ) -> PlainProcess:
        """Start ``command``. Raises BadSubmission when the system refuses to run it."""
        reach = reach or Reach()
        name = new_name(self.limits.file)
        is_confined = self._confined and reach.network is not None
        as_other = is_confined and self._user is not None and self._runs_as_other(command, cwd)
        line = [*self._becoming_other(name), *command] if as_other else command
        if as_other:
            _give(Path(env.get("TMPDIR", "/nonexistent")), self._user or 0)

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                line,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )

        allowed = self._allowed(command, cwd, env, reach)
        with ExitStack() as stack:
            group = None
            if self._hierarchy is not None:
                group = new_group(self._hierarchy, self.limits)
                stack.callback(group.remove)
            try:
                with self._one_at_a_time, named_from_birth(name):
                    popen = started_confined(start, allowed, powerless=not as_other) if is_confined else start()
            except (OSError, ValueError) as error:
                raise _refusal(error, command[0], cwd) from None
            stack.enter_context(popen)  # unless it is kept, its pipes are closed, and its end is waited for
            family = Family(popen.pid, name)
            stack.callback(family.kill)
            set_limits(popen.pid, self.limits)
            running = PlainProcess(popen, family, group)
            if group is not None:
                group.add_all(running.pids)
            stack.pop_all()
        return running

    def sweep(self) -> None:
        """End what escaped its family."""
        end_strays()

    def _allowed(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], reach: Reach) -> Allowed:
        reads = (
            *SYSTEM,
            *ETC,
            *_ETC_OF_EVERYBODY,
            *_KERNEL,
            *readable(command, (*self._reads, *reach.reads)),
            cwd,
        )
        temporary = [Path(env["TMPDIR"])] if "TMPDIR" in env else []
        return Allowed(
            reads=reads,
            writes=(*_DEVICES, *temporary, *reach.writes),
            connects=() if reach.port is None else (reach.port,),
        )

    def _becoming_other(self, name: int) -> list[str]:
        """Limits first: who is another user afterwards is out of reach of a root that may not raise limits."""
        given = {
            "core": 0,
            "fsize": name,
            "nofile": self.limits.open_files,
            "nproc": self.limits.processes * _SERVICES,
        }
        bounds = [f"--{limit}={value}" for limit, value in given.items()]
        who = [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
        return ["/usr/bin/prlimit", *bounds, "--", "/usr/bin/setpriv", *who, *_NO_CAPABILITY, "--"]

    def _runs_as_other(self, command: Sequence[str], cwd: Path) -> bool:
        """Whether somebody else may run the program and read the submission. Tried, once for each program."""
        key = (command[0], cwd)
        if key not in self._can_be_other:
            self._can_be_other[key] = _can_use(command[0], cwd, self._user or 0)
        return self._can_be_other[key]


def _refusal(error: OSError | ValueError, program: str, cwd: Path) -> EnvironmentFailed | BadSubmission:
    """Why a command could not be started, and whose fault that is."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.errno in _OURS:
        return EnvironmentFailed(f"no process can be started: {reason}; end other programs")
    return BadSubmission(f"the command {program!r} cannot be run in {cwd}: {reason}")


def _can_use(program: str, folder: Path, user: int) -> bool:
    test = shutil.which("test", path="/usr/bin:/bin")
    if test is None or not all(os.access(f"/usr/bin/{tool}", os.X_OK) for tool in ("prlimit", "setpriv")):
        return False
    asked = [test, "-x", program, "-a", "-r", str(folder), "-a", "-x", str(folder)]
    try:
        done = subprocess.run(
            asked, user=user, group=user, extra_groups=(), cwd="/", timeout=10, check=False, env={}
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _give(folder: Path, user: int) -> None:
    with suppress(OSError):
        os.chown(folder, user, user, follow_symlinks=False)


class PlainProcess:
    """A running command of level 0; see ``isolation.Running``."""

    has_own_files = False

    def __init__(self, popen: subprocess.Popen[bytes], family: Family, group: Group | None) -> None:
        """Raises EnvironmentFailed."""
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._popen = popen
        self._family = family
        self._streams: tuple[IO[bytes], IO[bytes]] = (popen.stdout, popen.stderr)
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)
        try:
            self._exit = watch_exit(popen.pid)
        except OSError as problem:
            raise EnvironmentFailed(f"a service could not be watched: {problem.strerror}") from problem
        self._group = group
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
        return [line for process in others if (line := command_line(process.pid))]

    @property
    def ancestor(self) -> int:
        """See ``Running``. Daemons of its own making are missed."""
        return self.pid

    @property
    def is_counted(self) -> bool:
        """See ``Running``."""
        return self._group is not None

    def pids(self) -> Sequence[int]:
        """The leader first, then whatever it has started already."""
        return [self.pid, *(process.pid for process in self._family.members() if process.pid != self.pid)]

    def listens_on(self, port: int) -> bool | None:
        """See ``Running``."""
        unknown = False
        for process in self._family.members():
            try:
                found = psutil.Process(process.pid).net_connections(kind="tcp")
            except psutil.AccessDenied:
                unknown = True
            except psutil.Error:
                continue
            else:
                if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in found):
                    return True
        return None if unknown else False

    def limits_hit(self) -> Sequence[str]:
        """See ``Running``."""
        return [] if self._group is None else self._group.hit()

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
        if self._group is not None:
            self._group.remove()
