"""A counterexample drawn in columns: every step in its lane, in order, within the width."""

from __future__ import annotations

import dataclasses
import random

import pytest
from rich.cells import cell_len

from grader.model import Counterexample, LaneStep
from grader.report.lanes import SHOWN_STEPS, draw, shorten, wrap
from grader.report.look import Look

UNICODE, ASCII = Look("utf-8", True), Look("ascii", False)
SELECT = "SELECT id FROM tasks WHERE status='pending'"
UPDATE = "UPDATE tasks SET status='processing' WHERE id=7"

TWO = Counterexample(
    ("worker-A", "worker-B"),
    (
        LaneStep(1, "worker-A", SELECT, "task 7", "T"),
        LaneStep(2, "worker-B", UPDATE, waits_for="worker-A"),
        LaneStep(3, "worker-A", "COMMIT", "done", "I"),
        LaneStep(4, "worker-B", UPDATE, "1 row", "T", goes_on=True, changes=("task 7: pending → processing",)),
    ),
    "one pending task",
    "task 7 was claimed twice: by worker-A at step 1, by worker-B at step 4",
    "A B A B",
    3,
)


def drawn(order: Counterexample, width: int = 80, look: Look = UNICODE) -> list[str]:
    return [row.plain for row in draw(order, width, look)]


def order(*steps: LaneStep, lanes: tuple[str, ...] = ("worker-A", "worker-B")) -> Counterexample:
    return Counterexample(lanes, steps, "one pending task", "it broke", "A", 0)


def test_two_lanes_beside_each_other_tell_who_waits_and_who_goes_on() -> None:
    assert drawn(TWO) == [
        "  one pending task",
        "      worker-A ───────────────────────────  worker-B ───────────────────────────",
        "   1  SELECT id FROM tasks WHERE",
        "      status='pending'",
        "      → task 7, in a transaction",
        "   2                                        UPDATE tasks SET status='processing'",
        "                                            WHERE id=7",
        "                                            → waits for worker-A",
        "   3  COMMIT → done",
        "   4                                        (step 2 goes on)",
        "                                            → 1 row, in a transaction",
        "                                            * task 7: pending → processing",
        "  task 7 was claimed twice: by worker-A at step 1, by worker-B at step 4",
        "  seen again in 3 of 3 runs on fresh processes",
    ]


def test_without_unicode_the_drawing_is_ascii() -> None:
    rows = drawn(TWO, look=ASCII)
    assert "\n".join(rows).isascii()
    assert rows[1] == f"      worker-A {'-' * 27}  worker-B {'-' * 27}"
    assert "      -> task 7, in a transaction" in rows
    assert rows[-3].endswith("* task 7: pending -> processing")


def test_one_lane_takes_the_whole_width() -> None:
    rows = drawn(order(LaneStep(1, "worker-A", SELECT, "error 40001", "E"), lanes=("worker-A",)))
    assert f"   1  {SELECT}" in rows
    assert "      → error 40001, failed transaction" in rows


def test_three_lanes_fit_and_each_step_stands_in_its_own() -> None:
    lanes = ("grader", "worker-A", "worker-B")
    rows = drawn(order(*(LaneStep(n, lane, "COMMIT", "done") for n, lane in enumerate(lanes, 1)), lanes=lanes))
    names, *steps = rows[1:5]
    assert [row.index("COMMIT") for row in steps] == [names.index(lane) for lane in lanes]
    assert max(map(cell_len, rows)) == 79


def test_lanes_that_would_be_too_narrow_are_named_step_by_step_instead() -> None:
    rows = drawn(TWO, 36)
    assert "   1  worker-A: SELECT id FROM tasks" in rows
    assert "   3  worker-A: COMMIT → done" in rows
    assert max(map(cell_len, rows)) <= 36


def test_a_lane_that_the_counterexample_does_not_name_is_drawn_all_the_same() -> None:
    rows = drawn(order(LaneStep(1, "grader", "SIGTERM")))
    assert rows[1].split()[::2] == ["worker-A", "worker-B", "grader"]
    assert rows[2].index("SIGTERM") == rows[1].index("grader")


def test_without_steps_the_rule_is_still_told() -> None:
    assert drawn(order()) == ["  one pending task", "  it broke"]


def test_a_step_that_says_nothing_keeps_its_number() -> None:
    assert "   1" in drawn(order(LaneStep(1, "worker-A", "")))


def test_what_goes_on_without_having_waited_says_what_it_is() -> None:
    assert "   1  (goes on) COMMIT → done" in drawn(
        order(LaneStep(1, "worker-A", "COMMIT", "done", "I", None, True))
    )


def test_the_end_of_a_statement_names_the_last_step_at_which_it_waited() -> None:
    waits = [LaneStep(n, "worker-A", UPDATE, waits_for="worker-B") for n in (1, 2)]
    other = LaneStep(3, "worker-B", UPDATE, waits_for="worker-A")
    rows = drawn(order(*waits, other, LaneStep(4, "worker-A", UPDATE, "1 row", "I", goes_on=True)))
    assert "   4  (step 2 goes on) → 1 row" in rows


@pytest.mark.parametrize(("replays", "said"), [(1, "1 of 1 run on"), (3, "3 of 3 runs on"), (0, "")])
def test_how_often_it_was_seen_again_is_said_if_it_was(replays: int, said: str) -> None:
    last = drawn(dataclasses.replace(TWO, replays=replays))[-1]
    assert last == (f"  seen again in {said} fresh processes" if said else drawn(TWO)[-2])


def test_a_long_statement_loses_its_middle_and_keeps_both_ends() -> None:
    sql = "UPDATE tasks SET " + ", ".join(f"c{n} = {n}" for n in range(500)) + " WHERE id = 7 RETURNING id"
    rows = drawn(order(LaneStep(1, "worker-A", sql, "1 row", "I"), LaneStep(2, "worker-B", "COMMIT")))
    start = rows.index(next(row for row in rows if row.startswith("   1")))
    end = rows.index(next(row for row in rows if row.startswith("   2")))
    said = " ".join(row[6:] for row in rows[start:end])
    assert end - start == 4
    assert said.startswith("UPDATE tasks SET c0 = 0,")
    assert said.endswith("WHERE id = 7 RETURNING id → 1 row")
    assert said.count("…") == 1


def test_of_very_many_steps_the_beginning_and_the_end_are_drawn() -> None:
    rows = drawn(order(*(LaneStep(n, "worker-A", "COMMIT") for n in range(1, SHOWN_STEPS + 61))))
    assert "       60 steps more in the full report" in rows
    assert [row.split()[0] for row in rows if "COMMIT" in row] == [
        str(n) for n in (*range(1, 21), *range(81, 101))
    ]


def test_wide_characters_are_counted_as_two_cells() -> None:
    assert wrap("漢字漢字 ab", 5) == ["漢字", "漢字", "ab"]
    rows = drawn(order(LaneStep(1, "worker-A", "漢字" * 200, "字" * 90, "T", changes=("漢" * 80,))))
    assert max(map(cell_len, rows)) <= 80


@pytest.mark.parametrize("text", ["x" * 200_000, "x " * 100_000, "漢" * 100_000])
def test_a_text_without_end_takes_no_more_than_its_rows(text: str) -> None:
    said = shorten(text, 36, 3)
    assert len(said) == 3
    assert max(map(cell_len, said)) <= 36


def any_text(chance: random.Random) -> str:
    words = ("", "a", "'pending'", "漢字", "e\u0301", "→", "…", "👩\u200d🔧", "[red]", "x" * 70, "字" * 50)
    return " ".join(chance.choices(words, k=chance.randrange(12)))


def any_step(chance: random.Random) -> LaneStep:
    lanes = ("worker-A", "worker-B", "grader", "a lane with a long name " * 5)
    return LaneStep(
        chance.randrange(1, 1000),
        chance.choice(lanes),
        any_text(chance),
        any_text(chance),
        chance.choice((None, "I", "T", "E")),
        chance.choice((None, *lanes)),
        chance.random() < 0.5,
        tuple(any_text(chance) for _ in range(chance.randrange(3))),
    )


@pytest.mark.parametrize("look", [UNICODE, ASCII])
@pytest.mark.parametrize("seed", range(50))
def test_no_row_is_wider_than_it_may_be_nor_ends_with_a_blank(seed: int, look: Look) -> None:
    chance = random.Random(seed)
    made = order(*(any_step(chance) for _ in range(chance.randrange(7))))
    width = chance.randrange(24, 101)
    for row in draw(dataclasses.replace(made, rule=any_text(chance)), width, look):
        assert row.cell_len <= width
        assert row.plain == row.plain.rstrip()
