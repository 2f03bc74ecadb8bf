"""Unpack a stranger's archive: ``python unpack.py ARCHIVE FOLDER``. Standard library alone; one line says what is wrong.

Taken are folders and regular files, with paths that stay inside, up to a bound on their number and their size. Links,
devices, absolute paths and ``..`` are refused, and so is an archive that holds any of them.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path, PurePosixPath

MOST_ENTRIES = 5_000
MOST_BYTES = 100_000_000


def unpack(archive: Path, folder: Path) -> None:
    """Unpack ``archive`` into ``folder``. ValueError, before that entry is written, for one that is not taken."""
    total = 0
    with tarfile.open(archive) as tar:
        for number, entry in enumerate(tar, start=1):
            name = PurePosixPath(entry.name)
            if number > MOST_ENTRIES:
                raise ValueError(f"more than {MOST_ENTRIES} entries")
            if name.is_absolute() or ".." in name.parts or "\0" in entry.name:
                raise ValueError(f"{entry.name!r} would leave the folder")
            if not (entry.isdir() or entry.isreg()):
                raise ValueError(f"{entry.name!r} is a link or a device; put the file itself there")
            total += entry.size
            if total > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES:,} bytes")
            target = folder / name
            if entry.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(entry)
            target.write_bytes(content.read(MOST_BYTES) if content else b"")
            target.chmod(0o755 if entry.mode & 0o100 else 0o644)


if __name__ == "__main__":
    try:
        unpack(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, ValueError, EOFError, tarfile.TarError) as problem:
        print(f"the archive cannot be unpacked: {problem}", file=sys.stderr)
        sys.exit(2)
