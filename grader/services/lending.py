"""Giving folders to another user for a while, as root, and taking them back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_MOST = 20_000


class Loan:
    """Folders that belong to ``user`` until ``end``; what is new in them then belongs to whoever owned the folder."""

    def __init__(self, folders: Sequence[Path], user: int) -> None:
        self._folders = tuple(folders)
        self._user = user
        self._owners: dict[tuple[int, int], tuple[int, int]] = {}
        """Device and inode to user and group."""
        for folder in self._folders:
            for path, found in _everything(folder):
                self._owners[found.st_dev, found.st_ino] = found.st_uid, found.st_gid
                _give(path, user, user)

    def end(self) -> None:
        """Take everything back that is still the borrower's. Links are not followed."""
        for folder in self._folders:
            root = folder.lstat()
            usual = self._owners.get((root.st_dev, root.st_ino), (os.geteuid(), os.getegid()))
            for path, found in _everything(folder):
                if found.st_uid == self._user:
                    _give(path, *self._owners.get((found.st_dev, found.st_ino), usual))


def unreadable(folder: Path) -> Path | None:
    """The first file or folder in there that not everybody may read; links count as what they are."""
    for path, found in _everything(folder):
        needed = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(found.st_mode) else stat.S_IROTH
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & needed != needed:
            return path
    return None


def _everything(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    yield folder, folder.lstat()
    seen = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            seen += 1
            if seen > _MOST:
                return
            path = Path(place) / name
            with suppress(OSError):
                yield path, path.lstat()


def _give(path: Path, user: int, group: int) -> None:
    with suppress(OSError):
        os.chown(path, user, group, follow_symlinks=False)
