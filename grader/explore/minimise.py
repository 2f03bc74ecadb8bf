"""Making a schedule that breaks a rule as small as it can be made: fewest switches, then fewest lines. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from grader.explore.search import Schedule

Size = tuple[Schedule, int, int]
"""A schedule that breaks the rule, as far as that takes; its switches; its lines."""


def minimised(size: Size, try_out: Callable[[Schedule], Size | None]) -> Schedule:
    """The smallest schedule found. ``try_out`` runs a candidate: None when it does not break the same rule."""
    schedule, *measure = size
    tried = {schedule}
    improved = True
    while improved:
        improved = False
        for candidate in candidates(schedule):
            if candidate in tried:
                continue
            tried.add(candidate)
            smaller = try_out(candidate)
            if smaller is not None and list(smaller[1:]) < measure:
                schedule, *measure = smaller
                tried.add(schedule)
                improved = True
                break
    return schedule


def candidates(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules that are smaller: without one of its turns, or with one step less in one of them.

    A turn is what one worker does without the other. The longest turns are shortened first, most of all of them.
    """
    turns = [(who, len(list(group))) for who, group in groupby(schedule)]
    for index in range(len(turns)):
        yield _joined(turns[:index] + turns[index + 1 :])
    by_length = sorted(range(len(turns)), key=lambda i: -turns[i][1])
    for share in (2, 4):
        for index in by_length:
            who, count = turns[index]
            if count // share > 1:
                yield _joined([*turns[:index], (who, count - count // share), *turns[index + 1 :]])
    for index in by_length:
        who, count = turns[index]
        if count > 1:
            yield _joined([*turns[:index], (who, count - 1), *turns[index + 1 :]])


def _joined(turns: list[tuple[str, int]]) -> Schedule:
    return tuple(who for who, count in turns for _ in range(count))
