"""Beyond the lab: a worker that sleeps while another one takes its task over."""

from __future__ import annotations

import signal
from functools import partial

from grader.checkpoints.durable import AtChange, maker
from grader.checkpoints.evidence import life, moved, short
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.recovery import POLL, recovers_what_a_killed_worker_left
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.board import Board
from grader.history.events import Moment
from grader.history.tasks import Change, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need, together
from grader.lab import Condition, Lab, Task, Worker, any_of
from grader.model import Evidence, Verdict
from grader.wire import Hold

SLEEP_TIMEOUT = 1.2
SLEEP_WORK = 0.5

LOOKS = 6
"""Statements that look for tasks: two or three polls of most workers."""

LONGEST_CHANCE = 8.0
"""Seconds in which a worker that looks for tasks at all has looked so often."""


@scenario(timeout=10, seconds=7)
def sleeper(lab: Lab) -> None:
    """A worker is stopped for longer than the timeout: at work, as it is about to complete a task, at work that fails."""
    workers = [
        lab.start_worker(name, poll=POLL, duration=SLEEP_WORK, stuck=SLEEP_TIMEOUT, ready=False)
        for name in ("worker-A", "worker-B")
    ]
    for worker in workers:
        lab.wait_until(worker.has_looked())
    [first] = lab.insert_tasks(1)
    asleep, other = _taken_by(lab, workers, first)
    lab.settle()
    if not _sleep_through(lab, asleep, other, first):
        lab.note("slept-enough")  # its open transaction, or lock, keeps others away at any moment
        return
    history = lab.history()
    statement = next((maker(history, c) for c in history.story(first.id).completions), None)
    lab.give_up_unless(statement is not None, "the statement that completed a task")
    [second] = lab.insert_tasks(1)
    asleep, other = _taken_by(lab, workers, second)
    with asleep.relay.hold(AtChange(str(statement)), limit=1) as hold:
        comes = Condition("the completion", lambda _b, _n: hold.is_holding, by=asleep.name)
        lab.comes(comes, timeout=SLEEP_WORK + 5)
        if hold.is_holding:
            _sleep_through(lab, asleep, other, second, hold)
    [bad] = lab.insert_tasks(1, fail=True)
    failed = lab.has_status(bad, status="failed")
    lab.comes(any_of((failed, *(worker.works_on(bad) for worker in workers))), timeout=LONGEST_CHANCE)
    lab.settle()
    holders = [worker for worker in workers if lab.comes(worker.works_on(bad), timeout=0)]
    if fails_at_once(lab.history().story(bad.id)):
        lab.note("fails-at-once", task=bad.id)
    else:
        lab.give_up_unless(bool(holders), "a worker to work on the task whose work fails")
        [asleep], [other] = holders[:1], [worker for worker in workers if worker is not holders[0]]
        _sleep_through(lab, asleep, other, bad, fails=True)
    lab.watch(0.3)
    lab.note("slept-enough")


def fails_at_once(story: Story) -> bool:
    """Whether an attempt at a task has failed before half of its work can have been done: nobody can stop it at that."""
    if not story.claims:
        return story.status == "failed"  # both in one statement
    claims = [claim.at for claim in story.claims]
    return any(
        failure.at - max((at for at in claims if at <= failure.at), default=failure.at) < SLEEP_WORK / 2
        for failure in story.failures
    )


def _taken_by(lab: Lab, workers: list[Worker], task: Task) -> tuple[Worker, Worker]:
    name = lab.wait_for_any({w.name: w.works_on(task) for w in workers})
    return next(w for w in workers if w.name == name), next(w for w in workers if w.name != name)


def _sleep_through(
    lab: Lab, asleep: Worker, other: Worker, task: Task, hold: Hold | None = None, *, fails: bool = False
) -> bool:
    """Stop a worker until the other one has taken its task over, and wake it while that one is still at work.

    Whether it could be taken over.
    """
    asleep.signal(signal.SIGSTOP)
    sql = hold.held[0].sql if hold is not None and hold.is_holding else None
    # The timeout need not be waited for, unless a worker measures it with a clock of its own. A row that the
    # sleeper still has a lock on is left alone: nobody can take it over.
    aged = lab.status_of(task) == "processing" and bool(lab.database.lockable([task.id]))
    if aged:
        lab.database.age([task.id], SLEEP_TIMEOUT)
    lab.note("stopped", task=task.id, service=asleep.name, sql=sql, aged=aged, fails=fails)
    lab.comes(any_of((other.works_on(task), _has_had_its_chance(lab, other))), timeout=LONGEST_CHANCE)
    taken_over = lab.comes(other.works_on(task), timeout=0)
    lab.note("woken", task=task.id, service=asleep.name, taken_over=taken_over)
    before = asleep.looks
    if hold is not None:
        hold.release()
    asleep.signal(signal.SIGCONT)
    if fails:  # which may be tried several times, with pauses
        lab.comes(lab.has_status(task, status="failed"), timeout=LONGEST_CHANCE)
    else:
        lab.wait_until(lab.has_status(task))
    # Whatever it does with the old task, it does before it looks for the next one.
    looked = lab.comes(asleep.has_looked_since(before, 2), timeout=5)
    lab.note("awake-again", task=task.id, seen=looked or not asleep.is_alive)
    return taken_over


def _has_had_its_chance(lab: Lab, worker: Worker) -> Condition:
    """From when a task counts as abandoned at the latest, a worker has looked for some: on any machine it was there."""
    due = lab.clock.now() + SLEEP_TIMEOUT + POLL
    looks_then: list[int] = []

    def holds(board: Board, now: float) -> bool:
        looks = board.services[worker.name].looks
        if now >= due and not looks_then:
            looks_then.append(looks)
        return bool(looks_then) and looks >= looks_then[0] + LOOKS

    return Condition(f"{worker.name} to look for abandoned tasks", holds, by=worker.name)


@check(
    "x.fencing",
    points=3,
    on=sleeper,
    after=processes,
    explained_by=(does_the_work, shares_the_work, recovers_what_a_killed_worker_left),
    hint="Record each end with a WHERE that says whose the task must still be: its id, its status, and what is new with "
    "every claim, such as a counter of attempts (a name can claim the same task twice). Then look at the row count.",
    read=f"{LAB}#fencing",
)
def sleeper_changes_nothing(history: History) -> Judgement:
    """A worker that slept past the timeout, and whose task another one took over, wakes up and changes nothing.

    A worker can sleep at any line: a suspended machine, a full disk, a long garbage collection. When it wakes up
    it does not know that its task is somebody else's by now.
    """
    need(history.moment("stopped"), "no worker had a task in hand")
    results = together(partial(_after_sleep, history, stopped) for stopped in history.moments("stopped"))
    if results[0].verdict is Verdict.FAIL:
        return results[0]
    need(history.moment("slept-enough"), "the scenario came to no end")
    was_taken = any(woken.detail["taken_over"] for woken in history.moments("woken"))
    # Work that fails before it begins is never in hand: there is no sleep in its middle.
    sleeps = SLEEPS - (history.moment("fails-at-once") is not None)
    if was_taken and len(results) < sleeps:
        need(None, "the statement that would complete the second task was not seen to come")
    return holds(
        "; ".join(
            f"{_when(stopped)}: {result.observed}"
            for stopped, result in zip(history.moments("stopped"), results, strict=True)
        ),
        *[line for result in results for line in result.evidence],
    )


SLEEPS = 3
"""How often a worker is stopped whose tasks can be taken over."""


def _when(stopped: Moment) -> str:
    if stopped.detail["fails"]:
        return "at work that fails"
    return "stopped at work" if stopped.detail["sql"] is None else "as it was about to complete a task"


def _after_sleep(history: History, stopped: Moment) -> Judgement:
    story = history.story(stopped.detail["task"])
    woken = need(_moment_of(history, "woken", story), "the sleeper was not woken")
    service, sql = stopped.detail["service"], stopped.detail["sql"]
    what = "" if sql is None else f", “{short(sql, 90)}” held on its way"
    aged = "; its times moved past the timeout" if stopped.detail["aged"] else ""
    marks = [
        Evidence(stopped.at, f"SIGSTOP while task {story.task} is in hand{what}{aged}", service),
        Evidence(woken.at, "SIGCONT" if sql is None else "the statement let go, and SIGCONT", service),
    ]
    proof = sorted([*life(story), *marks], key=lambda e: e.at)
    takeover = [c for c in story.claims if c.service != service and stopped.at < c.at]
    taken_over = woken.detail["taken_over"]
    ends = story.failures if stopped.detail["fails"] else story.completions
    done = ends[:1]
    if not takeover and any(c.service == service and (taken_over or c.committed_at < woken.at) for c in done):
        need(None, "the task was done before the worker slept")
    if not taken_over:
        if takeover:
            need(None, "the task was taken over only when the sleeper was awake again")
        if len(ends) == 1 or (ends and stopped.detail["fails"] and {c.service for c in ends} == {service}):
            end = "failed" if stopped.detail["fails"] else "completed once"
            return holds(f"no takeover was possible while the sleeper lived; {end} after it woke", *proof)
        need(None, "nobody took the task over")
    late = [c for c in story.changes if c.service == service and c.at > woken.at]
    if late and not (_is_claim(late[0]) or _abandoned_again(story, service, late[0])):
        return broken(
            *proof,
            *[moved(c) for c in late[:2] if not c.status_moved],
            expected="the sleeper changes nothing",
            observed=f"it changed task {story.task} {late[0].at - woken.at:.2f} s after it woke",
            hint=_no_fence(stopped),
        )
    awake = need(_moment_of(history, "awake-again", story), "the task was never completed")
    if not awake.detail["seen"]:
        need(None, "the sleeper was not seen to go on after it was woken")
    return holds("it woke up, and left the task to the one that took it over", *proof)


def _no_fence(stopped: Moment) -> str | None:
    """A hint for a sleeper that wrote to a task that was not its own any more; None: what the check says anyway."""
    if stopped.detail["fails"]:
        return "The path for work that fails needs the same fence as the one for work that is done."
    if stopped.detail["sql"] is not None:
        return (
            "Looking who owns the task is not enough: somebody may take it between the look and the UPDATE. "
            "Put what must still hold into the WHERE of the UPDATE itself, and look at its row count."
        )
    return None


def _is_claim(change: Change) -> bool:
    """Whether it took a task that was pending: work that failed may be given back, to whoever comes next."""
    return bool(change.before("status") == "pending" and change.after("status") == "processing")


def _abandoned_again(story: Story, service: str, change: Change) -> bool:
    """Whether the sleeper took the task up anew, after the other one had been silent for the timeout as well."""
    if change.after("status") not in ("pending", "processing"):
        return False
    others = {c.service for c in story.changes if c.service not in (None, service)}
    signs = [sign for other in others if (sign := story.last_sign_of_life(str(other), change.at)) is not None]
    return change.at - max(signs, default=change.at) >= 0.9 * SLEEP_TIMEOUT


def _moment_of(history: History, name: str, story: Story) -> Moment | None:
    return next((m for m in history.moments(name) if m.detail["task"] == story.task), None)
