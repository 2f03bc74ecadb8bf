"""Exercise 3a: how a worker waits, and how long it works."""

from __future__ import annotations

import re
from itertools import pairwise

from grader.checkpoints.evidence import (
    ended,
    life,
    ran,
    said,
)
from grader.checkpoints.polls import Rhythm, rhythms
from grader.checkpoints.worker import LAB, A, processes, starts, three_tasks
from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Evidence


def seconds_of(text: str) -> float:
    """A duration as the grader wrote it into a setting (seconds, or Go's ``1m30s``, ``250ms``)."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    if text[-1:].isdigit():
        return float(text)
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", text))


@scenario(timeout=10, seconds=5)
def idle_second(lab: Lab) -> None:
    """Nothing to do, with one poll a second; then a backlog of three tasks."""
    worker = lab.start_worker(poll=1.0, duration=0.05)
    worker.process.sample_usage()
    lab.note("idle-begins")
    lab.watch(3.4)
    worker.process.sample_usage()
    lab.note("idle-ends")
    tasks = lab.insert_tasks(3)
    lab.wait_until(lab.has_status(*tasks))


@scenario(timeout=10, seconds=3)
def idle_quarter(lab: Lab) -> None:
    """Nothing to do, with four polls a second; then one task of some length."""
    lab.start_worker(poll=0.25, duration=0.9)
    lab.note("idle-begins")
    lab.watch(1.9)
    lab.note("idle-ends")
    lab.wait_until(lab.has_status(*lab.insert_tasks(1)))


@check(
    "3a.work-is-done",
    points=2,
    on=(three_tasks, idle_quarter),
    after=processes,
    hint="Sleep for WORKER_TASK_DURATION between the claim and the completion, outside the claim's transaction.",
    read=f"{LAB}#polling-loop",
)
def does_the_work(short_work: History, long_work: History) -> Judgement:
    """WORKER_TASK_DURATION passes between claim and completion, at two settings.

    A task that is marked completed without its work is worse than one that failed: nobody looks for it again. The
    setting stands for work that takes time.
    """
    seen = []
    for history in (short_work, long_work):
        for story in history.stories.values():
            if not story.claims or not story.completions:
                continue
            wanted = seconds_of(need(history.started(A), "").settings["WORKER_TASK_DURATION"])
            took = story.completions[0].at - story.claims[0].at
            late = 1.0 * history.patience + history.stalled_between(story.claims[0].at, story.completions[0].at)
            if not 0.95 * wanted <= took <= wanted + late:
                return broken(
                    *life(story),
                    expected=f"{wanted:g} s between claim and completion",
                    observed=f"task {story.task}: {took:.2f} s",
                )
            seen.append(took)
            break
    if len(seen) < 2:
        need(None, "no task was completed at both settings")
    return holds(" and ".join(f"{took:.2f} s" for took in seen))


@check(
    "3a.poll-interval",
    points=2,
    on=(idle_second, idle_quarter),
    after=starts,
    hint="Wait for the whole interval, fractions too, only after a poll that found nothing.",
    read=f"{LAB}#poll-interval",
)
def keeps_the_interval(second: History, quarter: History) -> Judgement:
    """Empty polls come at WORKER_POLL_INTERVAL, at two settings; a backlog is worked off without waiting.

    The interval is a bargain between load on the database and time that a task waits. A worker that waits between
    tasks as well makes the bargain for the worst of both.
    """
    seen: list[list[Rhythm]] = []
    for history, wanted in ((second, 1.0), (quarter, 0.25)):
        begins = need(history.moment("idle-begins"), "the worker never came to its first poll").at
        ends = need(history.moment("idle-ends"), "the scenario came to no end").at
        if exit_ := history.exited(A):
            return broken(
                *[said(line) for line in history.log(A)[-4:]],
                ended(exit_),
                expected=f"a poll every {wanted:g} s",
                observed="it ended while there was nothing to do",
            )
        seen.append(rhythms(history, A, begins, ends))
    fitting = [
        (r1, r2)
        for r1, r2 in zip(*seen, strict=True)
        if r1.fits(1.0, second.patience) and r2.fits(0.25, quarter.patience)
    ]
    if not fitting:
        r1, r2 = seen[0][0], seen[1][0]
        return broken(
            *[Evidence(at, "poll", A) for at in r1.times[:5]],
            expected="a poll every 1 s, and every 0.25 s when told so",
            observed=f"every {r1.words} at 1 s, every {r2.words} at 0.25 s",
        )
    waits = _waits_in_backlog(second)
    if not waits:
        need(None, "the backlog was not worked off")
    if max(waits) > 0.5 + 0.25 * second.patience:
        return broken(
            *[e for task in second.inserted for e in life(second.story(task))[1:]],
            expected="no wait while tasks are there",
            observed=f"{max(waits):.2f} s between a completion and the next claim",
            hint="Wait only when a poll found nothing; after a task look again at once.",
        )
    return holds(f"every {fitting[0][0].words} and every {fitting[0][1].words}; no wait within a backlog")


def _waits_in_backlog(history: History) -> list[float]:
    stories = [history.story(task) for task in history.inserted]
    claimed = sorted(s.claims[0].at for s in stories if s.claims)
    completed = sorted(s.completions[0].at for s in stories if s.completions)
    if len(stories) < 3 or len(completed) < len(stories):
        return []
    return [max(0.0, claim - done) for claim, done in zip(claimed[1:], completed, strict=False)]


@check(
    "3a.idle-quiet",
    points=2,
    on=idle_second,
    after=starts,
    hint="End the transaction also when a poll found nothing, keep one connection, and wait without spinning.",
    read=f"{LAB}#idle-and-quiet",
)
def is_quiet_when_idle(history: History) -> Judgement:
    """Idle, the worker uses next to no CPU time, leaves no transaction open, and opens no more connections.

    Most workers idle most of the time. A transaction that stays open keeps PostgreSQL from cleaning up for
    everyone, and connections are few.
    """
    begins = need(history.moment("idle-begins"), "the worker never came to its first poll").at
    ends = need(history.moment("idle-ends"), "the scenario came to no end").at
    usage = history.usage(A)
    if len(usage) < 2:
        need(None, "its CPU time was not measured")
    used, time = usage[1].cpu_s - usage[0].cpu_s, usage[1].at - usage[0].at
    if used > 0.15 * time:
        return broken(
            expected="next to no CPU time while there is nothing to do",
            observed=f"{used:.2f} s of CPU time in {time:.1f} s",
        )
    if problem := _open_transaction(history, begins, ends):
        return problem
    first, last = (len(history.open_connections(A, at)) for at in (begins, ends))
    if last > first + 1:
        return broken(
            expected="a number of connections that stays the same",
            observed=f"{first} open at first, {last} after {ends - begins:.1f} s",
            hint="Close what you open, or keep one connection and use it again.",
        )
    return holds(f"{used:.2f} s of CPU time in {time:.1f} s, {last} open connection{'s' * (last != 1)}")


def _open_transaction(history: History, begins: float, ends: float) -> Judgement | None:
    """A transaction that stays open for half an interval and longer between two polls."""
    mine = [s for s in history.steps_of(A) if s.ended is not None and begins <= s.began <= ends]
    for step, following in pairwise(mine):
        gap = following.began - (step.ended or 0)
        if step.state_after in ("T", "E") and gap > 0.5 and step.connection == following.connection:
            return broken(
                ran(step),
                expected="no transaction open while the worker waits",
                observed=f"a transaction stayed open for {gap:.1f} s after an empty poll",
            )
    return None
