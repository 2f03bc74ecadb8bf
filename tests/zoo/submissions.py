"""The zoo: submissions that are wrong in a known way, and submissions that are right in a way of their own.

``wrong/NAME/`` holds a fault as a patch on the solution; ``right/NAME/`` a submission of its own, without the
api-service where it says so. Both hold ``expected.toml``: what the grader must find, and what the machine must have
for that.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ZOO = Path(__file__).parent
SOLUTION = ZOO.parents[1] / "solution"
EXPECTED = "expected.toml"
PATCH = "fault.patch"

_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".venv", "node_modules", EXPECTED)
"""What a run, a build or an editor may have left in an entry, and what the grader must not see."""

_ANSWERS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault. The checks ``must_fail`` fail every time; ``may_fail`` are near it, or fail with luck; all others pass.

    A ``rare`` one is told to students last: it is here for what the grader must see, more than for being made often.
    """

    name: str
    id: str
    why: str
    must_fail: frozenset[str]
    may_fail: frozenset[str]
    rare: bool = False

    @property
    def patch(self) -> Path:
        """The fault, as a unified diff on the solution's folder."""
        return ZOO / "wrong" / self.name / PATCH


@dataclass(frozen=True, slots=True)
class Need:
    """Something that the machine must have: ``command`` ends with status 0 where it is. ``packages`` are Debian's."""

    command: tuple[str, ...]
    packages: str


@dataclass(frozen=True, slots=True)
class Right:
    """Another way to be right. All checks pass but those it ``forgoes``: check id to the reason why that is fair.

    ``api`` is ``solution`` where it has no api-service of its own and runs the solution's. ``needs`` is what it needs
    besides Python.
    """

    name: str
    why: str
    api: str
    forgoes: Mapping[str, str]
    needs: tuple[Need, ...] = ()

    @property
    def folder(self) -> Path:
        """The submission as it is written, to be copied before it runs."""
        return ZOO / "right" / self.name


def all_wrong() -> tuple[Wrong, ...]:
    """Every fault, by name."""
    return tuple(
        Wrong(
            name=folder.name,
            id=content["id"],
            why=content["why"],
            must_fail=frozenset(content["must_fail"]),
            may_fail=frozenset(content["may_fail"]),
            rare=content.get("rare", False),
        )
        for folder, content in _entries("wrong", {"id", "why", "must_fail", "may_fail"}, {"rare"})
    )


def all_right() -> tuple[Right, ...]:
    """Every right submission, by name."""
    return tuple(
        Right(
            name=folder.name,
            why=content["why"],
            api=content["api"],
            forgoes=dict(content["forgoes"]),
            needs=tuple(Need(tuple(need["command"]), need["packages"]) for need in content.get("needs", ())),
        )
        for folder, content in _entries("right", {"why", "api", "forgoes"}, {"needs"})
    )


def missing(needs: Iterable[Need]) -> str | None:
    """What the machine does not have of it, in words, and where it comes from; None when all is there."""
    absent = [need for need in needs if not _is_met(need)]
    if not absent:
        return None
    commands = " and ".join(repr(shlex.join(need.command)) for need in absent)
    return f"{commands} does not run here; install {', '.join(need.packages for need in absent)}"


def _is_met(need: Need) -> bool:
    try:
        done = subprocess.run(need.command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWERS_WITHIN)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _entries(kind: str, keys: set[str], others: set[str]) -> list[tuple[Path, Mapping[str, Any]]]:
    """Each entry's folder and what its ``expected.toml`` says. ValueError for missing or unknown keys."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    for folder in sorted(path for path in (ZOO / kind).iterdir() if path.is_dir() and path.name != "__pycache__"):
        content = tomllib.loads((folder / EXPECTED).read_text())
        if not keys <= set(content) <= keys | others:
            raise ValueError(f"{folder.name}: {EXPECTED} has {sorted(content)}, expected {sorted(keys)}")
        found.append((folder, content))
    return found


def make_wrong(entry: Wrong, folder: Path) -> Path:
    """A copy of the solution with the fault in it, in the new folder ``folder/NAME``.

    CalledProcessError when the patch does not fit any more.
    """
    made = Path(shutil.copytree(SOLUTION, folder / entry.name, ignore=_NOT_COPIED))
    # git takes no patch that fits only by half. It must not find a repository around the folder: it would leave
    # out what lies outside of that.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(made.resolve().parent)
    command = ["git", "apply", "--whitespace=nowarn", str(entry.patch)]
    subprocess.run(command, cwd=made, env=environment, check=True, capture_output=True, text=True, timeout=30)
    return made


def make_right(entry: Right, folder: Path) -> Path:
    """A copy of the submission, with the solution's api-service where it has none, in ``folder/NAME``."""
    made = Path(shutil.copytree(entry.folder, folder / entry.name, ignore=_NOT_COPIED))
    if entry.api == "solution":
        shutil.copytree(SOLUTION / "api_service", made / "api_service", ignore=_NOT_COPIED)
    return made
