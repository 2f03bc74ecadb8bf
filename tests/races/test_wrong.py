"""The zoo's races and crashes, graded: each fault fails what it must, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.races.grades import verdicts
from tests.zoo.submissions import Wrong, all_wrong, make_wrong

EXPLORING = frozenset({"3b.interleavings", "3b.crash-points", "x.signal-points"})
BY_ALL_THREE = (
    "handler-after-connecting",
    "lock-that-waits",
    "no-recovery",
    "process-mutex",
    "select-then-update",
    "serializable-without-retry",
    "start-resets-all",
    "whole-table-locked",
)
"""These, one of each kind, are explored in every way, to see that what they keep is not blamed; the others by what they
break alone: `make zoo` explores them all."""

RACES = [entry for entry in all_wrong() if entry.must_fail & EXPLORING or entry.name in BY_ALL_THREE]


@pytest.mark.parametrize("entry", RACES, ids=lambda entry: entry.name)
def test_a_race_or_a_crash_window_fails_its_checks_and_no_other(entry: Wrong, tmp_path: Path) -> None:
    checks = entry.must_fail | (EXPLORING if entry.name in BY_ALL_THREE else frozenset())
    found = verdicts(make_wrong(entry, tmp_path), tmp_path / "run", checks)
    failed = {check for check, verdict in found.items() if verdict == "fail"}
    unclear = {check: verdict for check, verdict in found.items() if verdict not in ("fail", "pass")}
    assert not unclear
    assert entry.must_fail <= failed <= entry.must_fail | entry.may_fail
