"""Exercise 3b: the table as a queue."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grader.checkpoints.evidence import life, list_of, moved, short
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.shutdown import claim_began
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.board import Board
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Worker
from grader.model import Evidence


@scenario(timeout=10, seconds=2)
def oldest_row_locked(lab: Lab) -> None:
    """The oldest of two tasks is locked by somebody else when the worker looks; later the lock is let go."""
    worker = lab.start_worker(poll=0.2, duration=0.05)
    with worker.relay.hold(lambda _step: True) as hold:  # it sees no task before one is locked
        oldest, other = lab.insert_tasks(2)
        with lab.database.hold_row(oldest.id):
            lab.note("row-locked", task=oldest.id, other=other.id)
            hold.release()
            # Long enough for several polls; a worker that waits for the lock does not get there.
            lab.comes(lab.has_status(other), timeout=4)
            lab.note("row-let-go")
    lab.wait_until(lab.has_status(oldest, other))
    lab.wait_until(worker.has_looked())
    _held_claim(lab, worker)


MANY = 20
"""Tasks of which a claim may lock some, but never all."""


def _held_claim(lab: Lab, worker: Worker) -> None:
    """A claim is held inside its transaction, if it has one, while somebody else looks which tasks are free."""
    titles = [lab.new_title() for _ in range(MANY)]
    shown = set(titles)
    met = worker.has_met(shown)
    with worker.relay.hold(lambda step: met() and step.transaction == "T", limit=1) as hold:
        tasks = lab.insert_tasks(MANY, titles=titles)
        shown.update(task.id for task in tasks)

        def is_claimed(board: Board, _now: float) -> bool:
            return hold.is_holding or any(board.status(task.id) not in (None, "pending") for task in tasks)

        claimed = lab.comes(Condition("the next claim", is_claimed, by=worker.name), timeout=2)
        pending = [task.id for task in tasks if lab.status_of(task) == "pending"]
        held = hold.held[0].sql if hold.is_holding and len(pending) == MANY else None
        free = lab.database.lockable(pending) if held is not None else pending
        lab.note("claim-held", claimed=claimed, sql=held, tasks=len(tasks), free=len(free))


@check(
    "3b.skip-locked",
    points=5,
    on=oldest_row_locked,
    after=processes,
    hint="SELECT … FOR UPDATE SKIP LOCKED passes over a row that somebody else has locked, without waiting.",
    read=f"{LAB}#claiming-with-skip-locked",
)
def skips_a_locked_row(history: History) -> Judgement:
    """With the oldest task locked by someone else, the worker takes the next one, and the locked one when it is free.

    A worker that waits for a locked row does nothing, although other tasks wait as well: ten workers are then as
    fast as one.
    """
    locked = need(history.moment("row-locked"), "the worker never came to its first poll")
    let_go = need(history.moment("row-let-go"), "the scenario came to no end")
    oldest, other = history.story(locked.detail["task"]), history.story(locked.detail["other"])
    early = [c for c in other.claims if c.at < let_go.at]
    proof = [
        Evidence(locked.at, f"task {oldest.task} locked by the grader"),
        *[moved(c.change) for s in (oldest, other) for c in s.claims],
        Evidence(let_go.at, "lock let go"),
    ]
    if not early:
        return broken(
            *sorted(proof, key=lambda e: e.at),
            expected=f"task {other.task} claimed while task {oldest.task} is locked",
            observed=f"nothing claimed for {let_go.at - locked.at:.1f} s, until the lock was let go",
            hint="If your claim is one UPDATE without a lock clause, it waits for the locked row like FOR UPDATE "
            "does: pick the row with FOR UPDATE SKIP LOCKED inside it."
            if history.claims
            else None,
        )
    if oldest.status != "completed":
        return broken(
            *life(oldest),
            expected=f"task {oldest.task} taken after the lock was let go",
            observed=f"task {oldest.task} stayed {oldest.status}",
        )
    claim = need(history.moment("claim-held"), "the scenario came to no end").detail
    if not claim["claimed"]:
        need(None, "the worker claimed nothing more")
    if claim["sql"] is not None and claim["free"] == 0:
        return broken(
            *life(oldest),
            Evidence(need(history.moment("claim-held"), "").at, f"held before: {short(claim['sql'], 100)}", A),
            expected="a claim locks the task that it takes; the others stay free for other workers",
            observed=f"while a claim is under way, all {claim['tasks']} pending tasks are locked",
            hint="Without LIMIT 1 the SELECT locks every row that it finds; LOCK TABLE locks them all as well. "
            "Other workers then find nothing, or wait.",
        )
    return holds(
        f"task {other.task} claimed {early[0].at - locked.at:.2f} s after it came, with task {oldest.task} locked",
        *sorted(proof, key=lambda e: e.at),
    )


SHUFFLED = 8
"""Tasks of different ages. Who takes them in any order hits the right one once in 40,320 times."""


def arranged(order: Sequence[int]) -> tuple[list[float], list[int]]:
    """The ages of tasks in the order in which they are inserted, and which of them are changed then, one by one.

    ``order`` is any permutation. Whatever else a worker may go by, it begins with another task than the oldest: that is
    neither the first nor the last that is inserted, and neither the last that is changed nor unchanged.
    """
    ages = [10.0 + number for number in order]
    oldest = ages.index(max(ages))
    place = 1 + oldest % (len(ages) - 2)
    ages.insert(place, ages.pop(oldest))
    return ages, [place, 0, len(ages) - 1]


ENOUGH = 3
"""Claims in the right order: by chance the oldest three come first once in 336 times, and by another order never.

The scenario has the time for three claims also of a worker that takes five seconds for each task, as some do where the
setting is zero.
"""


@scenario(timeout=16, seconds=2)
def shuffled_ages(lab: Lab) -> None:
    """Eight tasks whose order in the table is not their order of age, some changed since, and no index to sort by."""
    lab.database.set_for_services("enable_indexscan", "off")
    lab.database.set_for_services("enable_bitmapscan", "off")
    lab.database.set_for_services("enable_indexonlyscan", "off")
    ages, changed = arranged(lab.shuffled(SHUFFLED))
    tasks = lab.insert_tasks(SHUFFLED, ages=ages)
    for seconds_ago, number in zip(range(len(changed), 0, -1), changed, strict=True):
        lab.database.touch(tasks[number].id, seconds_ago)  # as a client's PUT does
    lab.note("shuffled", ages=dict(zip((t.id for t in tasks), ages, strict=True)))
    lab.start_worker(poll=0.2, duration=0.0, ready=False)
    lab.wait_until(lab.has_status(*tasks))


@check(
    "3b.oldest-first",
    points=3,
    on=shuffled_ages,
    after=processes,
    explained_by=does_the_work,
    hint="The query that claims needs ORDER BY created_at. Neither the id nor updated_at tells who has waited longest, and "
    "without an order it is whatever the table happens to give.",
    read=f"{LAB}#oldest-first",
)
def takes_the_oldest_first(history: History) -> Judgement:
    """Tasks are claimed in the order of created_at, whatever their order in the table.

    Without an order the database gives what it finds first, which is the oldest for as long as the table is new.
    Later some tasks wait for ever.
    """
    ages: dict[str, float] = need(history.moment("shuffled"), "the tasks were not inserted").detail["ages"]
    # What is claimed once more was not waiting meanwhile.
    first = {claim.task: claim for claim in reversed(history.claims) if claim.task in ages}
    if len(first) < min(ENOUGH, len(ages)):
        need(None, f"{len(first)} of {len(ages)} tasks were claimed")
    claims = sorted(first.values(), key=lambda claim: claim.at)
    began = {task: claim_began(history, task, claim.at) for task, claim in first.items()}
    order = [f"{c.task} ({ages[c.task]:.0f} s old)" for c in claims]
    for younger in claims:
        for older in ages:
            if ages[older] > ages[younger.task] and began.get(older, math.inf) > younger.committed_at:
                return broken(
                    *[moved(c.change) for c in claims],
                    expected="oldest first",
                    observed=list_of(order, 6),
                )
    return holds(list_of(order, 6))
