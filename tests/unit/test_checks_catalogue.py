"""The catalogue of the checks (grader/checkpoints/__init__.py), and what holds of every check in it."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from grader.checkpoints import all_checks, scenarios_of, select
from grader.declare import Check
from grader.errors import BadCall
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import Verdict
from tests.unit.histories import Story

CHECKS = all_checks()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_check_passes_or_fails_by_accident_on_an_empty_history(check: Check) -> None:
    takes = {s.name: [Take(History([]), 1.0)] for s in check.on}
    assert Judge((check,), takes).results()[check.id].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_check_passes_when_nothing_happened_after_the_start(check: Check) -> None:
    started = Story().start("api").start("worker-A").history()
    takes = {s.name: [Take(started, 1.0)] for s in check.on}
    assert Judge((check,), takes).results()[check.id].verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL)


def test_every_check_comes_after_those_that_it_builds_on() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert {before.id for before in check.after} <= seen, check.id
        seen.add(check.id)


def test_no_check_waits_for_itself_to_be_explained() -> None:
    needs = {check.id: [other.id for other in (*check.after, *check.explained_by)] for check in CHECKS}
    assert tuple(TopologicalSorter(needs).static_order())  # raises CycleError


def test_scenario_names_are_unique() -> None:
    names = [s.name for s in scenarios_of(CHECKS)]
    assert len(names) == len(set(names))


def test_a_part_and_single_checks_can_be_selected() -> None:
    assert [c.id for c in select(CHECKS, only=["3b.burst", "2.read"])] == ["2.read", "3b.burst"]
    assert {c.part for c in select(CHECKS, part="3a")} == {"3a"}
    assert select(CHECKS) == CHECKS


def test_an_unknown_check_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadCall, match="did you mean 3a.starts"):
        select(CHECKS, only=["3a.start"])
    with pytest.raises(BadCall, match="2, 3a, 3b, x"):
        select(CHECKS, part="3")


def test_a_check_is_found_whatever_the_case_of_its_letters() -> None:
    with pytest.raises(BadCall, match=r"did you mean 3a\.starts\?"):
        select(CHECKS, only=["3A.STARTS"])
    with pytest.raises(BadCall, match=r"did you mean 3a\.sigint\?"):
        select(CHECKS, only=["3a.SIGNIT"])


@pytest.mark.parametrize("name", ["3a", "X"])
def test_a_part_that_is_given_for_a_check_is_called_a_part(name: str) -> None:
    with pytest.raises(BadCall, match=f"{name} is a part, not a check"):
        select(CHECKS, only=[name])


@pytest.mark.parametrize("only", [["3b.burst"], ["3a.starts", "3b.burst"]])
def test_a_check_of_another_part_than_the_one_asked_for_is_refused(only: list[str]) -> None:
    with pytest.raises(BadCall, match=r"3b\.burst is a check of part 3b, not of part 3a"):
        select(CHECKS, only=only, part="3a")
    assert [c.id for c in select(CHECKS, only=["3a.starts"], part="3a")] == ["3a.starts"]


def test_a_call_that_is_refused_is_told_what_to_call_in_the_words_in_which_it_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MAKELEVEL", raising=False)
    with pytest.raises(BadCall, match="`grader checks` lists them all"):
        select(CHECKS, only=["nonsense"])
    with pytest.raises(BadCall, match="`grader grade starter --part 3a` grades all of it"):
        select(CHECKS, only=["3a"])
    monkeypatch.setenv("MAKELEVEL", "1")
    with pytest.raises(BadCall, match="`make checks` lists them all"):
        select(CHECKS, only=["nonsense"])
    with pytest.raises(BadCall, match="`make grade PART=3a` grades all of it"):
        select(CHECKS, only=["3a"])
