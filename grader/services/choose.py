"""Which level of isolation a run uses: what was asked for, or the strongest for self-check that works here."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from grader.errors import EnvironmentFailed
from grader.services.cgroups import find_hierarchy, remove_abandoned
from grader.services.container import Containers, Engine
from grader.services.isolation import Isolation, Level
from grader.services.limits import Limits
from grader.services.plain import Plain
from grader.services.probe import probe

Wanted = Literal["auto", "self-check", "bubblewrap", "container"]


@dataclass(frozen=True, slots=True)
class IsolationChoice:
    """What a call asks for.

    ``required`` is the least level that is accepted; ``image`` what containers are made from; ``reads`` are folders
    that services may read besides what every one may.
    """

    wanted: Wanted = "auto"
    required: Level | None = None
    limits: Limits = field(default_factory=Limits)
    image: str | None = None
    reads: tuple[Path, ...] = ()


def choose(
    choice: IsolationChoice, folder: Path, tell: Callable[[str], None], engine: Engine | None = None
) -> Isolation:
    """The isolation for a run, tried out in a new folder within ``folder``; its ``sweep`` has to be called in the end.

    ``tell`` is told when ``auto`` falls back; ``engine`` is there if containers may be. Raises EnvironmentFailed, with
    what to do, when what was asked for, or is required, does not work here.
    """
    match choice.wanted:
        case "auto":
            chosen = _strongest(choice, folder, tell, engine)
        case "self-check" | "bubblewrap" | "container":
            level = Level(choice.wanted)
            _require(choice.required, level, "as asked")
            chosen = _tried(level, choice, folder, engine)
        case _:
            assert_never(choice.wanted)
    return chosen


def _strongest(
    choice: IsolationChoice, folder: Path, tell: Callable[[str], None], engine: Engine | None
) -> Isolation:
    if choice.required is Level.CONTAINER:
        return _tried(Level.CONTAINER, choice, folder, engine)
    if sys.platform == "linux":
        try:
            return _tried(Level.BUBBLEWRAP, choice, folder, engine)
        except EnvironmentFailed as problem:
            _require(choice.required, Level.SELF_CHECK, str(problem))
            tell(f"isolation: self-check only: {problem}")
    _require(choice.required, Level.SELF_CHECK, "this system has nothing stronger")
    return _tried(Level.SELF_CHECK, choice, folder, engine)


def _require(required: Level | None, level: Level, reason: str) -> None:
    if required is not None and level.strength < required.strength:
        raise EnvironmentFailed(
            f"isolation {required.value} is required, and it would be {level.value} ({reason}); {_ADVICE[required]}"
        )


_ADVICE = {
    Level.SELF_CHECK: "grade on Linux or macOS",
    Level.BUBBLEWRAP: (
        "install bubblewrap and allow user namespaces, or use a machine that has them (labs/isolation.md)"
    ),
    Level.CONTAINER: "start Docker and name an image with --isolation container --service-image (labs/isolation.md)",
}


def _tried(level: Level, choice: IsolationChoice, folder: Path, engine: Engine | None) -> Isolation:
    try:
        isolation = _made(level, choice, folder, engine)
    except EnvironmentFailed as problem:
        raise EnvironmentFailed(f"isolation {level.value} does not work here: {problem}") from None
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix="probe-") as place:
            Path(place).chmod(0o711)
            probe(isolation, Path(place))
    except BaseException as problem:
        isolation.sweep()
        if isinstance(problem, EnvironmentFailed):
            advice = _ADVICE[level]
            raise EnvironmentFailed(f"isolation {level.value} does not work here: {problem}; {advice}") from None
        raise
    return isolation


def _made(level: Level, choice: IsolationChoice, folder: Path, engine: Engine | None) -> Isolation:
    match level:
        case Level.SELF_CHECK:
            return plain(choice.limits, choice.reads)
        case Level.BUBBLEWRAP:
            from grader.services.bubblewrap import Bubblewrap

            hierarchy = find_hierarchy()
            if hierarchy is not None:
                remove_abandoned(hierarchy)
            return Bubblewrap(choice.limits, hierarchy, choice.reads)
        case Level.CONTAINER:
            return Containers(choice.limits, engine, choice.image, folder, choice.reads)
        case _:
            assert_never(level)


def plain(limits: Limits, reads: Sequence[Path] = ()) -> Plain:
    """Level 0 with all that this machine has for it."""
    hierarchy = find_hierarchy()
    if hierarchy is not None:
        remove_abandoned(hierarchy)
    return Plain(limits, confined=True, hierarchy=hierarchy, reads=reads)
