"""Where a submission comes from: a folder, an archive, or a git repository.

Archives and repositories are strangers' work. Nothing of them is written outside the folder they are unpacked into; a
link, a device, a name that leads elsewhere, too many entries or too many bytes is refused, with what it was. Bytes are
counted as they come out, whatever a header says.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from grader.errors import BadSubmission, EnvironmentFailed
from grader.run_folder import run_folder

MOST_ENTRIES = 20_000
MOST_BYTES = 256 * 1024 * 1024
"""Of everything that is unpacked; a submission without its libraries is a few hundred KiB."""

_LONGEST_NAME = 240
_CHUNK = 64 * 1024
_GIT_TIMEOUT = 120.0
_ARCHIVES = (".zip", ".tar.gz", ".tgz")
_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
_NOT_CONTENT = frozenset({"__MACOSX", ".DS_Store", "pax_global_header"})
_ADVICE = "pack the files themselves, without .venv, node_modules and links"


@contextmanager
def opened(source: str) -> Iterator[Path]:
    """The folder of a submission, for as long as the context lasts.

    ``source`` is a folder, an archive (.zip, .tar.gz, .tgz) or a git repository (a URL, or a path that ends in .git; a
    branch or tag may follow after ``#``). Raises BadSubmission, with one line, for what cannot be used.
    """
    if is_repository(source):
        unpack = _clone
    elif source.lower().endswith(_ARCHIVES) and not Path(source).is_dir():
        unpack = _unpack
    else:
        yield Path(source)
        return
    with run_folder() as place:
        folder = place.path / "unpacked"
        folder.mkdir(mode=0o755)
        unpack(source, folder)
        named = place.path / "submission" / name_of(source)
        named.parent.mkdir(mode=0o755)
        _only_folder(folder).rename(named)
        named.chmod(0o755)
        yield named


def name_of(source: str) -> str:
    """What a submission from there is called, and its reports: the last part, without its ending."""
    if Path(source).is_dir() and not is_repository(source):
        return Path(source).resolve().name or "submission"
    last = PurePosixPath(source.partition("#")[0].rstrip("/") if is_repository(source) else source).name
    for ending in (*_ARCHIVES, ".git"):
        if last.lower().endswith(ending):
            last = last[: -len(ending)]
    return re.sub(r"[^\w.-]", "_", last).lstrip(".") or "submission"


def is_repository(source: str) -> bool:
    """Whether it is the address of a git repository."""
    address = source.partition("#")[0].rstrip("/")
    return "://" in address or address.endswith(".git")


def _only_folder(folder: Path) -> Path:
    """The folder in the folder that most archives have."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


# ---------------------------------------------------------------- archives


class _Room:
    """What may still be written, and where."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = MOST_ENTRIES
        self._bytes = MOST_BYTES

    def target(self, name: str) -> Path | None:
        """Where an entry goes; None for what is not to be unpacked."""
        self._entries -= 1
        if self._entries < 0:
            raise BadSubmission(f"it holds more than {MOST_ENTRIES} entries; {_ADVICE}")
        parts = PurePosixPath(name).parts
        leads_out = not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0]
        if leads_out or "\0" in name or any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
            raise BadSubmission(
                f"the name {name[:80]!r} cannot be unpacked: it leads out of the folder, or is none"
            )
        if any(part in _NOT_CONTENT for part in parts):
            return None
        return self.folder.joinpath(*parts)

    def write(self, path: Path, content: IO[bytes], *, executable: bool, counted: bool = False) -> None:
        """A new file; one that is there already is an attack, or a mistake. ``counted``: its bytes are already."""
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
                while chunk := content.read(_CHUNK):
                    self.take(0 if counted else len(chunk))
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError):
            raise BadSubmission(f"{path.relative_to(self.folder)} is in it twice; pack each file once") from None
        path.chmod(0o755 if executable else 0o644)

    def make_folder(self, path: Path) -> None:
        """A folder, which may be there already."""
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise BadSubmission(f"{path.relative_to(self.folder)} is in it twice; pack each file once") from None

    def take(self, count: int) -> None:
        """Use up some of the bytes."""
        self._bytes -= count
        if self._bytes < 0:
            raise BadSubmission(f"it holds more than {MOST_BYTES >> 20} MiB; {_ADVICE}")


def _unpack(source: str, folder: Path) -> None:
    path = Path(source)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadSubmission("it is not a regular file")
            if source.lower().endswith(".zip"):
                _unpack_zip(file, _Room(folder))
            else:
                _unpack_tar(file, _Room(folder))
    except BadSubmission as problem:
        raise BadSubmission(f"{path}: {problem}") from None
    except OSError as problem:
        if problem.filename is None or Path(problem.filename) == path:
            raise BadSubmission(f"{path}: cannot be read: {problem.strerror or problem}") from None
        raise EnvironmentFailed(f"{path}: cannot be unpacked here: {problem.strerror}; free some space") from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as problem:
        raise BadSubmission(f"{path}: not an archive that can be read ({problem}); pack it again") from None
    except Exception as problem:  # what a decompressor may raise is not one type
        if type(problem).__module__ in ("zlib", "_lzma", "lzma"):
            raise BadSubmission(f"{path}: not an archive that can be read ({problem}); pack it again") from None
        raise


def _unpack_zip(file: IO[bytes], room: _Room) -> None:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            path = room.target(entry.filename)
            kind = entry.external_attr >> 16
            if stat.S_IFMT(kind) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadSubmission(f"{entry.filename[:80]!r} is a link or a device; {_ADVICE}")
            if entry.flag_bits & 1:
                raise BadSubmission("it is encrypted; pack it without a password")
            if path is None:
                continue
            if entry.is_dir() or stat.S_ISDIR(kind):
                room.make_folder(path)
                continue
            with archive.open(entry) as content:
                room.write(path, content, executable=bool(kind & 0o100))


def _unpack_tar(file: IO[bytes], room: _Room) -> None:
    # As a stream: no header is believed about what lies elsewhere. What the headers themselves take is counted, too.
    with (
        gzip.GzipFile(fileobj=file) as unzipped,
        tarfile.open(fileobj=_Counted(unzipped, room), mode="r|") as archive,
    ):
        for entry in archive:
            path = room.target(entry.name)
            if not (entry.isreg() or entry.isdir()) or entry.issparse():
                raise BadSubmission(f"{entry.name[:80]!r} is a link or a device; {_ADVICE}")
            if path is None:
                continue
            if entry.isdir():
                room.make_folder(path)
                continue
            content = archive.extractfile(entry)
            if content is None:
                raise BadSubmission(f"{entry.name[:80]!r} has no content")
            room.write(path, content, executable=bool(entry.mode & 0o100), counted=True)


class _Counted(io.RawIOBase):
    """A stream whose every byte is taken from the room."""

    def __init__(self, stream: gzip.GzipFile, room: _Room) -> None:
        self._stream = stream
        self._room = room

    def readable(self) -> bool:
        """See ``io.RawIOBase``."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, and never more than there may be of all."""
        data = self._stream.read(size if 0 <= size <= MOST_BYTES else MOST_BYTES + 1)
        self._room.take(len(data))
        return data


# ---------------------------------------------------------------- repositories


def _clone(source: str, folder: Path) -> None:
    """The newest state of a branch, as files: no history, no hooks, no submodules, no links."""
    address, _, branch = source.partition("#")
    if "://" in address and urlsplit(address).scheme not in _SCHEMES:
        raise BadSubmission(f"{address}: not an address of a repository; use https, ssh or a path")
    if address.startswith("-") or branch.startswith("-"):
        raise BadSubmission(f"{source}: not an address of a repository")
    if "://" not in address:
        address = Path(address).resolve().as_uri()
    settings = (
        "core.symlinks=false",
        "core.hooksPath=/dev/null",
        "protocol.ext.allow=never",
        "core.fsmonitor=false",
    )
    command = [
        "git",
        *(word for setting in settings for word in ("-c", setting)),
        "clone",
        "--quiet",
        "--depth",
        "1",
    ]
    command += [
        "--single-branch",
        "--no-tags",
        "--no-recurse-submodules",
        *(["--branch", branch] if branch else []),
    ]
    command += ["--template=", "--", address, str(folder / "clone")]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_GIT_TIMEOUT,
            env=_git_environment(),
            cwd=folder,
            check=False,
        )
    except FileNotFoundError:
        raise EnvironmentFailed("git is not installed; install it, or give a folder or an archive") from None
    except subprocess.TimeoutExpired:
        raise BadSubmission(f"{source}: could not be cloned within {_GIT_TIMEOUT:g} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = "".join(c if c.isprintable() else " " for c in (said[-1] if said else f"status {done.returncode}"))
        raise BadSubmission(f"{source}: cannot be cloned: {why}")
    shutil.rmtree(folder / "clone" / ".git")
    _check_tree(folder / "clone", source)


def _git_environment() -> dict[str, str]:
    """Who may need to log in keeps that; what a repository around us says does not count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": ":".join(_SCHEMES),
    }


def _check_tree(folder: Path, source: str) -> None:
    room = _Room(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            found = path.lstat()
            try:
                room.target(str(path.relative_to(folder)))
                if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                    raise BadSubmission(f"{name[:80]!r} is a link or a device; {_ADVICE}")
                room.take(found.st_size if stat.S_ISREG(found.st_mode) else 0)
            except BadSubmission as problem:
                raise BadSubmission(f"{source}: {problem}") from None
            with suppress(OSError):
                path.chmod(0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & 0o100 else 0o644)
