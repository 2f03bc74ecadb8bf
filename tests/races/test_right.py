"""Right designs of the zoo that stress the gate most: no schedule and no point of theirs breaks a rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.races.grades import verdicts
from tests.zoo.submissions import Right, all_right, make_right

STRESSING = (
    "advisory-lock-worker",
    "asyncpg-worker",
    "held-transaction",
    "pipeline-worker",
    "serializable-worker",
)
EXPLORING = ("3b.interleavings", "3b.crash-points", "x.signal-points")
DESIGNS = [entry for entry in all_right() if entry.name in STRESSING]


@pytest.mark.parametrize("entry", DESIGNS, ids=lambda entry: entry.name)
def test_no_schedule_and_no_point_of_a_right_design_breaks_a_rule(entry: Right, tmp_path: Path) -> None:
    found = verdicts(make_right(entry, tmp_path), tmp_path / "run", EXPLORING)
    assert found == dict.fromkeys(EXPLORING, "pass")
