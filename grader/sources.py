"""Where a submission comes from: a folder, an archive, or a git repository.

Archives and repositories are strangers' work. Nothing of them is written outside the folder they are unpacked into; a
link, a device, a name that leads elsewhere, too many entries or too many bytes is refused, with what it was.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from grader.archives import CHUNK, MOST_BYTES, Room, unpack_archive
from grader.errors import BadSubmission, EnvironmentFailed
from grader.run_folder import run_folder

_GIT_TIMEOUT = 120.0
_BLOCK = 512
"""Bytes that a POSIX shell's ``ulimit -f`` counts in."""

_ARCHIVES = (".zip", ".tar.gz", ".tgz")
_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})


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
        unpack = unpack_archive
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
        _take_files(repository, Room(files))
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


def _take_files(repository: Path, room: Room) -> None:
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


def _entries_of(listing: IO[bytes], room: Room) -> Iterator[tuple[bytes, Path, bool] | None]:
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
    while data := stream.read(CHUNK):
        *lines, rest = (rest + data).split(b"\0")
        yield from lines
        if len(rest) > CHUNK:
            raise BadSubmission(f"the name of a file is longer than {CHUNK} bytes")


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
