"""One task's life: the steps of a worker by itself, from the poll that finds the task to the one after its completion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from grader.explore.pair import Pair
from grader.explore.trace import Entry
from grader.explore.undecided import Undecided
from grader.explore.visible import is_plumbing
from grader.history.events import StepEnded
from grader.history.sql import shape
from grader.lab import Lab
from grader.wire import WireStep

POLL: Final = 0.05
TIMEOUT: Final = 3.0
"""WORKER_POLL_INTERVAL and WORKER_STUCK_TIMEOUT of all workers here, in seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step as it is found again in another life: the statement ``sql``, behind ``after`` in its transaction.

    ``after`` is empty for a transaction's first statement. Values are of no interest, nor is what came between two
    transactions: a sign of life, another loop's poll, be it on the same connection. ``turn`` counts from 1 how often
    a life has come by such a step while the task had the status that it has.
    """

    sql: str
    after: str
    turn: int

    def has(self, sql: str, after: str) -> bool:
        """Whether that statement after that other one is such a step."""
        return shape(sql) == shape(self.sql) and shape(after) == shape(self.after)


@dataclass(frozen=True, slots=True)
class LifeStep:
    """A step of one task's life. ``number`` counts from 1, ``status`` is what others see of the task until then.

    ``may_wait``: another one's row lock can hold it up. ``is_idle``: no statement of its transaction met a row, so
    it is a look round, of which there are more or fewer as the worker's loops happen to run.
    """

    number: int
    place: Place
    status: str
    may_wait: bool
    is_idle: bool


class Connections:
    """The last statement of each connection in a life."""

    def __init__(self) -> None:
        self._last: dict[object, str] = {}

    def next(self, step: WireStep, *, is_fresh: bool) -> tuple[str, str]:
        """What that step sends, and what came before it in its transaction (nothing: ``is_fresh``); then it is the last.

        Threads that share a connection take turns on it as they happen to run: no order between their transactions
        makes a place another one.
        """
        after = "" if is_fresh else self._last.get(step.connection, "")
        self._last[step.connection] = step.sql
        return step.sql, after


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken in a life: ``sql`` behind ``after`` in its transaction (``is_fresh``: as its first
    statement), when others saw the task with that status. The entry knows the answer, once it is there.
    """

    entry: Entry
    sql: str
    after: str
    is_fresh: bool
    status: str


def life(lab: Lab) -> list[LifeStep]:
    """The steps of one task's life, from the poll that finds it to the first one after its completion.

    Raises Undecided when a worker by itself does not bring a task to its end.
    """
    [task] = lab.insert_tasks(1)
    with closing(Pair(lab, ("worker-L",), poll=POLL, stuck=TIMEOUT)) as pair:
        pair.arrive()
        pair.begin([task.id])
        taken: list[Taken] = []
        connections = Connections()
        is_done_before = False
        while (moves := pair.moves()) and (not pair.is_done or not is_done_before):
            is_done_before = pair.is_done
            fresh, status = pair.is_fresh(moves[0]), pair.witness.status(task.id)
            sql, after = connections.next(pair.next_step(moves[0]), is_fresh=fresh)
            pair.take(moves[0])
            taken.append(Taken(pair.last, sql, after, fresh, status))
        if not pair.is_done:
            raise Undecided("a worker by itself did not complete a task while its statements were held one by one")
    lab.wait_until_backends_gone()
    return steps_of(taken)


def steps_of(taken: Sequence[Taken]) -> list[LifeStep]:
    """The steps of a life that is over, all of them answered."""
    steps: list[LifeStep] = []
    for each, is_idle in zip(taken, _are_idle(taken), strict=True):
        turn = sum(step.status == each.status and step.place.has(each.sql, each.after) for step in steps) + 1
        # A transaction's later statements have the row already, and wait for nobody.
        may_wait = each.is_fresh and _writes(each.sql, each.entry.answer)
        place = Place(each.sql, each.after, turn)
        steps.append(LifeStep(len(steps) + 1, place, each.status, may_wait, is_idle))
    return steps


def _are_idle(taken: Sequence[Taken]) -> list[bool]:
    """Of each step, whether its transaction looked and met no row, as far as the answers show."""
    current: dict[int | None, set[bool]] = {}
    met_by: list[set[bool]] = []
    for each in taken:
        connection = each.entry.step.connection if each.entry.step else None
        if each.is_fresh or connection not in current:
            current[connection] = set()
        met_by.append(current[connection])
        if not is_plumbing(each.sql):
            answer = each.entry.answer
            current[connection].add(answer is None or answer.rows != 0)
    return [met == {False} for met in met_by]


def _writes(sql: str, answer: StepEnded | None) -> bool:
    if answer is None or not answer.rows:
        return False
    is_call = answer.tag.startswith(("CALL", "SELECT")) and not re.search(r"\bfrom\b", sql, re.IGNORECASE)
    return is_call or answer.tag.startswith("UPDATE")
