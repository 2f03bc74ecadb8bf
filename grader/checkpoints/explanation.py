"""What there is to say of a check besides its verdict: from its declaration, and the faults that it is known to find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from grader.declare import Check

FAULTS = "faults.json"
"""Check id to the typical faults that it finds, one sentence each. Written by ``make checkpoints`` from the zoo."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One check for somebody who wants to understand it."""

    check: Check
    faults: tuple[str, ...]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """What is done to the submission before the check judges, one sentence a scenario."""
        return tuple(scenario.sentence for scenario in self.check.on)

    @property
    def after(self) -> tuple[str, ...]:
        """The ids of the checks that must pass first."""
        return tuple(check.id for check in self.check.after)


def explain(check: Check) -> Explanation:
    """Everything that is known of ``check``."""
    return Explanation(check, _faults().get(check.id, ()))


@cache
def _faults() -> dict[str, tuple[str, ...]]:
    text = resources.files("grader.checkpoints").joinpath(FAULTS).read_text(encoding="utf-8")
    return {id: tuple(faults) for id, faults in json.loads(text).items()}
