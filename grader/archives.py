"""Unpacking what may be hostile: zip and tar archives, and the room that everything unpacked has.

Nothing is written outside the folder that it is unpacked into; a link, a device, a name that leads elsewhere, too many
entries or too many bytes is refused, with what it was. Bytes are counted as they come out, whatever a header says.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from grader.errors import BadSubmission

MOST_ENTRIES = 20_000
MOST_BYTES = 256 * 1024 * 1024
"""Of everything that is unpacked; a submission without its libraries is a few hundred KiB."""

_LONGEST_NAME = 240
_LONGEST_PATH = 600
"""With the folder that it is unpacked in, this fits into the 1,024 bytes that macOS allows."""

CHUNK = 64 * 1024
"""Bytes that are read at once."""

_NOT_CONTENT = frozenset({"__MACOSX", ".DS_Store", "pax_global_header"})
_ADVICE = "pack the files themselves, without .venv, node_modules and links"


class Room:
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
                while chunk := content.read(CHUNK):
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


def unpack_archive(source: str, folder: Path) -> None:
    """Unpack a .zip, or else a .tar.gz, into ``folder``. Raises BadSubmission."""
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
                _unpack_zip(file, Room(folder))
            else:
                _unpack_tar(file, Room(folder))
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


def _unpack_zip(file: IO[bytes], room: Room) -> None:
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


def _unpack_tar(file: IO[bytes], room: Room) -> None:
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

    def __init__(self, stream: gzip.GzipFile, room: Room) -> None:
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
