"""Counterexamples are made as small as the toy rules allow."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from grader.explore.minimise import Size, candidates, minimised
from grader.explore.search import Schedule, switches

Breaks = Callable[[str], bool]


def size(schedule: Schedule) -> Size:
    return schedule, switches(schedule), len(schedule)


def made_small(text: str, breaks: Breaks) -> str:
    def try_out(schedule: Schedule) -> Size | None:
        return size(schedule) if breaks("".join(schedule)) else None

    return "".join(minimised(size(tuple(text)), try_out))


def smallest(breaks: Breaks, longest: int) -> tuple[int, int]:
    """Switches and steps of the smallest order of A and B that breaks the rule, found by trying all."""
    texts = ("".join(letters) for n in range(longest + 1) for letters in product("AB", repeat=n))
    return min((switches(tuple(text)), len(text)) for text in texts if breaks(text))


def subsequence(needle: str) -> Breaks:
    def breaks(text: str) -> bool:
        rest = iter(text)
        return all(letter in rest for letter in needle)

    return breaks


RULES: list[tuple[str, Breaks]] = [
    ("A before B before A", subsequence("ABA")),
    ("two of each in turns", subsequence("ABAB")),
    ("three As and then a B", subsequence("AAAB")),
    ("an A, and two Bs right behind it", lambda text: "ABB" in text),
    ("either comes back", lambda text: subsequence("ABA")(text) or subsequence("BAB")(text)),
    ("a B at all", lambda text: "B" in text),
]


@pytest.mark.parametrize("start", ["BABABBAA" * 2, "B" * 8 + "AB" * 4 + "BA" * 3, "AAABBBABB" * 2])
@pytest.mark.parametrize("breaks", [pytest.param(breaks, id=words) for words, breaks in RULES])
def test_a_toy_rule_is_broken_by_the_smallest_order_there_is(breaks: Breaks, start: str) -> None:
    assert breaks(start)
    found = made_small(start, breaks)
    assert breaks(found)
    assert (switches(tuple(found)), len(found)) == smallest(breaks, 7)


def test_what_cannot_be_smaller_stays() -> None:
    assert made_small("ABAB", lambda text: text == "ABAB") == "ABAB"


def test_an_order_that_breaks_the_rule_earlier_is_cut_there() -> None:
    def try_out(schedule: Schedule) -> Size | None:
        text = "".join(schedule)
        where = text.find("AB")
        return None if where < 0 else size(tuple(text[: where + 2]))

    assert minimised(size(tuple("BBAAAB")), try_out) == ("A", "B")


def test_no_order_is_tried_twice() -> None:
    tried: list[Schedule] = []

    def try_out(schedule: Schedule) -> Size | None:
        tried.append(schedule)
        return size(schedule) if "AB" in "".join(schedule) else None

    minimised(size(tuple("ABABABAB")), try_out)
    assert len(tried) == len(set(tried))
    assert ("A", "B") * 4 not in tried


def test_time_that_is_up_leaves_the_best_one_up_to_then() -> None:
    left = iter(range(3))

    def try_out(schedule: Schedule) -> Size | None:
        return None if next(left, None) is None else size(schedule)

    found = minimised(size(tuple("ABABAB")), try_out)
    assert 0 < len(found) < 6


def test_of_two_orders_with_as_many_switches_the_one_with_fewer_lines_is_smaller() -> None:
    lines = {"AB": 9, "AAB": 3}

    def try_out(schedule: Schedule) -> Size | None:
        text = "".join(schedule)
        return (schedule, 1, lines[text]) if text in lines else None

    assert minimised((tuple("AAB"), 1, 3), try_out) == tuple("AAB")


@pytest.mark.parametrize("text", ["A", "AB", "AAAAB", "ABABAA", "A" * 9 + "B" * 5])
def test_every_candidate_is_shorter_and_nobody_takes_more_steps(text: str) -> None:
    for candidate in candidates(tuple(text)):
        assert len(candidate) < len(text)
        assert all(candidate.count(letter) <= text.count(letter) for letter in "AB")


def test_a_turn_that_is_taken_out_joins_its_neighbours() -> None:
    first = next(iter(candidates(tuple("AABAA"))))
    assert first == tuple("BAA")
    assert tuple("AAAA") in list(candidates(tuple("AABAA")))
