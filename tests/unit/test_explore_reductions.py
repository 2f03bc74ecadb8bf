"""What the search leaves out makes no difference: the same comes about as in every order of all statements."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import pytest

from grader.explore.rounds import Rounds, Talk
from grader.explore.search import Frontier, walk
from grader.explore.visible import has_no_effect, may_end_quietly
from grader.wire import WireStep
from tests.unit.tiny_table import (
    BEGIN,
    COMMIT,
    COMPLETE,
    RECOVER,
    ROLLBACK,
    Landed,
    Lock,
    Outcome,
    Program,
    Statement,
    Table,
    after,
    claim,
    is_broken,
    one,
    outcome,
    plain_outcomes,
    unlocked,
)

# ---------------------------------------------------------------- as the grader walks

LAST_LOOKS: Final = 2


@dataclass(slots=True)
class Actor:
    rounds: Rounds = field(default_factory=Rounds)
    talk: Talk = field(default_factory=Talk)


class Reduced:
    """The table as a world to walk, with the reductions as a ``Pair`` of real workers uses them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.state = table.start
        self.actors = (Actor(), Actor())
        for actor in self.actors:
            actor.rounds.previous = table.previous
        self.looks_left = LAST_LOOKS

    def moves(self) -> Sequence[str]:
        while True:
            if self._take_invisible():
                continue
            if moves := ["AB"[who] for who in (0, 1) if self._is_ready(who)]:
                return moves
            if self._is_over():
                return []

    def take(self, move: str) -> None:
        self._grant("AB".index(move))

    def _is_ready(self, who: int) -> bool:
        if self.state.workers[who].waiting is not None:
            return False
        actor = self.actors[who]
        has_task = any(log and log[-1][0] == who and log[-1][2] == "processing" for log in self.state.log)
        return not actor.rounds.sleeps_at(self.table.next_step(self.state, who), actor.talk, has_task=has_task)

    def _take_invisible(self) -> bool:
        for who in (0, 1):
            if not self._is_ready(who):
                continue
            step = self.table.next_step(self.state, who)
            if has_no_effect(step.sql) or self._ends_quietly(who, step):
                self._grant(who)
                return True
        return False

    def _ends_quietly(self, who: int, step: WireStep) -> bool:
        other = self.state.workers[1 - who]
        return (
            may_end_quietly(step, self.actors[who].talk.touched)
            and other.waiting is None
            and not self.state.workers[who].locks
        )

    def _grant(self, who: int) -> None:
        actor = self.actors[who]
        actor.rounds.begins(self.table.next_step(self.state, who), actor.talk)
        known = self.state.log
        self.state, landed = self.table.step(self.state, who)
        for each in landed:
            self._landed(each, changed=self.state.log != known)

    def _landed(self, landed: Landed, *, changed: bool) -> None:
        actor = self.actors[landed.worker]
        touched = actor.talk.touched or landed.answer.committed
        chain = actor.talk.add(landed.step, landed.answer)
        if chain is None:
            return
        touched = touched or actor.talk.touched
        actor.talk.touched = False
        if not touched:
            return
        if changed:
            for everyone in self.actors:
                everyone.rounds.task_changed()
        elif actor.rounds.releases(chain):
            self.actors[1 - landed.worker].rounds.wake()

    def _is_over(self) -> bool:
        is_waiting = any(worker.waiting is not None for worker in self.state.workers)
        is_done = all(status == "completed" for status in self.state.tasks)
        if (not is_waiting and is_done) or self.looks_left == 0:
            return True
        self.looks_left -= 1
        for actor in self.actors:
            actor.rounds.wake()
        return False


def reduced_outcomes(table: Table, most: int = 100_000) -> tuple[set[Outcome], int]:
    """What comes about in the schedules that the grader walks, and how many those are."""
    frontier = Frontier()
    found: set[Outcome] = set()
    count = 0
    while count < most and (beginning := frontier.pop()) is not None:
        world = Reduced(table)
        walked = walk(world, beginning, frontier)
        assert walked.followed
        found.add(outcome(world.state))
        count += 1
    return found, count


COUNTED: Final[Program] = (
    BEGIN,
    replace(one("skip")[0], otherwise=6),
    Statement("count", counter=2),
    Statement("count", counter=3),
    COMPLETE,
    COMMIT,
    ROLLBACK,
)
"""Counters are written in an order that depends on the task."""

PROGRAMS: Final[Mapping[str, tuple[Program, tuple[str, ...]]]] = {
    "select, then update": (unlocked(), ("pending",)),
    "optimistic": (unlocked(again=True), ("pending",)),
    "optimistic, and fenced": (unlocked(again=True, fence=True), ("pending",)),
    "a transaction without a lock": (claim(), ("pending",)),
    "a transaction that looks again": (claim(again=True), ("pending",)),
    "a lock": (claim("update"), ("pending",)),
    "a lock, others pass over": (claim("skip"), ("pending",)),
    "one statement": (one(), ("pending",)),
    "one statement that looks again": (one(again=True), ("pending",)),
    "one statement, others pass over": (one("skip"), ("pending",)),
    "recovery before the claim": (after((RECOVER,), one("skip")), ("stuck", "pending")),
    "recovery before a claim with a lock": (after((RECOVER,), claim("skip")), ("stuck",)),
    "recovery in two statements": (
        after((Statement("select", find="stuck", otherwise=2), Statement("update", to="pending")), one("skip")),
        ("stuck",),
    ),
    "a sign of life before the claim": (after((Statement("count", counter=4),), one("skip")), ("pending",)),
    "two tasks": (claim("skip"), ("pending", "pending")),
    "two tasks, a lock": (claim("update"), ("pending", "pending")),
    "two tasks in one statement": (one(again=True), ("pending", "pending")),
    "counters in either order": (COUNTED, ("pending", "pending")),
}


# ---------------------------------------------------------------- both ways

SEEDS = 140
MOST = 300
"""Schedules of one random program; those that have more are left to others, and counted."""

BROKEN = {"select, then update", "a transaction without a lock", "recovery in two statements"}
READ = Statement("read")


@cache
def searched(name: str) -> tuple[set[Outcome], int]:
    """What the reduced search of a program finds, and in how many schedules."""
    return reduced_outcomes(Table(*PROGRAMS[name]))


def rounds(table: Table) -> int:
    """So often a worker looks at most: once for each task, and some times when there is nothing."""
    return len(table.start.tasks) + 3


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_reduced_search_finds_what_the_plain_one_finds_in_fewer_schedules(name: str) -> None:
    table = Table(*PROGRAMS[name])
    reduced, walked = searched(name)
    plain, orders = plain_outcomes(table, rounds(table))
    assert reduced == plain
    assert walked < orders


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_rule_breaks_in_some_order_of_the_wrong_programs_and_in_none_of_the_right_ones(name: str) -> None:
    found, _ = searched(name)
    assert any(is_broken(each) for each in found) is (name in BROKEN)


def test_a_deadlock_comes_about_where_locks_are_taken_in_either_order_alone() -> None:
    dead = {name for name in PROGRAMS if any(deadlock for _, _, deadlock in searched(name)[0])}
    assert dead == {"counters in either order"}


def test_random_programs_come_to_the_same_ends_either_way() -> None:
    compared = broken = 0
    for seed in range(SEEDS):
        program, tasks = random_program(random.Random(seed))
        table = Table(program, tasks)
        reduced, walked = reduced_outcomes(table, MOST)
        if walked == MOST:
            continue
        plain, orders = plain_outcomes(table, rounds(table))
        assert reduced == plain, (seed, tasks, program)
        assert walked <= orders, (seed, tasks, program)
        compared += 1
        broken += any(map(is_broken, plain))
    assert compared > SEEDS / 2
    assert broken > SEEDS / 30, "else the programs are too tame to tell anything"


@pytest.mark.parametrize(
    ("claim", "looks"),
    [
        pytest.param(unlocked()[:2], 2, id="a wrong claim"),
        pytest.param(one("skip")[:1], 4, id="a right claim"),
    ],
)
def test_a_worker_that_looks_at_its_task_again_and_again_is_at_work(claim: Program, looks: int) -> None:
    table = Table((*claim, *[READ] * looks, Statement("update", find="processing", to="completed")), ("pending",))
    assert reduced_outcomes(table)[0] == plain_outcomes(table, rounds(table))[0]


def test_a_right_worker_that_looks_at_its_task_again_and_again_breaks_no_rule() -> None:
    table = Table((*one("skip")[:1], *[READ] * 4, Statement("update", to="completed")), ("pending",))
    assert not any(map(is_broken, reduced_outcomes(table)[0]))


# ---------------------------------------------------------------- the table itself


def run(table: Table, order: str) -> tuple[str, ...]:
    """The tasks after workers A and B took their steps in an order; a capital letter has to wait with its last."""
    state = table.start
    for letter in order:
        state, _ = table.step(state, "ab".index(letter.lower()))
        assert (state.workers["ab".index(letter.lower())].waiting is not None) is letter.isupper()
    rows: tuple[str, ...] = outcome(state)[0]
    return rows


def test_a_row_that_is_locked_is_waited_for_and_looked_at_again() -> None:
    table = Table(*PROGRAMS["a lock"])
    assert run(table, "aaB") == ("pending",)
    assert run(table, "aaBa") == ("processing",)


def test_a_row_that_is_locked_is_passed_over() -> None:
    assert run(Table(*PROGRAMS["a lock, others pass over"]), "aabb") == ("pending",)


def test_what_is_not_committed_is_seen_by_nobody_else() -> None:
    table = Table(*PROGRAMS["a transaction without a lock"])
    state = table.start
    for who in (0, 0, 1):
        state, landed = table.step(state, who)
    assert landed[-1].answer.rows == 1


def test_two_that_wait_for_each_other_are_told_apart_by_who_waited_longer() -> None:
    table = Table(*PROGRAMS["counters in either order"])
    state = table.start
    for who in (0, 1, 0, 1, 0):
        state, _ = table.step(state, who)
    assert state.workers[0].waiting is not None
    state, landed = table.step(state, 1)
    assert [(each.worker, each.answer.sqlstate) for each in landed] == [(0, "40P01"), (1, None)]
    assert state.deadlocks


# ---------------------------------------------------------------- programs by seed


def random_program(rng: random.Random) -> tuple[Program, tuple[str, ...]]:
    """A worker, right or wrong, and the tasks that it finds."""
    tasks: tuple[str, ...] = rng.choice([("pending",), ("pending",), ("pending",), ("pending", "pending")])
    first: list[Statement] = []
    if rng.random() < 0.12:
        tasks = rng.choice([("stuck",), ("stuck",), ("stuck", "pending")])
        first += rng.choice([[RECOVER], [replace(RECOVER, lock="skip")], _recovery_in_two(rng)])
    if rng.random() < 0.1:
        first.append(Statement("count", counter=rng.choice([0, 4])))
    return after(tuple(first), tuple(_claim_and_work(rng))), tasks


def _recovery_in_two(rng: random.Random) -> list[Statement]:
    update = Statement("update", find=rng.choice(["", "stuck"]), to="pending")
    return [Statement("select", find="stuck", otherwise=2), update]


def _claim_and_work(rng: random.Random) -> list[Statement]:
    again = rng.random() < 0.5
    locks: tuple[Lock, ...] = ("", "update", "skip")
    lock = rng.choice(locks)
    work = rng.sample(
        [READ, *(Statement("count", counter=number) for number in range(4))], rng.choice([0, 0, 0, 0, 1])
    )
    update = Statement("update", find="pending" if again else "", to="processing", otherwise=0)
    done = Statement("update", find=rng.choice(["", "processing"]), to="completed")
    match rng.choice(["unlocked", "one", "transaction", "work in transaction", "all in transaction"]):
        case "unlocked":
            return [Statement("select", find="pending", otherwise=0), update, *work, done]
        case "one":
            claim = Statement("one", find="pending", to="processing", lock=lock, again=again, otherwise=0)
            return [claim, *work, done]
        case "transaction":
            rest = [COMMIT, *work, done]
        case "work in transaction":
            rest = [*work, COMMIT, done]
        case _:
            rest = [*work, done, COMMIT]
    end = 3 + len(rest)
    select = Statement("select", find="pending", lock=lock, otherwise=end)
    return [BEGIN, select, replace(update, otherwise=end), *rest, ROLLBACK]
