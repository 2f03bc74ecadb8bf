"""The zoo's races and crashes, graded: each fault fails what it must, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.zoo_grades import verdicts
from tests.zoo.submissions import Wrong, all_wrong, make_wrong

EXPLORING = frozenset({"3b.interleavings", "3b.crash-points", "x.signal-points"})
SLICE = (
    "busy-flag-set-late",
    "claims-more-than-one",
    "handler-after-connecting",
    "lock-that-waits",
    "lock-under-autocommit",
    "no-recovery",
    "nowait-unhandled",
    "process-mutex",
    "rescue-by-id",
    "row-count-unchecked",
    "rows-locked-in-either-order",
    "select-then-update",
    "serializable-without-retry",
    "start-resets-all",
    "unlocked-subselect",
    "whole-table-locked",
)
RACES = [entry for entry in all_wrong() if entry.name in SLICE]


@pytest.mark.parametrize("entry", RACES, ids=lambda entry: entry.name)
def test_a_race_or_a_crash_window_fails_its_checks_and_no_other(entry: Wrong, tmp_path: Path) -> None:
    found = verdicts(make_wrong(entry, tmp_path), tmp_path / "run", EXPLORING | entry.must_fail)
    failed = {check for check, verdict in found.items() if verdict == "fail"}
    unclear = {check: verdict for check, verdict in found.items() if verdict not in ("fail", "pass")}
    assert not unclear
    assert entry.must_fail <= failed <= entry.must_fail | entry.may_fail
