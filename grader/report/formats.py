"""The formats of others, by name. Each is made from the one report, and knows what to say when there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from grader.files import write_atomically
from grader.model import Refusal, Report
from grader.report.classroom import refuse_classroom, render_classroom
from grader.report.ctrf import refuse_ctrf, render_ctrf
from grader.report.exercism import refuse_exercism, render_exercism
from grader.report.github import (
    refuse_annotations,
    refuse_comment,
    refuse_summary,
    render_annotations,
    render_comment,
    render_summary,
)
from grader.report.gradebook import render_row
from grader.report.gradescope import refuse_gradescope, render_gradescope
from grader.report.junit import refuse_junit, render_junit
from grader.report.prairielearn import refuse_prairielearn, render_prairielearn
from grader.report.refusal import refusal_text
from grader.report.text import line

REFUSED = "refused.json"
"""The file that says why there is no report."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: the file it is written to, and how its text is made with and without a report."""

    file: str
    render: Callable[[Report], str]
    refuse: Callable[[Refusal], str]


BY_NAME: Mapping[str, Format] = MappingProxyType(
    {
        "junit": Format("junit.xml", render_junit, refuse_junit),
        "ctrf": Format("ctrf.json", render_ctrf, refuse_ctrf),
        "summary": Format("summary.md", render_summary, refuse_summary),
        "comment": Format("comment.md", render_comment, refuse_comment),
        "annotations": Format("annotations.txt", render_annotations, refuse_annotations),
        "classroom": Format("classroom.json", render_classroom, refuse_classroom),
        "gradescope": Format("gradescope.json", render_gradescope, refuse_gradescope),
        "prairielearn": Format("prairielearn.json", render_prairielearn, refuse_prairielearn),
        "exercism": Format("exercism.json", render_exercism, refuse_exercism),
        "csv": Format("gradebook.csv", render_row, render_row),
    }
)
"""Every format that is written when it is asked for, by the name that ``--format`` takes."""


def write_refusal(refusal: Refusal, folder: Path, formats: Sequence[str]) -> list[str]:
    """Write ``refused.json`` and what each of the ``formats`` says instead of a report.

    A format that cannot be rendered or written stops no other: what went wrong comes back, one line each.
    """
    texts: dict[str, Callable[[Refusal], str]] = {REFUSED: refusal_text}
    texts |= {BY_NAME[name].file: BY_NAME[name].refuse for name in formats}
    problems = []
    for name, render in texts.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, render(refusal))
        except Exception as problem:  # whatever it is, the others get their turn
            problems.append(line(f"{name} was not written: {type(problem).__name__}: {problem}"))
    return problems
