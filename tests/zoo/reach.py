"""Which checks a fault can reach, and how the others come out: as they do for the solution.

A fault changes a few files. A scenario that starts nothing of them is the same experiment as with the solution, and
need not be done again for each of two hundred faults: what ``grader watch`` does at a save. All is judged together
then, from the fault's recordings and the solution's, so that what builds on a check that failed is skipped as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.commands import changes
from grader.declare import Check
from grader.errors import CannotGrade
from grader.judging import Judge, Take
from grader.model import CheckResult
from grader.saved import load
from grader.submission import load_submission

Takes = Mapping[str, Sequence[Take]]


@dataclass(frozen=True, slots=True)
class Base:
    """The solution, and what was recorded of it by a whole grade."""

    folder: Path
    takes: Takes

    def reached(self, made: Path, checks: Sequence[Check]) -> tuple[Check, ...]:
        """Those of ``checks`` that have to be graded for the submission ``made``; all where it cannot be told."""
        files = [name for name, content in _files(self.folder, made).items() if content[0] != content[1]]
        try:
            what = changes.reach(load_submission(made), files)
        except CannotGrade:
            return tuple(checks)
        return tuple(checks) if what.setup else changes.affected(checks, self.takes, what)

    def judged(self, run: Path, checks: Sequence[Check]) -> Mapping[str, CheckResult]:
        """All ``checks``, by what a submission's ``run`` recorded, and by the solution where it recorded nothing."""
        _, own = load(run)
        takes = {scenario: list(of) for scenario, of in {**self.takes, **own}.items()}
        return Judge(checks, takes).results()


def base_of(folder: Path, run: Path) -> Base:
    """The solution in ``folder`` and its whole grade in ``run``. BadCall where that is none."""
    return Base(folder, load(run)[1])


def _files(*folders: Path) -> Mapping[str, tuple[bytes | None, ...]]:
    """Every file's content in each of the folders; None where it is not there."""
    seen = [changes.look(folder) for folder in folders]
    names = sorted(set().union(*seen))
    return {
        name: tuple(
            (folder / name).read_bytes() if name in state else None
            for folder, state in zip(folders, seen, strict=True)
        )
        for name in names
    }
