"""Which files a submission had when its run began, so that a verdict is not about files that somebody took away."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 2000
_NOT_ITS_OWN = frozenset({"__pycache__", ".venv", "venv", "node_modules", ".git", ".mypy_cache", ".ruff_cache"})
"""What tools make anew, and remove, as they like."""


class Snapshot:
    """The names of a submission's files at one moment; of a very large one, the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        for place, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if name not in _NOT_ITS_OWN)
            self._files += [Path(place) / name for name in sorted(files)]
            if len(self._files) > _MOST:
                del self._files[_MOST:]
                break

    def missing(self) -> str | None:
        """The first file that is not there any more, as people would name it."""
        if not self._folder.is_dir():
            return str(self._folder)
        gone = next((path for path in self._files if not os.path.lexists(path)), None)
        return None if gone is None else str(gone.relative_to(self._folder))
