"""A signal at every point of one task's life."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from grader.explore.life import POLL, TIMEOUT, Connections, LifeStep, Place, life
from grader.explore.pair import Pair
from grader.explore.point_rules import broken_point
from grader.explore.undecided import Undecided
from grader.history.events import Moment
from grader.history.timeline import History
from grader.lab import Condition, HeldWorker, Lab, Task

Where = Literal["before", "answer", "waiting", "connecting"]
"""Before the server saw the step; after the server did it, the answer withheld; while it waits for a lock; while
the worker connects."""

REACTION: Final = 0.06
"""Seconds in which a worker that waits for an answer may do something about a signal, before the answer is given."""

LONGEST_EXIT: Final = 5.0
"""Seconds in which a worker has to be gone, once it is told everything it waits for."""

AGED: Final = 60.0
"""Seconds by which the moments in a row are moved into the past, so that nobody has to wait for the timeout."""

LONGEST_SLEEP: Final = 8.0
"""Seconds that a worker may sleep between two looks, though it was told to sleep less."""

SOON: Final = 0.6
"""Seconds in which a task comes to its end if moving its moments was enough."""

REPEATS: Final = 3
"""So often a point that breaks a rule is tried; it has to break it every time."""

MOST_TURNS: Final = 3
"""So many turns of a step that meets rows are points of their own: signs of life come as often as they like."""

CONNECTING: Final = "(connects to the database)"


class _NeedNotWait(Exception):
    """The step went on although somebody else held the row's lock: there is no such point."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a signal comes: at step ``number`` of the life (0: before any), which is at a ``place``."""

    number: int
    place: Place
    status: str
    where: Where
    is_idle: bool = False


def points_of(steps: list[LifeStep], *, connecting: bool) -> list[Point]:
    """Every point of a life, but for further turns of a step that comes round again and again."""
    found = [Point(0, Place(CONNECTING, "", 1), "pending", "connecting")] if connecting else []
    for step in steps:
        if step.place.turn > (1 if step.is_idle else MOST_TURNS):
            continue
        wheres: tuple[Where, ...] = ("before", "waiting", "answer") if step.may_wait else ("before", "answer")
        found += [Point(step.number, step.place, step.status, where, step.is_idle) for where in wheres]
    return found


def in_lane(points: Sequence[Point], lane: int, lanes: int) -> list[Point]:
    """The points at every ``lanes``-th step, ``lane`` counting from 0.

    Each lane sees a life of its own, and in each there may be more or fewer looks round. They are counted apart, so
    that every other step is in one of the lanes, and in one only.
    """
    before: Counter[bool] = Counter()
    lane_of: dict[int, int] = {}
    for point in points:
        if point.number not in lane_of:
            lane_of[point.number] = (before[point.is_idle] + point.is_idle) % lanes
            before[point.is_idle] += 1
    return [point for point in points if lane_of[point.number] == lane]


def _told(point: Point) -> dict[str, Any]:
    """A point as the history has it; ``point_of`` reads it."""
    place = point.place
    return {
        "step": point.number,
        "where": point.where,
        "sql": place.sql,
        "after": place.after,
        "turn": place.turn,
        "status": point.status,
    }


def point_of(detail: Mapping[str, Any]) -> Point:
    """The point that a history tells of."""
    place = Place(detail["sql"], detail["after"], detail["turn"])
    return Point(detail["step"], place, detail["status"], detail["where"])


class Points:
    """Sends a signal at some of the points, one after the other; notes what came of each, and what broke a rule."""

    def __init__(self, lab: Lab, number: signal.Signals, before_signal: Callable[[], None] = lambda: None) -> None:
        """``before_signal`` is called when a worker has come to a point, before the signal is sent."""
        self.lab = lab
        self.signal = number
        self._before_signal = before_signal
        self._count = 0
        self._rescuer: HeldWorker | None = None

    def run(self, lane: int, lanes: int) -> None:
        """The points of one of several lanes, which have all of them together."""
        kill = self.signal is signal.SIGKILL
        try:
            every = points_of(life(self.lab), connecting=not kill)
        except Undecided as reason:
            self.lab.note("no-points", reason=str(reason))
            return
        mine = in_lane(every, lane, lanes)
        for point in mine:
            if not self._holds(point):
                break
        self.lab.note("points", signal=self.signal.name, count=len(mine))

    def _holds(self, point: Point) -> bool:
        """Try a point, again if it breaks a rule; False when it did every time."""
        seen = 0
        while seen < REPEATS:
            moment = self.once(point)
            if moment is None or broken_point(History(self.lab.events(), self.lab.patience), moment) is None:
                break
            seen += 1
        if seen == REPEATS:
            return False
        if seen:
            self.lab.note("not-again", signal=self.signal.name, step=point.number, where=point.where, seen=seen)
        return True

    # ------------------------------------------------------------ one point

    def once(self, point: Point) -> Moment | None:
        """Bring a new worker to the point and send the signal; None when it did not come there."""
        self._count += 1
        name = f"worker-{self._count}"
        self.lab.database.finish_tasks()
        try:
            rescuer = self._waiting_rescuer() if self.signal is signal.SIGKILL else None
            if point.where == "connecting":
                return self._while_connecting(point, name)
            began = self.lab.clock.now()
            [task] = self.lab.insert_tasks(1)
            with closing(Pair(self.lab, (name,), recorder=self.lab.recorder, poll=POLL, stuck=TIMEOUT)) as victim:
                victim.arrive()
                victim.begin([task.id])
                self._bring_to(victim, point, task)
                if rescuer is not None:
                    return self._kill(victim, point, task, began, rescuer)
                return self._stop(victim, point, task, began)
        except _NeedNotWait:
            self.lab.note("need-not-wait", step=point.number)
            return None
        except Undecided as reason:
            self.lab.note("point-missed", **_told(point), idle=point.is_idle, reason=str(reason))
            return None

    def _bring_to(self, victim: Pair, point: Point, task: Task) -> None:
        """Raises Undecided when it does not come there."""
        turn, connections = 0, Connections()
        while moves := victim.moves():
            sent = connections.next(victim.next_step(moves[0]), is_fresh=victim.is_fresh(moves[0]))
            turn += victim.witness.status(task.id) == point.status and point.place.has(*sent)
            if turn == point.place.turn:
                break
            victim.take(moves[0])
        else:
            raise Undecided("this time it took another way")
        match point.where:
            case "before" | "connecting":
                pass
            case "answer":
                if not victim.take_withheld(moves[0]):
                    raise Undecided("the step was not done in time")
            case "waiting":
                victim.row.hold(task.id)
                victim.take(moves[0])
                if not victim.flights.blocked_by_grader():
                    raise _NeedNotWait
            case _:
                assert_never(point.where)

    def _kill(self, victim: Pair, point: Point, task: Task, began: float, rescuer: HeldWorker) -> Moment:
        lab, worker = self.lab, victim.actors[0].worker
        self._before_signal()
        at = lab.clock.now()
        worker.process.end()  # with every process that it has started
        if point.where == "waiting":
            victim.row.let_go()
        pids = victim.pids
        lab.wait_until(
            Condition(
                "the server to notice the kill", lambda _b, _n: pids.isdisjoint(lab.database.service_backends())
            )
        )
        left = lab.status_of(task)
        done = self._rescue(rescuer, task)
        if not done:
            self._end_rescuer()
        return self._note(point, task, worker.name, began, at, left=left, rescuer=rescuer.name, done=done)

    def _rescue(self, rescuer: HeldWorker, task: Task) -> bool:
        """Let the other worker do what is left to do; whether the task was completed in time."""
        lab = self.lab
        # Aged whatever its status is: a recovery that would bring a completed task back is to be seen doing so.
        lab.database.age([task.id], AGED)
        is_done = lab.has_status(task)
        rescuer.open()
        # A submission that goes by a clock of its own gets the time that it needs; one that sleeps for longer than
        # it was told to gets its turns.
        done = lab.comes(is_done, SOON) or lab.comes(is_done, TIMEOUT + 3 * POLL)
        if not done:
            lab.comes(self._looks_again(rescuer, 2), LONGEST_SLEEP)
            done = lab.comes(is_done, SOON)
        quiet_since = lab.clock.now()
        if done:
            # Time for somebody who does not know that it is done to do it again.
            lab.comes(self._looks_again(rescuer, 2), 4 * POLL)
        if not rescuer.hold_again(quiet_since):
            self._end_rescuer()
        return done

    def _looks_again(self, worker: HeldWorker, times: int) -> Condition:
        lab = self.lab
        looks = lab.looks_of(worker)
        return Condition("another look", lambda _b, _n: lab.looks_of(worker) >= looks + times)

    def _stop(self, victim: Pair, point: Point, task: Task, began: float) -> Moment:
        worker = victim.actors[0].worker
        self._before_signal()
        at = self.lab.clock.now()
        worker.signal(self.signal)
        worker.reacts(REACTION)
        if point.where == "waiting":
            victim.row.let_go()
        return self._gone(worker, point, task, began, at)

    def _while_connecting(self, point: Point, name: str) -> Moment:
        began = self.lab.clock.now()
        [task] = self.lab.insert_tasks(1)
        worker = self.lab.start_held_worker(name, poll=POLL, stuck=TIMEOUT, stalled=True)
        try:
            if not worker.connects():
                raise Undecided("it did not connect")
            self._before_signal()
            at = self.lab.clock.now()
            worker.signal(self.signal)
            worker.reacts(REACTION)
            worker.relay.accept()
            return self._gone(worker, point, task, began, at)
        finally:
            worker.end()

    def _gone(self, worker: HeldWorker, point: Point, task: Task, began: float, at: float) -> Moment:
        worker.open()
        status = worker.process.wait(LONGEST_EXIT * self.lab.patience)
        left = self.lab.status_of(task)
        return self._note(point, task, worker.name, began, at, left=left, exited=status)

    def _note(self, point: Point, task: Task, service: str, began: float, at: float, **came: Any) -> Moment:
        return self.lab.note(
            "point",
            signal=self.signal.name,
            **_told(point),
            task=task.id,
            title=task.title,
            service=service,
            inserted=began,
            sent=at,
            **came,
        )

    def _waiting_rescuer(self) -> HeldWorker:
        """A worker that was running before, and has looked for tasks: what it does at its start alone is behind it."""
        if self._rescuer is None:
            self._count += 1
            self._rescuer = self.lab.start_held_worker(f"worker-R{self._count}", poll=POLL, stuck=TIMEOUT)
            if not self._rescuer.arrive():
                raise Undecided("a second worker sent no statement")
            looked = self._looks_again(self._rescuer, 1)
            self._rescuer.open()
            self.lab.comes(looked, SOON)
            quiet_since = self.lab.clock.now()
            self.lab.comes(self._looks_again(self._rescuer, 1), SOON)
            if not self._rescuer.hold_again(quiet_since):
                raise Undecided("a second worker does not come to the end of its transaction")
        return self._rescuer

    def _end_rescuer(self) -> None:
        """End one that did not bring a task to its end: it may be held with that task in hand."""
        if self._rescuer is not None:
            self._rescuer.end()
            self._rescuer = None
            self.lab.wait_until_backends_gone()
