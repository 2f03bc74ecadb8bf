"""The designs that the benchmark looks at: claims that are wrong in a known way, and claims that are right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.zoo.submissions import SOLUTION, Right, Wrong, all_right, all_wrong, make_right, make_wrong

RACES = ("C01", "C02", "C03", "C16", "C17", "C18", "K12", "X07", "X09")
"""The faults of the zoo that are looked for here, by id."""

RIGHT = ("advisory-lock-worker", "asyncpg-worker", "held-transaction", "pipeline-worker", "serializable-worker")
"""The right submissions of the zoo that are looked at, beside the solution; frontrun needs a loop written for each."""


@dataclass(frozen=True, slots=True)
class Case:
    """One design. ``entry`` is the zoo's; None is the solution itself."""

    name: str
    kind: Literal["wrong", "right"]
    entry: Wrong | Right | None = None

    def make(self, folder: Path) -> Path:
        """A submission of this design that runs, in a new folder below ``folder``."""
        match self.entry:
            case Wrong():
                return make_wrong(self.entry, folder)
            case Right():
                return make_right(self.entry, folder)
            case None:
                return SOLUTION


def all_cases() -> tuple[Case, ...]:
    """The wrong ones by id, then the right ones, the solution first."""
    wrong = sorted((entry for entry in all_wrong() if entry.id in RACES), key=lambda entry: entry.id)
    return (
        *(Case(entry.name, "wrong", entry) for entry in wrong),
        Case("solution", "right"),
        *(Case(entry.name, "right", entry) for entry in all_right() if entry.name in RIGHT),
    )
