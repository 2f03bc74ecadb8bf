"""Lab 03 as scenarios and checks, by topic. ``all_checks`` is the catalogue."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Sequence
from types import ModuleType

from grader.checkpoints import (
    api,
    changing,
    claiming,
    clean_exit,
    documents,
    end_to_end,
    failing,
    fencing,
    health,
    logs,
    long_task,
    points,
    polling,
    queue,
    races,
    reading,
    recovery,
    restart,
    schedules,
    shutdown,
    starting,
    stop_waiting,
    task_types,
    validation,
    worker,
)
from grader.declare import PARTS, Check, Scenario
from grader.errors import BadCall, Internal

_TOPICS: tuple[ModuleType, ...] = (
    health,
    api,
    reading,
    changing,
    validation,
    starting,
    worker,
    failing,
    polling,
    shutdown,
    stop_waiting,
    clean_exit,
    logs,
    queue,
    end_to_end,
    races,
    claiming,
    recovery,
    schedules,
    points,
    documents,
    fencing,
    restart,
    long_task,
    task_types,
)


def all_checks() -> tuple[Check, ...]:
    """Every check, part by part. Internal when two have the same id."""
    found = [value for topic in _TOPICS for value in vars(topic).values() if isinstance(value, Check)]
    # In the order in which they are declared, wherever else they are imported.
    topics = [topic.__name__ for topic in _TOPICS]
    unique = sorted(
        {id(check): check for check in found}.values(), key=lambda check: topics.index(check.judge.__module__)
    )
    ids = [check.id for check in unique]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise Internal(f"declared twice: {', '.join(sorted(twice))}")
    return tuple(sorted(unique, key=lambda check: PARTS.index(check.part)))


def select(checks: Sequence[Check], *, only: Collection[str] = (), part: str | None = None) -> tuple[Check, ...]:
    """The checks that a call asks for, in the catalogue's order; all of them when it asks for none.

    BadCall for an id or a part that does not exist, and for a check that is not in the part.
    """
    parts = {check.id: check.part for check in checks}
    for name in only:
        if name not in parts:
            raise BadCall(_no_check(name, list(parts)))
    if part is not None and part not in PARTS:
        raise BadCall(f"there is no part {part!r}: the parts are {', '.join(PARTS)}")
    for name in only:
        if part not in (None, parts[name]):
            raise BadCall(
                f"{name} is a check of part {parts[name]}, not of part {part}: "
                "ask for the check or for the part, not for both"
            )
    return tuple(c for c in checks if (not only or c.id in only) and part in (None, c.part))


def _no_check(name: str, ids: Sequence[str]) -> str:
    """What is said of a name that no check has, in the words in which the grader was called."""
    by_make = "MAKELEVEL" in os.environ
    catalogue = f"`{'make' if by_make else 'grader'} checks`"
    part = name.lower()
    if part in PARTS:
        all_of_it = f"make grade PART={part}" if by_make else f"grader grade starter --part {part}"
        return f"{name} is a part, not a check: `{all_of_it}` grades all of it, and {catalogue} lists its checks"
    close = difflib.get_close_matches(part, ids, 1)
    return f"there is no check {name!r}: {f'did you mean {close[0]}?' if close else f'{catalogue} lists them all'}"


def scenarios_of(checks: Sequence[Check]) -> tuple[Scenario, ...]:
    """The scenarios that these checks judge, each once."""
    return tuple(dict.fromkeys(scenario for check in checks for scenario in check.on))
