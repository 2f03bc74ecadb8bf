"""A signal at every point of one task's life: 3b.crash-points and x.signal-points."""

from __future__ import annotations

import signal
from typing import Final

from grader.checkpoints.races import shares_the_work
from grader.checkpoints.recovery import NOT_TAKEN_AGAIN, recovers_what_a_killed_worker_left
from grader.checkpoints.shutdown import finishes_the_task_in_hand
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.explore import REPEATS, Broken, Points, broken_point, point_lanes
from grader.history.events import Moment
from grader.history.sql import shape
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab

MISSED_SHARE = 0.25
"""Of the points: if a worker did not come to more of them, the others say too little."""


@scenario(timeout=10, seconds=9)
def killed_at_even_points(lab: Lab) -> None:
    """A worker is killed at every second step of a task's life, and another one finds what it left."""
    Points(lab, signal.SIGKILL).run(0, 2)


@scenario(timeout=10, seconds=9)
def killed_at_odd_points(lab: Lab) -> None:
    """The same at the steps in between."""
    Points(lab, signal.SIGKILL).run(1, 2)


@scenario(timeout=10, seconds=9)
def stopped_at_even_points(lab: Lab) -> None:
    """A worker gets SIGTERM at every second step of a task's life, and while it connects."""
    Points(lab, signal.SIGTERM).run(0, 2)


@scenario(timeout=10, seconds=9)
def stopped_at_odd_points(lab: Lab) -> None:
    """The same at the steps in between."""
    Points(lab, signal.SIGTERM).run(1, 2)


@check(
    "3b.crash-points",
    points=4,
    on=(killed_at_even_points, killed_at_odd_points),
    after=processes,
    explained_by=(shares_the_work, recovers_what_a_killed_worker_left),
    hint="Ask at each step: if the worker dies here, what does the table say? A task may be pending, or processing "
    "until the timeout has passed; work that was completed must not be found again.",
    read=f"{LAB}#every-crash-point",
)
def survives_every_crash(even: History, odd: History) -> Judgement:
    """A worker is killed at each step of a task's life: the task is completed in the end, once, by another one.

    A process can die between any two statements, and while one is under way. At each of these points the table
    must say enough for another worker to go on.
    """
    return _judge(
        (even, odd),
        expected="the task completed in the end, by another worker, and once",
        words="killed",
    )


@check(
    "x.signal-points",
    points=2,
    on=(stopped_at_even_points, stopped_at_odd_points),
    after=processes,
    explained_by=finishes_the_task_in_hand,
    hint="Install the handlers before the first connection; let them set a flag and do no more; look at the flag only where "
    "nothing is in hand.",
    read=f"{LAB}#signals-at-every-step",
)
def bears_every_signal(even: History, odd: History) -> Judgement:
    """A worker gets SIGTERM at each step of a task's life: exit status 0, nothing left processing, nothing lost.

    A signal comes when it comes. A handler that is safe at the lines that were tried is not safe yet at all lines.
    """
    return _judge(
        (even, odd),
        expected="exit status 0, and the task completed or still pending",
        words="told to stop",
    )


def _judge(histories: tuple[History, ...], *, expected: str, words: str) -> Judgement:
    coverage = _coverage(histories)
    for history in histories:
        for point in history.moments("point"):
            again = _times_broken(history, point)
            rule = broken_point(history, point)
            if rule is None or again < REPEATS:
                continue
            return broken(
                expected=expected,
                observed=rule.sentence,
                hint=_hint(rule, point, history.story(point.detail["task"]).status_at(point.at)),
                coverage=coverage,
                counterexample=point_lanes(history, point, again),
            )
    for history in histories:
        once = history.moment("not-again")
        if once is not None:
            need(
                None,
                f"{once.detail['signal']} at step {once.detail['step']} broke a rule, and not when tried again",
            )
        reason = history.moment("no-points")
        need(history.moment("points"), reason.detail["reason"] if reason else "the points were not tried")
        missed = _not_made_up_for(history, histories)
        if len(missed) > MISSED_SHARE * len(history.moments("point")):
            need(None, f"at too many points {missed[0].detail['reason']}")
    count = sum(len(history.moments("point")) for history in histories)
    need(count or None, "there was no point at which a signal could be sent")
    return holds(f"{words} at {count} points, and nothing was lost", coverage=coverage)


def _hint(rule: Broken, point: Moment, status: str | None) -> str | None:
    """What is to be said of one way to break; None: what the check says anyway. ``status``: the task's, in the end."""
    if point.detail["signal"] == "SIGKILL":
        is_free = rule.rule == "not-completed" and status == "pending"
        return NOT_TAKEN_AGAIN if is_free else _AFTER_KILL.get(rule.rule)
    if rule.rule == "worker-ended" and point.detail["exited"] < 0:
        return None
    return _AFTER_STOP.get(rule.rule)


_AFTER_KILL: Final = {
    "completed-twice": "Whoever claims, frees or completes a task looks at its status, and at whose it is, in the very "
    "statement that changes the row: what is completed must not be found again.",
    "brought-back": "What is completed stays completed: recovery asks for the status 'processing' in the very statement "
    "that changes the row, and a completion is one commit.",
}

_AFTER_STOP: Final = {
    "waits-for-ever": "Something keeps the process alive after the signal: a loop that does not look at the flag (also the "
    "one that connects), a lock, or a thread that nobody ends.",
    "worker-ended": "A worker that was told to stop ends with status 0, wherever it was: no exception on the way out.",
}


def _not_made_up_for(history: History, histories: tuple[History, ...]) -> list[Moment]:
    """The points that a worker did not come to, but for looks round that met nothing, and for turns of a step of which
    another turn was tried.

    How often a worker shows life at a pace of its own in one task's life, or what its other loops look for meanwhile,
    is a matter of time, and no turn differs from the others.
    """
    tried = {_step(point) for each in histories for point in each.moments("point")}
    missed = [point for point in history.moments("point-missed") if not point.detail.get("idle")]
    return [point for point in missed if _step(point) not in tried]


def _step(point: Moment) -> tuple[str, ...]:
    """What makes a step another one: its statement, the one before in its transaction, what had become of the task, and
    the place in it."""
    detail = point.detail
    return shape(detail["sql"]), shape(detail["after"]), detail["status"], detail["where"]


def _times_broken(history: History, point: Moment) -> int:
    return sum(
        _is_same(point, other) and broken_point(history, other) is not None for other in history.moments("point")
    )


def _is_same(point: Moment, other: Moment) -> bool:
    return all(point.detail[key] == other.detail[key] for key in ("signal", "step", "where"))


def _coverage(histories: tuple[History, ...]) -> str:
    reached = sum(len({(m.detail["step"], m.detail["where"]) for m in h.moments("point")}) for h in histories)
    every = sum(m.detail["count"] for history in histories for m in history.moments("points"))
    every -= sum(len(history.moments("need-not-wait")) for history in histories)
    missed = sum(len(history.moments("point-missed")) for history in histories)
    text = f"{reached} of {every} points"
    return text + (f"; at {missed} the worker did not come there" if missed else "")
