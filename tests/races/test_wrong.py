"""The zoo's races, crash windows and moments, graded: each fault fails what it must, and nothing else."""

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

MOMENTS = (
    "commit-after-the-answer",
    "commit-of-a-function-after-the-answer",
    "commit-that-failed-is-answered-201",
    "completion-told-before-a-function-stores-it",
    "completion-told-before-the-commit",
    "completion-told-inside-the-transaction",
    "completion-told-whatever-happens",
    "every-row-locked",
    "fence-looked-at-before",
    "fence-on-status-alone",
    "flag-read-before-completion",
    "newest-first",
    "no-order",
)
"""These show at one moment alone, which comes about every time because a step on the wire, or a row, is held."""

RACES = [entry for entry in all_wrong() if entry.must_fail & EXPLORING or entry.name in (*BY_ALL_THREE, *MOMENTS)]


def test_every_fault_that_is_named_is_in_the_zoo() -> None:
    assert {*BY_ALL_THREE, *MOMENTS} <= {entry.name for entry in RACES}


@pytest.mark.parametrize("entry", RACES, ids=lambda entry: entry.name)
def test_a_fault_fails_its_checks_and_no_other(entry: Wrong, tmp_path: Path) -> None:
    checks = entry.must_fail | (EXPLORING if entry.name in BY_ALL_THREE else frozenset())
    found = verdicts(make_wrong(entry, tmp_path), tmp_path / "run", checks)
    failed = {check for check, verdict in found.items() if verdict == "fail"}
    unclear = {check: verdict for check, verdict in found.items() if verdict not in ("fail", "pass")}
    assert not unclear
    assert entry.must_fail <= failed <= entry.must_fail | entry.may_fail
