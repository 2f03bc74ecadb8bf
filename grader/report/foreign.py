"""Reading a report that somebody else may have written: an artifact of a pull request, a folder that was sent in.

Nothing is believed: the file is no link, its size is bounded, every value has its type, numbers are finite. What comes
out can be given to every renderer.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

from grader.errors import BadCall
from grader.model import Refusal, Report
from grader.report.formats import REFUSED
from grader.report.json_report import from_json
from grader.report.refusal import refusal_from_json
from grader.report.text import line

MOST_BYTES = 64_000_000
MOST_CHECKS = 200
_LARGEST = 1e9
"""Points and seconds beyond it are nonsense, and break sums."""


def read_graded(place: Path) -> Report | Refusal:
    """The report in a run's folder (or in that very file), or the reason why there is none.

    BadCall when there is neither, or one that cannot be believed.
    """
    candidates = [place / "report.json", place / REFUSED] if place.is_dir() else [place]
    for path in candidates:
        try:
            fields = json.loads(_text(path))
            if path.name == REFUSED:
                return refusal_from_json(fields)
            report = from_json(fields)
            _believe(report, Report, "report")
            if len(report.checks) > MOST_CHECKS:
                raise ValueError(f"more than {MOST_CHECKS} checks")
        except FileNotFoundError:
            continue
        except RecursionError:
            raise BadCall(f"{path}: not a report: nested too deeply") from None
        except (OSError, ValueError) as problem:
            raise BadCall(f"{path}: not a report that can be read: {line(str(problem))}") from None
        else:
            return report
    raise BadCall(f"{place}: no report.json there; give the folder that --output named when it was graded")


def _text(path: Path) -> str:
    # O_NONBLOCK: a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES:,} bytes")
    return content.decode()


def _believe(value: Any, expected: Any, name: str) -> None:
    """ValueError, naming the place, unless ``value`` is what the annotation ``expected`` says."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union):
        if value is not None:
            [one] = (argument for argument in arguments if argument is not type(None))
            _believe(value, one, name)
    elif origin is tuple:
        for number, item in enumerate(value):
            _believe(item, arguments[0], f"{name}[{number}]")
    elif dataclasses.is_dataclass(expected) and isinstance(value, typing.cast(type, expected)):
        hints = typing.get_type_hints(expected)
        for field in dataclasses.fields(expected):
            _believe(getattr(value, field.name), hints[field.name], f"{name}.{field.name}")
    elif not _is(value, expected):
        raise ValueError(f"{name} is not what it should be")


def _is(value: Any, expected: type) -> bool:
    if expected is float:
        return _is_number(value) and abs(value) <= _LARGEST
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**63
    if issubclass(expected, Enum | bool | str):
        return isinstance(value, expected)
    raise AssertionError(expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
