"""``grader convert RUN-DIR``: a report that is there already, in other formats; runs and judges nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from grader.errors import BadCall, EnvironmentFailed
from grader.files import write_atomically
from grader.model import Refusal, Report
from grader.report import BY_NAME, read_graded, write_all, write_refusal


def convert(run: Path, formats: Sequence[str], output: str | None) -> int:
    """Write ``formats`` beside the report, or the only one of them to ``output`` (``-``: to standard output).

    The report is read as data that a stranger wrote. Raises BadCall or EnvironmentFailed.
    """
    graded = read_graded(run)
    if output is not None:
        if len(formats) != 1:
            raise BadCall("--output takes one format; without it, each goes to a file of its own in RUN-DIR")
        to_place(output, _rendered(graded, formats[0]))
        return 0
    folder = run if run.is_dir() else run.parent
    if isinstance(graded, Report):
        problems = write_all(graded, folder, {BY_NAME[name].file: BY_NAME[name].render for name in formats})
    else:
        problems = write_refusal(graded, folder, formats)
    if problems:
        raise EnvironmentFailed("; ".join(problems))
    for name in formats:
        print(folder / BY_NAME[name].file)
    return 0


def _rendered(graded: Report | Refusal, name: str) -> str:
    if isinstance(graded, Report):
        return BY_NAME[name].render(graded)
    return BY_NAME[name].refuse(graded)


def to_place(output: str, text: str) -> None:
    """Write ``text`` to the file ``output``, or to standard output if that is ``-``. EnvironmentFailed if it cannot be."""
    if output == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        write_atomically(Path(output), text)
    except OSError as problem:
        raise EnvironmentFailed(f"{output}: cannot be written: {problem.strerror}") from None
