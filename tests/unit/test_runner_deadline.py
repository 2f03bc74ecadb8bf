"""Bounds in time for a scenario and for the run."""

from __future__ import annotations

from grader.runner import Deadline


def test_a_scenario_has_a_bound() -> None:
    bound = Deadline(longest=30, run=None, began=5.0)
    assert bound.passed(34.0) is None
    assert bound.passed(35.1) == "time: a scenario may take 30 s on this machine"


def test_a_bound_that_was_passed_is_told_once_and_stays_passed() -> None:
    bound = Deadline(longest=10, run=None, began=0.0)
    assert bound.passed(11.0) is not None
    assert bound.passed(12.0) is None
    assert bound.is_over


def test_the_run_has_a_bound_of_its_own() -> None:
    bound = Deadline(longest=100, run=20, began=19.0)
    assert bound.passed(19.9) is None
    assert bound.passed(20.1) == "time: the whole run may take 20 s"
