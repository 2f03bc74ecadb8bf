"""The private folder of one run.

Everything that must not outlive a run is named in its folder: the processes and containers it started, and the
files it made. The grader holds the folder by a lock (flock(2) on the folder itself) that the kernel releases when
the grader dies, however it dies; so a folder whose lock can be taken belongs to nobody, and may be cleaned up.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from grader.ending import uninterrupted
from grader.engine import answers
from grader.errors import EnvironmentFailed

PREFIX = "task-queue-lab-"
CONTAINER_LABEL = "task-queue-lab.run"
"""Every container of a run carries this label, with the run's id."""

MEMORY = Path("/dev/shm")
"""A folder in memory, on Linux."""

_MEMORY_NEEDED = 1 << 30
"""Free bytes there without which a run stays on the disk (containers often have 64 MB)."""

_JOURNAL = "journal.jsonl"
_LONGEST_PARENT = 60
"""A Unix socket's whole path has room for about 104 bytes (sun_path; fewest on macOS)."""


class RunFolder:
    """The folder of a run that is alive; ``run_folder`` makes it.

    ``id`` is random, of eight hex digits; ``path`` absolute; ``path / "tmp"`` exists, for temporary files of
    services. Methods may be called from any thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name.removeprefix(PREFIX)
        self._writing = threading.Lock()
        self._quick: Path | None = None

    def quick_folder(self) -> Path:
        """A folder for many small files that are written often: in memory where there is room, else in ``path``.

        The same at every call; it goes with the run. The database server's files copy several times faster there.
        """
        with self._writing:
            if self._quick is None:
                self._quick = self._made_in_memory() or self.path
        return self._quick

    def _made_in_memory(self) -> Path | None:
        if not _has_memory():
            return None
        folder = _in_memory(self.path)
        try:
            folder.mkdir(mode=0o700)  # one that is there already is somebody else's
            folder.chmod(self.path.stat().st_mode & 0o777)
        except OSError:
            return None
        return folder

    def new_tmp(self) -> Path:
        """A new folder for the temporary files of one service."""
        return Path(tempfile.mkdtemp(dir=self.path / "tmp"))

    @property
    def labels(self) -> dict[str, str]:
        """What each container of this run must be labelled with."""
        return {CONTAINER_LABEL: self.id}

    def note_process(self, pid: int, first: signal.Signals | None = None) -> None:
        """Remember a process that leads a session of its own, in case this run cannot end it.

        ``first`` is a signal to try, with some seconds of patience, before SIGKILL. A process that is gone
        already is not noted.
        """
        with suppress(psutil.NoSuchProcess):
            self._note({"pid": pid, "created": psutil.Process(pid).create_time(), "first": first})

    def note_container(self, name: str, engine: str | None = None) -> None:
        """Remember, before it is started, that a container of this run comes to life at a Docker engine's URL.

        None: the engine that the environment names.
        """
        self._note({"container": name, "engine": engine})

    def _note(self, entry: Mapping[str, Any]) -> None:
        with self._writing:
            descriptor = os.open(self.path / _JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, json.dumps(entry).encode() + b"\n")
            finally:
                os.close(descriptor)


@contextmanager
def run_folder(parent: Path | None = None) -> Iterator[RunFolder]:
    """A new private folder for one run; leaving the context removes it and all that is in it.

    Where its containers cannot be removed (their engine does not answer any more), or what it has in memory, the
    journal stays, so that the next run removes them. Raises EnvironmentFailed when no folder can be made.
    """
    with uninterrupted() as hold, ExitStack() as stack:
        path, lock = _new_locked_folder(parent or default_parent())
        stack.callback(os.close, lock)
        stack.callback(_remove_run, path)
        # Root starts the database under another user, who has to pass through here, but sees no names.
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (path / "tmp").mkdir(mode=0o700)
        (path / "tmp").chmod(path.stat().st_mode & 0o777)
        with hold.paused():
            yield RunFolder(path)


def default_parent() -> Path:
    """Where folders of runs are made: the temporary folder, or /tmp where that one would not do.

    It would not where sockets do not fit into its name, or where root's database, which runs as another user,
    could not get to it.
    """
    folder = Path(tempfile.gettempdir()).resolve()
    fits = len(os.fsencode(folder)) <= _LONGEST_PARENT
    passable = os.geteuid() != 0 or all(f.stat().st_mode & stat.S_IXOTH for f in (folder, *folder.parents))
    return folder if fits and passable else Path("/tmp").resolve()


# ---------------------------------------------------------------- the lock


def _new_locked_folder(parent: Path) -> tuple[Path, int]:
    for _attempt in range(100):
        path = parent / f"{PREFIX}{secrets.token_hex(4)}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as problem:
            raise EnvironmentFailed(
                f"no folder for this run can be made in {parent} ({problem.strerror}); set TMPDIR"
            ) from problem
        # Between these two lines another grader may take the folder for a leftover: then it is gone, and
        # the next one is tried.
        lock = _lock(path)
        if lock is not None:
            return path, lock
    raise EnvironmentFailed(f"no folder in {parent} could be locked; set TMPDIR to a folder on a local disk")


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder; None when another process has it, or when it is gone or not ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The lock may be that of a folder which its last holder has removed.
        if os.path.samestat(os.fstat(descriptor), path.lstat()) and path.lstat().st_uid == os.geteuid():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


@contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Hold the folder of a run, if nobody else does; whether it is ours for as long as the context lasts."""
    descriptor = _lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove_run(path: Path) -> None:
    try:
        with ExitStack() as both:  # one that cannot be removed keeps nothing else
            both.callback(remove_containers, path, read_journal(path))
            both.callback(remove_from_memory, path)
    except (EnvironmentFailed, OSError):
        _remove_all_but_the_journal(path)
    else:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder, also where a service took rights away from folders of its own."""
    for _attempt in range(2):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        for folder, _names, _files in os.walk(path):
            with suppress(OSError):
                Path(folder).chmod(0o700)
    shutil.rmtree(path)


def _remove_all_but_the_journal(path: Path) -> None:
    for each in path.iterdir():
        if each.name != _JOURNAL:
            remove_tree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _has_memory() -> bool:
    try:
        room = os.statvfs(MEMORY)
    except OSError:
        return False
    return os.access(MEMORY, os.W_OK) and room.f_bavail * room.f_frsize >= _MEMORY_NEEDED


def _in_memory(path: Path) -> Path:
    return MEMORY / path.name


def remove_from_memory(path: Path) -> None:
    """Remove the run's folder in memory; nothing of another user, and no link, that merely has its name."""
    folder = _in_memory(path)
    with suppress(FileNotFoundError):
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            remove_tree(folder)


# ---------------------------------------------------------------- what a run noted


def read_journal(path: Path) -> list[Mapping[str, Any]]:
    """What a run noted: its processes and containers."""
    entries = []
    with suppress(FileNotFoundError):
        for line in (path / _JOURNAL).read_bytes().splitlines():
            with suppress(ValueError):  # the last line of a run that was killed while it wrote
                entries.append(json.loads(line))
    return entries


def remove_containers(path: Path, entries: list[Mapping[str, Any]]) -> list[str]:
    """Remove the run's containers; a line for each. Raises EnvironmentFailed where their engine does not let us."""
    engines = {entry["engine"] for entry in entries if "container" in entry}
    if not engines:
        return []
    import docker  # a tenth of a second, and only ever needed after a run with containers died

    told = []
    label = f"{CONTAINER_LABEL}={path.name.removeprefix(PREFIX)}"
    for engine in engines:
        if engine and not answers(engine):
            raise EnvironmentFailed(f"its containers cannot be removed, {engine} does not answer; start Docker")
        try:
            client = docker.DockerClient(base_url=engine) if engine else docker.from_env()
            with closing(client):
                for container in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
                    with suppress(docker.errors.NotFound):  # it was about to go by itself
                        container.remove(force=True, v=True)
                    told.append(f"removed container {container.name}, left by an earlier run")
        except (docker.errors.DockerException, OSError) as problem:
            raise EnvironmentFailed(
                f"its containers cannot be removed ({problem}); start Docker, or docker rm them"
            ) from problem
    return told
