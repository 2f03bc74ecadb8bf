"""Reading a submission's files, which may be hostile: none is opened through a link, and none without a bound."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from grader.errors import BadSubmission

_MIGRATION_LIMIT = 1024 * 1024


class Document(NamedTuple):
    """What there was to read: the text, or else the problem, as one line without the file's name."""

    text: str | None
    problem: str | None


def read_document(folder: Path, path: Path, limit: int) -> Document:
    """Up to ``limit`` bytes of a file below ``folder``, as text; bytes that are no UTF-8 become U+FFFD.

    No part of ``path`` below the folder may be a link.
    """
    try:
        return Document(read_bytes(folder, path, limit).decode(errors="replace"), problem=None)
    except OSError as error:
        return Document(text=None, problem=reason_of(error))


def read_migration(folder: Path, path: Path) -> str:
    """The whole text of a migration below ``folder``.

    Raises BadSubmission when it is a link, too large, or not UTF-8.
    """
    shown = path.relative_to(folder)
    try:
        content = read_bytes(folder, path, _MIGRATION_LIMIT + 1)
    except OSError as error:
        raise BadSubmission(f"{shown}: cannot be read: {reason_of(error)}") from None
    if len(content) > _MIGRATION_LIMIT:
        raise BadSubmission(f"{shown}: larger than {_MIGRATION_LIMIT // 1024} KiB; split the migration")
    return decoded(content, str(shown))


def mode_of(path: Path, shown: str, *, follow: bool = True) -> int:
    """What is there, as ``st_mode`` has it; 0 for nothing. Raises BadSubmission where that cannot be told."""
    try:
        return path.stat(follow_symlinks=follow).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise BadSubmission(f"{shown}: cannot be looked at: {reason_of(error)}") from None


def decoded(content: bytes, shown: str) -> str:
    """A file as text. Raises BadSubmission, with the line, where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadSubmission(f"{shown}: not UTF-8 in line {line}; save the file as UTF-8") from None


def read_bytes(folder: Path, path: Path, limit: int) -> bytes:
    """The first ``limit`` bytes of a regular file, opened part by part so that none below ``folder`` is a link.

    Raises OSError: ELOOP for a link, EINVAL for what is no regular file.
    """
    # O_PATH: to pass through a folder takes no right to list it.
    through = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
    *parts, name = path.relative_to(folder).parts or (".",)
    at = os.open(folder, through)
    try:
        for part in parts:
            at, above = _open_at(at, part, through | os.O_NOFOLLOW), at
            os.close(above)
        # O_NONBLOCK: a FIFO would wait for a writer.
        file = _open_at(at, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(at)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(file, "rb", closefd=False) as stream:
            return stream.read(limit)
    finally:
        os.close(file)


def _open_at(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except NotADirectoryError:  # what O_DIRECTORY makes of a link
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "goes through a link") from None
        raise


def reason_of(error: OSError) -> str:
    """Why a file could not be read, for people."""
    match error.errno:
        case errno.ENOENT:
            return "there is no such file"
        case errno.ELOOP:
            return "it is a link, or behind one; put the file itself there"
        case errno.EINVAL | errno.EISDIR | errno.ENXIO:
            return "it is not a regular file"
        case _:
            return error.strerror or str(error)
