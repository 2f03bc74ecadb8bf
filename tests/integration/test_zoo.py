"""The zoo's races and crashes, graded: each fault fails what it must, each right design passes what it must.

What it must are the checks that walk schedules and points, and those that its entry names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.zoo.submissions import Right, Wrong, all_right, all_wrong, make_right, make_wrong

ROOT = Path(__file__).parents[2]
EXPLORING = frozenset({"3b.interleavings", "3b.crash-points", "x.signal-points"})


def verdicts(folder: Path, output: Path, checks: Collection[str] = ()) -> dict[str, str]:
    """Check id to verdict; of all checks if none is named."""
    only = ["--only", *sorted(checks)] if checks else []
    command = [sys.executable, "-m", "grader", "grade", str(folder), "--postgres", "embedded"]
    subprocess.run(
        [*command, "--output", str(output), *only], cwd=ROOT, timeout=240, stdout=subprocess.DEVNULL, check=False
    )
    report = json.loads((output / "report.json").read_text())
    return {check["id"]: check["verdict"] for check in report["checks"]}


@pytest.mark.parametrize("entry", all_wrong(), ids=lambda entry: entry.name)
def test_a_fault_fails_its_checks_and_no_other(entry: Wrong, tmp_path: Path) -> None:
    found = verdicts(make_wrong(entry, tmp_path), tmp_path / "run", EXPLORING | entry.must_fail)
    failed = {check for check, verdict in found.items() if verdict == "fail"}
    others = {check: verdict for check, verdict in found.items() if verdict not in ("fail", "pass")}
    assert not others
    assert entry.must_fail <= failed <= entry.must_fail | entry.may_fail


@pytest.mark.parametrize("entry", all_right(), ids=lambda entry: entry.name)
def test_a_right_design_gets_every_point_that_it_does_not_forgo(entry: Right, tmp_path: Path) -> None:
    found = verdicts(make_right(entry, tmp_path), tmp_path / "run")
    assert {check: verdict for check, verdict in found.items() if verdict != "pass"} == dict.fromkeys(
        entry.forgoes, "fail"
    )
