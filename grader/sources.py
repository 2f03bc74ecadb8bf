"""Where a submission comes from: a folder, an archive, or a git repository.

Archives and repositories are strangers' work. Nothing of them is written outside the folder they are unpacked into; a
link, a device, a name that leads elsewhere, too many entries or too many bytes is refused, with what it was. Bytes are
counted as they come out, whatever a header says.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from grader.errors import BadSubmission, EnvironmentFailed
from grader.run_folder import run_folder

MOST_ENTRIES = 20_000
MOST_BYTES = 256 * 1024 * 1024
"""Of everything that is unpacked; a submission without its libraries is a few hundred KiB."""

_LONGEST_NAME = 240
_LONGEST_PATH = 600
"""With the folder that it is unpacked in, this fits into the 1,024 bytes that macOS allows."""

_CHUNK = 64 * 1024
_GIT_TIMEOUT = 120.0
_BLOCK = 512
"""Bytes that a POSIX shell's ``ulimit -f`` counts in."""

_ARCHIVES = (".zip", ".tar.gz", ".tgz")
_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
_NOT_CONTENT = frozenset({"__MACOSX", ".DS_Store", "pax_global_header"})
_ADVICE = "pack the files themselves, without .venv, node_modules and links"


@contextmanager
def opened(source: str) -> Iterator[Path]:
    """The folder of a submission, for as long as the context lasts.

    ``source`` is a folder, an archive (.zip, .tar.gz, .tgz) or a git repository (a URL, or a path that ends in .git; a
    branch or tag may follow after ``#``). Raises BadSubmission, with one line, for what cannot be used, and
    EnvironmentFailed where there is no room for it.
    """
    if is_repository(source):
        unpack = _clone
    elif source.lower().endswith(_ARCHIVES) and not _is_folder(source):
        unpack = _unpack
    else:
        yield Path(source)
        return
    with run_folder() as place:
        try:
            folder = _unpacked(source, unpack, place.path)
        except OSError as problem:
            why = problem.strerror or problem
            raise EnvironmentFailed(f"{source}: cannot be unpacked here: {why}; free some space") from None
        yield folder


def _unpacked(source: str, unpack: Callable[[str, Path], None], place: Path) -> Path:
    """The submission's folder, below ``place``. An OSError is none of the submission's doing."""
    folder = place / "unpacked"
    folder.mkdir(mode=0o755)
    unpack(source, folder)
    named = place / "submission" / name_of(source)
    named.parent.mkdir(mode=0o755)
    _only_folder(folder).rename(named)
    named.chmod(0o755)
    return named


def name_of(source: str) -> str:
    """What a submission from there is called, and its reports: the last part, without its ending."""
    if _is_folder(source) and not is_repository(source):
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


def absolute(source: str) -> str:
    """The same source, to be found from any folder."""
    if "://" in source:
        return source
    path, mark, branch = source.partition("#") if is_repository(source) else (source, "", "")
    return f"{Path(path).absolute()}{mark}{branch}"


def without_password(source: str) -> str:
    """The source as it may be written down: a web address without the name and password, or token, before its host."""
    return re.sub(r"^(https?://)[^/]*@", r"\1", source, flags=re.IGNORECASE)


def _is_folder(source: str) -> bool:
    """Whether it is one; where that cannot be told, it is not, and whoever opens it says why."""
    try:
        return Path(source).is_dir()
    except OSError:
        return False


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
        has_no_end = len(os.fsencode(name)) > _LONGEST_PATH or any(
            len(os.fsencode(part)) > _LONGEST_NAME for part in parts
        )
        if leads_out or has_no_end or "\0" in name:
            raise BadSubmission(
                f"the name {name[:80]!r} cannot be unpacked: it leads out of the folder, is too long, or is none"
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
    except OSError as problem:
        raise BadSubmission(f"{path}: cannot be read: {problem.strerror}") from None
    try:
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadSubmission("it is not a regular file")
            if source.lower().endswith(".zip"):
                _unpack_zip(file, _Room(folder))
            else:
                _unpack_tar(file, _Room(folder))
    except BadSubmission as problem:
        raise BadSubmission(f"{path}: {problem}") from None
    except (
        zipfile.BadZipFile,
        gzip.BadGzipFile,
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
    bounded = _Bounded(file)
    with zipfile.ZipFile(bounded) as archive:
        bounded.longest = None
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


class _Bounded(io.BufferedIOBase):
    """A file of which at most ``longest`` bytes are read at once: a zip's list of entries is read so, all of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.longest: int | None = MOST_ENTRIES * _LONGEST_NAME

    def seekable(self) -> bool:
        """See ``io.IOBase``."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See ``io.IOBase``. Raises BadZipFile for a place that no file has."""
        try:
            return self._file.seek(offset, whence)
        except OSError:
            raise zipfile.BadZipFile("it names a place outside of the file") from None

    def tell(self) -> int:
        """See ``io.IOBase``."""
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """See ``io.BufferedIOBase``. Raises BadSubmission for more than may be read now."""
        rest = self._size - self._file.tell()
        wanted = rest if size is None or size < 0 else min(size, rest)
        if self.longest is not None and wanted > self.longest:
            raise BadSubmission(f"its list of entries is too long: it may hold {MOST_ENTRIES}; {_ADVICE}")
        return self._file.read(wanted)


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
    repository, files = folder / "repository", folder / "clone"
    options = ["--bare", "--quiet", "--depth", "1", "--single-branch", "--no-tags", "--template="]
    where = ["--branch", branch] if branch else []
    _run_git(source, ["clone", *options, *where, "--", address, str(repository)], folder)
    files.mkdir(mode=0o755)
    try:
        _take_files(repository, _Room(files))
    except BadSubmission as problem:
        raise BadSubmission(f"{source}: {problem}") from None
    except (ValueError, BrokenPipeError):
        raise BadSubmission(f"{source}: its objects cannot be read; run git fsck in it") from None
    finally:
        shutil.rmtree(repository)


def _git(arguments: Sequence[str]) -> list[str]:
    """The command line, which may write no file larger than what may be unpacked."""
    settings = ("core.hooksPath=/dev/null", "protocol.ext.allow=never", "core.fsmonitor=false")
    git = ["git", *(word for setting in settings for word in ("-c", setting)), *arguments]
    return ["/bin/sh", "-c", f'ulimit -f {MOST_BYTES // _BLOCK}; exec "$@"', "sh", *git]


def _run_git(source: str, arguments: Sequence[str], folder: Path) -> None:
    if shutil.which("git") is None:
        raise EnvironmentFailed("git is not installed; install it, or give a folder or an archive")
    try:
        done = subprocess.run(
            _git(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_GIT_TIMEOUT,
            env=_git_environment(),
            cwd=folder,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadSubmission(f"{source}: could not be cloned within {_GIT_TIMEOUT:g} s") from None
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace")
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in text:
                raise OSError(number, os.strerror(number))
        said = text.strip().splitlines() or [f"status {done.returncode}"]
        # What comes after it is advice, over several lines.
        problem = next((line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")), said[-1])
        why = "".join(c if c.isprintable() else " " for c in problem)
        raise BadSubmission(f"{source}: cannot be cloned: {why}")


def _take_files(repository: Path, room: _Room) -> None:
    """Write the files of the newest commit, one by one: a few objects may stand for any number of files and bytes."""
    with _speaking_git(repository, "ls-tree", "-r", "-l", "-z", "HEAD") as tree:
        assert tree.stdout is not None
        entries = [entry for entry in _entries_of(tree.stdout, room) if entry is not None]
    with _speaking_git(repository, "cat-file", "--batch") as objects:
        assert objects.stdin is not None
        assert objects.stdout is not None
        for name, path, executable in entries:
            objects.stdin.write(name + b"\n")
            objects.stdin.flush()
            _name, _kind, size = objects.stdout.readline().split()
            room.write(path, io.BytesIO(objects.stdout.read(int(size))), executable=executable, counted=True)
            objects.stdout.read(1)


def _entries_of(listing: IO[bytes], room: _Room) -> Iterator[tuple[bytes, Path, bool] | None]:
    """Each file's object, where it goes, and whether it can be run; None for what is not to be unpacked.

    A link becomes a file that holds where it leads.
    """
    for line in _ended_by_zero(listing):
        facts, _, name = line.partition(b"\t")
        mode, kind, which, size = facts.split()
        path = room.target(os.fsdecode(name))
        if kind == b"blob":
            room.take(int(size))
            yield None if path is None else (which, path, mode == b"100755")
        elif path is not None:  # a submodule: git leaves an empty folder there
            room.make_folder(path)


def _ended_by_zero(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(_CHUNK):
        *lines, rest = (rest + data).split(b"\0")
        yield from lines
        if len(rest) > _CHUNK:
            raise BadSubmission(f"the name of a file is longer than {_CHUNK} bytes")


@contextmanager
def _speaking_git(repository: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A git that reads from us and writes to us, and ends with the context.

    Raises ValueError when it could not do what it was asked for.
    """
    process = subprocess.Popen(
        _git(["--git-dir", str(repository), *arguments]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_git_environment(),
        cwd=repository,
    )
    deadline = threading.Timer(_GIT_TIMEOUT, process.kill)
    deadline.start()
    try:
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise ValueError(process.returncode)
    finally:
        deadline.cancel()


def _git_environment() -> dict[str, str]:
    """Who may need to log in keeps that; what a repository around us says does not count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": ":".join(_SCHEMES),
    }
