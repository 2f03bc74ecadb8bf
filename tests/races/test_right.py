"""Right designs of the zoo that stress the gate most: no schedule, no point and no held step finds anything in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.races.grades import verdicts
from tests.zoo.submissions import all_right, make_right

EXPLORING = ("3b.interleavings", "3b.crash-points", "x.signal-points")
HOLDING = (
    "2.create",
    "3a.log-tasks",
    "3a.sigterm-takes-no-more",
    "3b.atomic-claim",
    "3b.skip-locked",
    "x.fencing",
)
"""Checks whose scenarios hold a step or a row."""

DESIGNS = {
    "advisory-lock-worker": EXPLORING,
    "asyncpg-worker": EXPLORING,
    "held-transaction": (*EXPLORING, *HOLDING),
    "pipeline-worker": EXPLORING,
    "serializable-worker": EXPLORING,
    "stored-function": HOLDING,
    "update-returning": HOLDING,
    "uuid-ids": HOLDING,
}


@pytest.mark.parametrize(("name", "checks"), DESIGNS.items(), ids=list(DESIGNS))
def test_nothing_is_found_in_a_right_design(name: str, checks: Sequence[str], tmp_path: Path) -> None:
    [entry] = [each for each in all_right() if each.name == name]
    found = verdicts(make_right(entry, tmp_path), tmp_path / "run", checks)
    assert found == dict.fromkeys(checks, "pass")
