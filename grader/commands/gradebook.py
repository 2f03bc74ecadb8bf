"""``grader gradebook DIR…``: the reports of a class as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.commands.convert import to_place
from grader.errors import BadCall
from grader.report import REFUSED, Entry, read_graded, render_gradebook


def gradebook(folders: Sequence[Path], output: str) -> int:
    """Write the table to ``output`` (``-``: to standard output).

    Each folder is one run, or holds one folder a run. One that holds no report, or none that can be read, has its row
    all the same, with the reason. Raises BadCall or EnvironmentFailed.
    """
    runs = list(dict.fromkeys(run for folder in folders for run in _runs(folder)))
    if not runs:
        raise BadCall("no runs there; give the folder that holds one folder a run")
    to_place(output, render_gradebook([_entry(run) for run in runs]))
    return 0


def _runs(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise BadCall(f"{folder}: no such folder")
    if any((folder / name).is_file() for name in ("report.json", REFUSED)):
        yield folder
    else:
        yield from sorted(child for child in folder.iterdir() if child.is_dir())


def _entry(run: Path) -> Entry:
    try:
        return Entry(run.resolve().name, read_graded(run))
    except BadCall as problem:
        return Entry(run.resolve().name, str(problem))
