"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``; whoever reads it meanwhile sees the old file or the new one.

    The file gets the permissions that the umask leaves (a ``tempfile`` would be for its owner alone), and a
    link at ``path`` is replaced, never followed. Raises OSError; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(content)
        os.replace(temporary, path)  # noqa: PTH105 - the name says that it replaces
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
