"""What the search leaves out makes no difference: the same comes about as in every order of all statements."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest

from tests.unit.tiny_table import (
    BEGIN,
    COMMIT,
    PROGRAMS,
    RECOVER,
    ROLLBACK,
    Outcome,
    Program,
    Statement,
    Table,
    after,
    is_broken,
    one,
    outcome,
    plain_outcomes,
    reduced_outcomes,
    unlocked,
)

SEEDS = 200
MOST = 150
"""Schedules of one random program; those that have more are left to others, and counted."""

BROKEN = {"select, then update", "a transaction without a lock", "recovery in two statements"}
READ = Statement("read")


@cache
def searched(name: str) -> tuple[set[Outcome], int]:
    """What the reduced search of a program finds, and in how many schedules."""
    return reduced_outcomes(Table(*PROGRAMS[name]))


def rounds(table: Table) -> int:
    """So often a worker looks at most: once for each task, once when there is nothing, once more for the other."""
    return len(table.start.tasks) + 2


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
    wrong = name in BROKEN or name == "counters in either order"  # whose completion is lost with a deadlock
    assert any(is_broken(each) for each in found) is wrong


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
    assert compared >= SEEDS / 2
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
    return outcome(state)[0]


def test_a_row_that_is_locked_is_waited_for_and_looked_at_again() -> None:
    table = Table(*PROGRAMS["a lock"])
    assert run(table, "aabB") == ("pending",)
    assert run(table, "aabBaa") == ("processing",)


def test_a_row_that_is_locked_is_passed_over() -> None:
    assert run(Table(*PROGRAMS["a lock, others pass over"]), "aabb") == ("pending",)


def test_what_is_not_committed_is_seen_by_nobody_else() -> None:
    table = Table(*PROGRAMS["a transaction without a lock"])
    state = table.start
    for who in (0, 0, 0, 1, 1):
        state, landed = table.step(state, who)
    assert landed[-1].answer.rows == 1


def test_two_that_wait_for_each_other_are_told_apart_by_who_waited_longer() -> None:
    table = Table(*PROGRAMS["counters in either order"])
    state = table.start
    for who in (0, 1, 0, 1, 0, 1, 0):
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
    if rng.random() < 0.2:
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
    lock = rng.choice(["", "update", "skip"])
    work = rng.sample(
        [READ, *(Statement("count", counter=number) for number in range(4))], rng.choice([0, 0, 0, 1, 2])
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
