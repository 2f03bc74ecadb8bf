"""The walk over schedules: every one once, those with the fewest preemptions first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from grader.explore.search import Frontier, Schedule, Walked, switches, walk


class Threads:
    """Each name takes its number of steps, in any order. ``wakes``: a name that may go only after another's step."""

    def __init__(self, wakes: dict[str, tuple[str, int]] | None = None, **steps: int) -> None:
        self.left = dict(steps)
        self.done = dict.fromkeys(steps, 0)
        self.wakes = wakes or {}

    def moves(self) -> Sequence[str]:
        return [name for name, left in self.left.items() if left and self._is_awake(name)]

    def _is_awake(self, name: str) -> bool:
        other, count = self.wakes.get(name, ("", 0))
        return not other or self.done[other] >= count

    def take(self, move: str) -> None:
        self.left[move] -= 1
        self.done[move] += 1


def search(frontier: Frontier, wakes: dict[str, tuple[str, int]] | None = None, /, **steps: int) -> list[Walked]:
    found = []
    while (beginning := frontier.pop()) is not None:
        found.append(walk(Threads(wakes, **steps), beginning, frontier))
    return found


def all_orders(**steps: int) -> set[Schedule]:
    return set(itertools.permutations("".join(name * count for name, count in steps.items())))


def preemptions(schedule: Schedule) -> int:
    """A switch away from somebody who has steps left."""
    pairs = enumerate(itertools.pairwise(schedule))
    return sum(before != after and before in schedule[i + 1 :] for i, (before, after) in pairs)


# ---------------------------------------------------------------- what is walked


@pytest.mark.parametrize("steps", [{"A": 1, "B": 1}, {"A": 3, "B": 3}, {"A": 4, "B": 2}, {"A": 2, "B": 2, "C": 2}])
def test_every_order_is_walked_exactly_once(steps: dict[str, int]) -> None:
    walked = [w.schedule for w in search(Frontier(symmetric=False), **steps)]
    assert len(walked) == len(set(walked))
    assert set(walked) == all_orders(**steps)


def test_a_schedule_that_others_make_possible_is_walked_too() -> None:
    walked = [w.schedule for w in search(Frontier(symmetric=False), {"B": ("A", 2)}, A=3, B=2)]
    wanted = {o for o in all_orders(A=3, B=2) if o.index("B") >= 2}
    assert (len(walked), set(walked)) == (len(wanted), wanted)


def test_of_two_that_are_alike_one_begins() -> None:
    walked = [w.schedule for w in search(Frontier(), A=3, B=3)]
    assert len(walked) == len(set(walked))
    assert set(walked) == {order for order in all_orders(A=3, B=3) if order[0] == "A"}


@pytest.mark.parametrize("first", ["A2", "L"])
def test_a_second_connection_or_the_grader_may_begin_though_workers_are_alike(first: str) -> None:
    steps = {"A": 1, "B": 1, first: 1}
    assert first in {w.schedule[0] for w in search(Frontier(), **steps)}


@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_with_a_bound_exactly_the_orders_within_it_are_walked(bound: int) -> None:
    walked = search(Frontier(bound, symmetric=False), A=3, B=3)
    assert {w.schedule for w in walked} == {o for o in all_orders(A=3, B=3) if preemptions(o) <= bound}
    assert len(walked) == len({w.schedule for w in walked})


# ---------------------------------------------------------------- in which order, and counted how


def test_those_with_the_fewest_preemptions_come_first() -> None:
    walked = search(Frontier(symmetric=False), A=3, B=3)
    counts = [w.preemptions for w in walked]
    assert counts == sorted(counts)
    assert counts == [preemptions(w.schedule) for w in walked]


def test_a_switch_is_a_preemption_only_where_the_one_before_could_have_gone_on() -> None:
    assert walk(Threads(A=2, B=1), ("A", "A", "B")).preemptions == 0
    assert walk(Threads(A=2, B=1), ("A", "B", "A")).preemptions == 1
    assert walk(Threads(A=2, B=2), ("A", "B", "A", "B")).preemptions == 2


def test_a_switch_to_another_connection_of_the_same_worker_is_one_as_well() -> None:
    assert walk(Threads(A=2, A2=1), ("A", "A2", "A")).preemptions == 1


def test_without_a_choice_the_same_connection_goes_on_else_the_same_worker_else_the_first() -> None:
    assert walk(Threads(A=1, B=2, A2=2), ()).schedule == ("A", "A2", "A2", "B", "B")
    assert walk(Threads(A=2, B=1), ("B",)).schedule == ("B", "A", "A")


def test_the_level_is_the_fewest_preemptions_that_wait() -> None:
    frontier = Frontier(symmetric=False)
    assert (len(frontier), frontier.level) == (1, 0)
    assert frontier.pop() == ()
    assert (len(frontier), frontier.level, frontier.pop()) == (0, None, None)
    frontier.add(("A", "B"), 2)
    frontier.add(("B",), 1)
    assert (len(frontier), frontier.level, frontier.pop()) == (2, 1, ("B",))
    assert frontier.pop() == ("A", "B")


def test_switches_count_whether_the_one_before_could_have_gone_on_or_not() -> None:
    assert [switches(tuple(text)) for text in ("", "A", "AAB", "ABAB")] == [0, 0, 1, 3]


# ---------------------------------------------------------------- what is left out


def test_what_the_bound_forbids_is_counted() -> None:
    frontier = Frontier(bound=0, symmetric=False)
    search(frontier, A=2, B=2)
    assert frontier.left_out == 2  # A|B and B|A: one preemption each; what lies behind is never seen
    assert len(frontier) == 0


def test_a_bound_that_forbids_nothing_leaves_nothing_out() -> None:
    frontier = Frontier(bound=3, symmetric=False)
    search(frontier, A=2, B=2)
    assert frontier.left_out == 0


# ---------------------------------------------------------------- choices that are not there


def test_a_choice_that_is_not_there_is_not_followed_and_the_usual_one_taken() -> None:
    walked = walk(Threads({"B": ("A", 2)}, A=3, B=1), ("A", "B", "B"))
    assert not walked.followed
    assert walked.schedule == ("A", "A", "B", "A")


def test_a_world_that_ends_before_the_beginning_does_is_not_followed() -> None:
    walked = walk(Threads(A=1), ("A", "A"))
    assert (walked.schedule, walked.followed) == (("A",), False)


def test_only_choices_after_the_beginning_are_kept() -> None:
    frontier = Frontier(symmetric=False)
    frontier.pop()
    assert walk(Threads(A=2, B=1), ("A", "B"), frontier).followed
    assert frontier.pop() is None


def test_without_a_frontier_nothing_is_kept() -> None:
    assert walk(Threads(A=1, B=1), ("B",)) == Walked(("B", "A"), 0, followed=True)


def test_a_world_without_moves_is_over_at_once() -> None:
    assert walk(Threads(), ()) == Walked((), 0, followed=True)
