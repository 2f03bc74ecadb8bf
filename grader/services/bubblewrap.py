"""Isolation level 1, on Linux: bubblewrap around each service, in a network namespace of its own.

A service sees the system's programs, its interpreter and its own folder, all read-only; a temporary folder in memory;
its own processes and no others; and a network with a loopback in which its database listens. Root's services run as a
user who exists nowhere else, without any capability; everybody else's in a user namespace.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from grader.errors import BadSubmission, EnvironmentFailed
from grader.services.cgroups import Group, Hierarchy, new_group
from grader.services.isolation import Level, Reach
from grader.services.lending import Loan, unreadable
from grader.services.limits import Limits
from grader.services.namespaced import Namespaced, NamespacedProcess, is_at_gate
from grader.services.networks import OwnNetwork, SocketAgent
from grader.services.processes import children_of
from grader.services.reading import ETC, SYSTEM, readable
from grader.submission import executable_command

_TOOLS = ("bwrap", "nsenter", "prlimit", "setpriv", "setsid", "sh", "unshare")
_START_TIMEOUT = 30.0
_OURS = 1
"""Processes in there, of the same user, that are not the submission's."""

_SHM = 16 * 1024 * 1024
_NOBODY_ELSE = 1_900_000_000
"""User ids from here on belong to nobody; one for each service, since limits count by user."""

_GATE = 'echo; read -r _; unset _ PWD OLDPWD SHLVL; exec "$@" </dev/null'
"""Says that it is there, waits for a line, and becomes the command, with nothing of its own in the environment."""


class Bubblewrap:
    """Commands in namespaces. Raises EnvironmentFailed at once where a program for it is missing."""

    level = Level.BUBBLEWRAP

    def __init__(self, limits: Limits, hierarchy: Hierarchy | None, reads: Sequence[Path] = ()) -> None:
        if missing := [tool for tool in _TOOLS if shutil.which(tool, path="/usr/bin:/bin") is None]:
            what = "bubblewrap" if missing == ["bwrap"] else f"{', '.join(missing)} (bubblewrap, util-linux)"
            raise EnvironmentFailed(f"{what} is not installed; install it (on Debian: apt install bubblewrap)")
        self.limits = limits
        self._hierarchy = hierarchy
        self._reads = tuple(reads)
        self._agent = SocketAgent()
        bound = "cgroups bound memory and processes" if hierarchy else "a watcher bounds memory"
        self.detail = f"namespaces for each service; {bound}"

    def show(self, folder: Path) -> None:
        """See ``Isolation``. Raises BadSubmission where root's services could not read it, since they are not root."""
        if os.geteuid() == 0 and (path := unreadable(folder)) is not None:
            raise BadSubmission(
                f"{path}: services run as a user of their own, who may not read it; run chmod -R a+rX {folder}"
            )

    def program(self, folder: Path, command: Sequence[str]) -> tuple[str, ...]:
        """See ``Isolation``."""
        return executable_command(folder, command)

    def network(self) -> OwnNetwork:
        """See ``Isolation``."""
        return self._agent.network()

    def sweep(self) -> None:
        """See ``Isolation``. Nothing escapes; the maker of networks ends here."""
        self._agent.close()

    def launch(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], reach: Reach
    ) -> BubblewrapProcess:
        """See ``Isolation``. EnvironmentFailed when bubblewrap does not come so far as to run the command."""
        with ExitStack() as stack:
            group = None
            if self._hierarchy is not None:
                group = new_group(self._hierarchy, self.limits)
                stack.callback(group.remove)
            user = _NOBODY_ELSE + secrets.randbelow(1 << 24) if os.geteuid() == 0 else os.geteuid()
            launch = _Launch(self, command, cwd, env, reach, user, f"sandbox-{secrets.token_hex(3)}")
            loan = Loan(reach.writes, user) if os.geteuid() == 0 and reach.writes else None
            if loan is not None:
                stack.callback(loan.end)
            popen, running = launch.run(group)
            stack.pop_all()
        return BubblewrapProcess(popen, running, loan)

    @property
    def user_namespace(self) -> int | None:
        """Of the agent, where it has one of its own."""
        return self._agent.user

    @property
    def extra_reads(self) -> tuple[Path, ...]:
        """What somebody asked to be readable."""
        return self._reads


class BubblewrapProcess(NamespacedProcess):
    """A running command of level 1; see ``isolation.Running``."""

    def __init__(self, popen: subprocess.Popen[bytes], running: Namespaced, loan: Loan | None) -> None:
        super().__init__(running)
        self._loan = loan
        self._popen = popen

    def kill(self) -> None:
        """See ``Running``."""
        super().kill()
        try:
            self._popen.wait(_START_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise EnvironmentFailed(
                f"bubblewrap (process {self._popen.pid}) cannot be ended; end it by hand"
            ) from None

    def close(self) -> None:
        """See ``Running``."""
        super().close()
        if self._loan is not None:
            self._loan.end()


@dataclass(frozen=True, slots=True)
class _Launch:
    """One command on its way into its namespaces. ``user`` is who it runs as in there.

    ``host`` is another one for each: process ids are the same in all.
    """

    isolation: Bubblewrap
    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    reach: Reach
    user: int
    host: str

    def run(self, group: Group | None) -> tuple[subprocess.Popen[bytes], Namespaced]:
        with ExitStack() as both, ExitStack() as its:
            stdout, its_stdout = _pipe(both, its)
            stderr, its_stderr = _pipe(both, its)
            status, its_status = _pipe(both, its)
            accounts = {
                "/etc/passwd": _data(its, f"student:x:{self.user}:{self.user}::/tmp:/bin/sh\n"),
                "/etc/group": _data(its, f"student:x:{self.user}:\n"),
                "/etc/hosts": _data(its, f"127.0.0.1 localhost {self.host}\n"),
            }
            popen = self._start(its_stdout, its_stderr, its_status, accounts, group is not None)
            both.callback(popen.wait)
            both.callback(popen.kill)
            its.close()
            running = self._watched(popen, stdout, stderr, status, group)
            both.pop_all()
            os.close(status)
            return popen, running

    def _start(
        self, stdout: int, stderr: int, status: int, data: Mapping[str, int], counted: bool
    ) -> subprocess.Popen[bytes]:
        passed = [status, *data.values()]
        network = self.reach.network
        line: list[str] = []
        if isinstance(network, OwnNetwork):
            line += ["nsenter", f"--net=/proc/self/fd/{network.namespace}"]
            passed.append(network.namespace)
            if (owner := self.isolation.user_namespace) is not None:
                line += [f"--user=/proc/self/fd/{owner}", "--preserve-credentials"]
                passed.append(owner)
            line.append("--")
        line += ["bwrap", *self._namespaces(), *self._files(data), *self._variables()]
        line += [
            "--json-status-fd",
            str(status),
            "--",
            *self._bounds(counted),
            *self._powerless(),
            "unshare",
            "--fork",
            "setsid",
        ]
        line += ["sh", "-c", _GATE, "sh", *self.command]
        try:
            return subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                cwd="/",
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
                bufsize=0,
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError as problem:
            raise EnvironmentFailed(
                f"bubblewrap cannot be started: {problem.strerror}; end other programs"
            ) from None

    def _namespaces(self) -> list[str]:
        line = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", self.host]
        line += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        if os.geteuid() == 0:
            # Only to give up what is left: the program that follows takes another user and drops these as well.
            return [*line, *(f for name in ("SETUID", "SETGID", "SETPCAP") for f in ("--cap-add", f"CAP_{name}"))]
        return [*line, "--unshare-user", "--disable-userns"]

    def _powerless(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user = str(self.user)
        given_up = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        return ["setpriv", f"--reuid={user}", f"--regid={user}", *given_up, "--"]

    def _bounds(self, counted: bool) -> list[str]:
        """Set from inside, where the processes of nobody else are counted.

        A group's bound on processes tells that it was hit; so where there is one, it must be met first.
        """
        limits = self.isolation.limits
        processes = limits.processes * 2 if counted else limits.processes + _OURS
        given = {"core": 0, "fsize": limits.file, "nofile": limits.open_files, "nproc": processes}
        return ["prlimit", *(f"--{name}={value}" for name, value in given.items()), "--"]

    def _files(self, data: Mapping[str, int]) -> list[str]:
        line = list[str]()
        for folder in SYSTEM:
            if folder.is_symlink():
                line += ["--symlink", str(folder.readlink()), str(folder)]
            elif folder.is_dir():
                line += ["--ro-bind", str(folder), str(folder)]
        line += ["--proc", "/proc", "--dev", "/dev", *_in_memory(Path("/dev/shm"), _SHM), "--remount-ro", "/dev"]
        line += _in_memory(Path("/tmp"), self.isolation.limits.disk)
        shown = [*ETC, *readable(self.command, (*self.isolation.extra_reads, *self.reach.reads))]
        if self.reach.network is None:  # a build, which has to find package registries
            shown.append(Path("/etc/resolv.conf"))
        temporary = Path(self.env.get("TMPDIR", "/tmp"))
        line += _parents([*shown, temporary, self.cwd, *self.reach.writes])
        for path in shown:
            line += ["--ro-bind-try", str(path), str(path)]
        for target, descriptor in data.items():
            line += ["--perms", "0644", "--ro-bind-data", str(descriptor), target]
        if temporary not in (Path("/tmp"), *self.reach.writes):
            line += _in_memory(temporary, self.isolation.limits.disk)
        if self.cwd not in self.reach.writes:
            line += ["--ro-bind", str(self.cwd), str(self.cwd)]
        for path in self.reach.writes:
            line += ["--bind", str(path), str(path)]
        return [*line, "--remount-ro", "/", "--chdir", str(self.cwd)]

    def _variables(self) -> list[str]:
        line = ["--clearenv"]
        for name, value in self.env.items():
            line += ["--setenv", name, value]
        return line

    def _watched(
        self, popen: subprocess.Popen[bytes], stdout: int, stderr: int, status: int, group: Group | None
    ) -> Namespaced:
        assert popen.stdin is not None
        if not is_at_gate(stdout, _START_TIMEOUT):
            popen.kill()
            said = " ".join(os.read(stderr, 4096).decode(errors="replace").split())
            raise EnvironmentFailed(f"bubblewrap cannot start a service: {said or 'it said nothing'}")
        init = int(json.loads(os.read(status, 4096).splitlines()[0])["child-pid"])
        [holder] = children_of(init)
        [leader] = children_of(holder)
        running = Namespaced(init=init, holder=holder, leader=leader, stdout=stdout, stderr=stderr, group=group)
        popen.stdin.write(b"\n")
        popen.stdin.close()
        return running


def _in_memory(folder: Path, size: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", str(folder)]


def _parents(paths: Sequence[Path]) -> list[str]:
    """Folders on the way, for everybody to pass through: bubblewrap would make them for their owner alone."""
    line = list[str]()
    for folder in sorted({parent for path in paths for parent in path.parents} - {Path("/")}):
        line += ["--perms", "0755", "--dir", str(folder)]
    return line


def _pipe(both: ExitStack, its: ExitStack) -> tuple[int, int]:
    """A pipe whose reading end is ours, and whose writing end is given away."""
    reading, writing = os.pipe()
    both.callback(os.close, reading)
    its.callback(os.close, writing)
    return reading, writing


def _data(its: ExitStack, text: str) -> int:
    """A descriptor from which a few bytes can be read."""
    reading, writing = os.pipe()
    its.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text.encode())
    return reading
