"""The report of a run: data first, then what people see.

``write_all`` writes every file, ``BY_NAME`` has the formats of others; ``render_terminal`` prints; ``LiveProgress``
shows a run while it is under way. All of them see only ``grader.model`` and ``grader.history``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from grader.files import write_atomically
from grader.model import Report
from grader.report.foreign import read_graded
from grader.report.formats import BY_NAME, REFUSED, Format, write_refusal
from grader.report.github import without_commands
from grader.report.gradebook import Entry, render_gradebook
from grader.report.html import Advice, render_html
from grader.report.json_report import from_json, read_json, render_json, schema, to_json
from grader.report.lanes import draw_names, draw_step
from grader.report.look import Look
from grader.report.progress import LiveProgress
from grader.report.scenes import Recorded
from grader.report.terminal import render_terminal
from grader.report.text import line

__all__ = [
    "BY_NAME",
    "FILES",
    "FORMATS",
    "REFUSED",
    "Advice",
    "Entry",
    "Format",
    "LiveProgress",
    "Look",
    "Recorded",
    "draw_names",
    "draw_step",
    "from_json",
    "line",
    "read_graded",
    "read_json",
    "render_gradebook",
    "render_html",
    "render_json",
    "render_terminal",
    "schema",
    "to_json",
    "without_commands",
    "write_all",
    "write_refusal",
]

FORMATS: Mapping[str, Callable[[Report], str]] = MappingProxyType(
    {
        # The data first: everything else can be made from it again.
        "report.json": render_json,
        "report.html": render_html,
    }
)
"""Every file of a report and the function that gives its text, in the order in which they are written."""

FILES = (REFUSED, *FORMATS, *(each.file for each in BY_NAME.values()))
"""Every file that may be in a run's folder because of its report."""


def write_all(report: Report, folder: Path, formats: Mapping[str, Callable[[Report], str]] = FORMATS) -> list[str]:
    """Write every format of ``report`` into ``folder``, which is made when it is missing.

    A format that cannot be rendered or written stops no other: what went wrong comes back, one line each.
    """
    problems = []
    for name, render in formats.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, render(report))
        except Exception as problem:  # whatever it is, the others get their turn
            problems.append(line(f"{name} was not written: {type(problem).__name__}: {problem}"))
    return problems
