"""Exercise 3b: every order in which two workers can take their steps."""

from __future__ import annotations

from typing import Any, Final

from grader.checkpoints.polling import keeps_the_interval
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.explore import (
    HELD_ROW,
    ONE_TASK,
    TWO_TASKS,
    Explorer,
    Situation,
    Undecided,
    beside_stuck,
    broken_rule,
    stuck_row,
)
from grader.history.events import Moment, from_json
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Counterexample

OTHER_PLANS: Final = dict.fromkeys(
    ("enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort", "enable_material", "enable_memoize"),
    "off",
)
"""Settings under which the planner takes nested loops, which run a subselect once for each row."""

UNDECIDED_SHARE: Final = 0.1
"""Of the schedules: if more could not be walked to their end, the rest says too little."""


def _explore(lab: Lab, situation: Situation, *, bound: int, settings: dict[str, str] | None = None) -> None:
    Explorer(lab, situation, bound=bound, settings=settings).run()


@scenario(timeout=10, seconds=3)
def schedules_of_one_task(lab: Lab) -> None:
    """Two workers and one task, in every order of their statements with at most two preemptions: switches away from a
    worker that could have gone on.
    """
    _explore(lab, ONE_TASK, bound=2)


@scenario(timeout=10, seconds=2)
def schedules_of_two_tasks(lab: Lab) -> None:
    """Two workers and two tasks, in every order of their statements with at most one preemption."""
    _explore(lab, TWO_TASKS, bound=1)


@scenario(timeout=10, seconds=3)
def schedules_beside_a_stuck_task(lab: Lab) -> None:
    """Two workers, a task that a killed worker left, and a pending one, with at most one preemption."""
    try:
        row = stuck_row(lab)
    except Undecided as reason:
        lab.note("explored", situation="a stuck task", schedules=0, reason=str(reason))
        return
    if row is None:
        lab.note("nothing-stuck")
        return
    _explore(lab, beside_stuck(row), bound=1)


@scenario(timeout=10, seconds=2)
def schedules_of_a_held_row(lab: Lab) -> None:
    """The grader holds the task's row until both workers wait for it or pass over it, and then lets go."""
    _explore(lab, HELD_ROW, bound=0)


@scenario(timeout=10, seconds=2)
def schedules_under_other_plans(lab: Lab) -> None:
    """Two workers and two tasks, while PostgreSQL joins tables in one way only: row by row, in nested loops."""
    _explore(lab, TWO_TASKS, bound=0, settings=OTHER_PLANS)


@check(
    "3b.interleavings",
    points=4,
    on=(
        schedules_of_one_task,
        schedules_of_two_tasks,
        schedules_beside_a_stuck_task,
        schedules_of_a_held_row,
        schedules_under_other_plans,
    ),
    after=processes,
    explained_by=(shares_the_work, keeps_the_interval),  # who polls ever later sends nothing more in time
    hint="Follow the steps in the report one by one: which of them relied on something that another worker changed since? "
    "Lock the row when you read it, or look at its status again when you write it, and count the rows.",
    read=f"{LAB}#every-interleaving",
)
def holds_in_every_order(one: History, two: History, stuck: History, held: History, plans: History) -> Judgement:
    """In every order of two workers' steps each task is claimed once, completed, and nobody ends or waits for ever.

    Two workers' statements can meet in any order; on a quiet machine almost always the same one does. The order
    that breaks comes on the busiest day, so that all of them have to be looked at.
    """
    histories = (one, two, stuck, held, plans)
    explored = [moment for h in histories for moment in h.moments("explored")]
    coverage = "; ".join(_coverage(moment.detail) for moment in explored)
    for history in histories:
        example = history.moment("counterexample")
        if example is not None:
            return _broken(example, history.patience, coverage)
    for history in histories:
        once = history.moment("not-again")
        if once is not None:
            need(None, f"in one schedule {once.detail['rule']}, but not when the schedule was run again")
        if history.moment("nothing-stuck") is None:
            _need_enough(history.moment("explored"))
    total = sum(moment.detail["schedules"] for moment in explored)
    return holds(f"{total} schedules, and every rule held in each", coverage=coverage)


def _need_enough(explored: Moment | None) -> None:
    detail = need(explored, "the schedules were not walked").detail
    walked, undecided = detail["schedules"], detail.get("undecided", 0)
    if not walked or undecided > UNDECIDED_SHARE * walked:
        need(None, f"the schedules of {detail['situation']} could not be walked: {detail['reason'] or 'no time'}")


def _broken(example: Moment, patience: float, coverage: str) -> Judgement:
    detail = example.detail
    history = History([from_json(event) for event in detail["events"]], patience)
    rule = need(
        broken_rule(history, detail["tasks"], stuck=detail["stuck"]), "the recorded schedule breaks no rule"
    )
    shown = Counterexample.from_fields(detail["shown"])
    return broken(
        expected="each task claimed by one worker and completed once, whatever the order of steps",
        observed=f"{rule.sentence} ({detail['situation']})",
        hint=_HINTS.get(rule.rule),
        coverage=coverage,
        counterexample=shown,
    )


_HINTS: Final = {
    "worker-ended": "An error of the database ended the worker. A serialization failure or a deadlock is no fault of "
    "the task: roll back, and try the whole transaction again.",
    "waits-for-ever": "Somebody keeps a lock for longer than its work. End the transaction, or give the lock back, as "
    "soon as the task is done, and on every way out.",
    "not-completed": "Somebody claimed the task and lost sight of it, or both left it to the other. Whoever sets "
    "'processing' has to work on exactly the rows that it changed.",
    "brought-back": "Look at the status again in the very statement that changes the row: what you read before may "
    "be over by now.",
}


def _coverage(detail: dict[str, Any] | Any) -> str:
    """How much of one situation was explored, in words."""
    count = detail["schedules"]
    words = f"{detail['situation']}: {count} schedule{'s' * (count != 1)}"
    if detail.get("settings"):
        words += " under other plans"
    if detail.get("left_alone"):
        return f"{words} (nobody takes the stuck one up by the moments in its row)"
    return f"{words} ({_extent(detail)})"


def _extent(detail: Any) -> str:
    """Whether that was all, or all up to where."""
    bound, level = detail.get("bound"), detail.get("all_up_to")
    lost = [
        f"{detail.get(key, 0)} {words}"
        for key, words in (("undecided", "came to no end"), ("strayed", "went another way than before"))
        if detail.get(key)
    ]
    if detail.get("all_within_bound"):
        whole = bound is None or not detail["left_out"]
        return "all there are" if whole else f"all with {_preemptions(bound)}"
    if lost:
        return f"not all: {', '.join(lost)}"
    if detail.get("waiting") and level is not None and level >= 0:
        return f"all with {_preemptions(level)}, and some more"
    return "not all"


def _preemptions(count: int) -> str:
    return f"at most {count} preemption{'s' * (count != 1)}" if count else "no preemption"
