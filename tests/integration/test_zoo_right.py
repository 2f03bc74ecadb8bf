"""Right designs of the zoo that stress the gate most, graded whole: each gets every point that it does not forgo."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.zoo_grades import verdicts
from tests.zoo.submissions import Right, all_right, make_right

STRESSING = (
    "advisory-lock-worker",
    "asyncpg-worker",
    "held-transaction",
    "pipeline-worker",
    "serializable-worker",
)
DESIGNS = [entry for entry in all_right() if entry.name in STRESSING]


@pytest.mark.parametrize("entry", DESIGNS, ids=lambda entry: entry.name)
def test_a_right_design_gets_every_point_that_it_does_not_forgo(entry: Right, tmp_path: Path) -> None:
    found = verdicts(make_right(entry, tmp_path), tmp_path / "run")
    lost = {check: verdict for check, verdict in found.items() if verdict != "pass"}
    assert lost == dict.fromkeys(entry.forgoes, "fail")
