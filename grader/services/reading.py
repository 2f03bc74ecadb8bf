"""What the commands of a submission may read besides their own folder: the system's programs, and what runs them.

Hardly anything here is taken from the submission: a link of its own could lead anywhere. Its ``.venv`` may lead to what
has the form of a Python installation, and to that alone.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store")))
"""Programs and libraries of the system, where they are."""

ETC = (
    *(
        Path("/etc") / name
        for name in (
            *("alternatives", "ca-certificates", "fonts", "java", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
            *("localtime", "mime.types", "pki", "protocols", "services", "ssl", "timezone"),
        )
    ),
    *sorted(Path("/etc").glob("java-*")),  # Debian keeps part of each JDK there
)
"""Settings that programs look for, and that hold nothing of anybody's."""

_MOST_LINKS = 8

_PARTS = ("bin", "include", "lib", "lib32", "lib64", "libexec", "pyvenv.cfg", "share")
"""What there is of an installation in a folder that may hold other things as well."""


def readable(command: Sequence[str], more: Sequence[Path] = ()) -> tuple[Path, ...]:
    """What an absolute ``command`` needs beyond SYSTEM and ETC: the grader's interpreter, and its own installation.

    The installation only for a program that is on PATH, which is the grader's own. ``more`` is what somebody asked for.
    """
    found = [*_installation(Path(sys.prefix)), *_installation(Path(sys.base_prefix))]
    program = Path(command[0])
    if shutil.which(program.name) == str(program):
        resolved = program.resolve()
        if resolved.parent.name == "bin":
            found += _installation(resolved.parent.parent)
        found += [program, resolved]
    else:
        found += _python_behind(program)
    found += more
    system = [folder.resolve() for folder in SYSTEM]
    kept = [path for path in dict.fromkeys(found) if not any(path.is_relative_to(root) for root in system)]
    there = [path for path in kept if path.exists()]
    return tuple(
        path for path in there if not any(path != other and path.is_relative_to(other) for other in there)
    )


def _python_behind(program: Path) -> list[Path]:
    """The installation that a virtual environment's interpreter is a link to, with the links on the way."""
    links: list[Path] = []
    step = program
    while step.is_symlink() and len(links) < _MOST_LINKS:
        step = Path(os.path.normpath(step.parent / step.readlink()))
        links.append(step)
    prefix = step.parent.parent
    modules = [path for path in (prefix / "lib").glob("python3.*") if (path / "os.py").is_file()]
    is_python = step.parent.name == "bin" and step.name.startswith("python") and modules and step.is_file()
    return [*links, *_installation(prefix)] if is_python else []


def _installation(prefix: Path) -> list[Path]:
    """The folders of an installation, one by one: its prefix may be somebody's home."""
    return [prefix / part for part in _PARTS if (prefix / part).exists() and _is_program_data(prefix, part)]


def _is_program_data(prefix: Path, part: str) -> bool:
    """Not ~/.local/share, where people keep what is theirs."""
    return part != "share" or prefix.name != ".local"
