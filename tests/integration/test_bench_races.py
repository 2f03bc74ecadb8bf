"""The benchmark of races still runs, tells a wrong design from a right one, and shows what it found."""

from __future__ import annotations

import pytest

from tests.bench.bench_races import in_short, measure
from tests.bench.races.cases import RACES, RIGHT, all_cases
from tests.bench.races.table import WIDTH, Row, in_markdown, in_text, table_of
from tests.bench.races.ways import Outcome

CASES = {case.name: case for case in all_cases()}


@pytest.fixture(scope="module")
def wrong() -> Row:
    """A wrong design, with the way that always reaches a verdict on it."""
    return measure(CASES["lock-under-autocommit"], (1, 0, 0))[0]


@pytest.fixture(scope="module")
def right() -> Row:
    """A right design, with the grader's own ways."""
    return measure(CASES["held-transaction"], (1, 1, 0))[0]


def test_every_design_that_is_named_is_in_the_zoo() -> None:
    kinds = [case.kind for case in CASES.values()]
    assert (kinds.count("wrong"), kinds.count("right")) == (len(RACES), len(RIGHT) + 1)


def outcome(row: Row, column: str) -> Outcome:
    """What came of the one run of a way."""
    outcomes = row.found[column]
    assert not isinstance(outcomes, str), outcomes
    [found] = outcomes
    return found


def test_the_explorer_catches_a_wrong_design(wrong: Row) -> None:
    found = outcome(wrong, "explorer")
    assert found.answer == "broken", found.note
    assert found.note.startswith("task ")
    assert found.seconds > 0


def test_the_explorer_and_the_stress_test_let_a_right_design_pass(right: Row) -> None:
    for column in ("explorer", "stress test"):
        found = outcome(right, column)
        assert found.answer == "holds", f"{column}: {found.answer}, {found.note}"


def test_the_table_fits_a_terminal_and_says_the_same_in_markdown(wrong: Row, right: Row) -> None:
    table = table_of([wrong, right])
    text, page = in_text(table), in_markdown(table)
    assert max(map(len, text.splitlines())) <= WIDTH
    for row in (wrong, right):
        assert row.case.name in text
        assert f"`{row.case.name}`" in page
        assert row.case.name in in_short(row)
    assert "| 1/1 |" in page
    assert "| 0/1 |" in page


def test_a_way_that_was_not_asked_is_a_dash_with_the_reason_below() -> None:
    found = dict.fromkeys(("explorer", "stress test", "frontrun"), "it has no patch for this")
    table = table_of([Row(CASES["solution"], found)])
    assert table.notes == ("it has no patch for this",)
    assert "–a" in in_text(table)
    assert "(a) it has no patch for this" in in_markdown(table)
