"""Exercise 3a: how a worker waits, and how long it works."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median

from grader.checkpoints.evidence import (
    ended,
    life,
    ran,
    said,
)
from grader.checkpoints.polls import Rhythm, latest, rhythms
from grader.checkpoints.starting import LAB, A, starts
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import Event, RowChanged
from grader.history.sql import shape
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, any_of
from grader.model import Evidence


def seconds_of(text: str) -> float:
    """A duration as the grader wrote it into a setting (seconds, or Go's ``1m30s``, ``250ms``)."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    if text[-1:].isdigit():
        return float(text)
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", text))


IDLE_INTERVAL = 1.0
"""WORKER_POLL_INTERVAL, in seconds, of a worker whose quiet is looked at."""


@scenario(timeout=10, seconds=5)
def idle_second(lab: Lab) -> None:
    """Nothing to do, with one poll a second; then a backlog of tasks that take no time, of which some fail."""
    worker = lab.start_worker(poll=IDLE_INTERVAL, duration=0.0)
    worker.process.sample_usage()
    lab.note("idle-begins")
    _watch_polls(lab, IDLE_INTERVAL, 3.4)
    worker.process.sample_usage()
    lab.note("idle-ends")
    good = lab.insert_tasks(1)
    for _ in range(3):
        lab.insert_tasks(1, fail=True)
        good += lab.insert_tasks(1)
    over = lab.has_status(*good)
    # Who tries work that takes no time for ever comes to nothing else, and fills the record.
    for_ever = Condition("many changes", lambda _b, _n: _changes(lab.recorder.events()) > MANY_CHANGES)
    since = lab.clock.now()
    lab.wait_until(any_of((over, for_ever)))
    lab.wait_until(over, timeout=0, since=since)


MANY_CHANGES = 300
"""Changes of rows: several times as many as a backlog of seven tasks needs, three of them with all their attempts."""


def _changes(events: Iterable[Event]) -> int:
    return sum(isinstance(event, RowChanged) for event in events)


@scenario(timeout=10, seconds=4)
def idle_quarter(lab: Lab) -> None:
    """Nothing to do, with four polls a second; then two tasks of some length."""
    lab.start_worker(poll=0.25, duration=0.9)
    lab.note("idle-begins")
    _watch_polls(lab, 0.25, 1.9)
    lab.note("idle-ends")
    lab.wait_until(lab.has_status(*lab.insert_tasks(2)))


def _watch_polls(lab: Lab, interval: float, seconds: float) -> None:
    """Let time pass in which a worker polls: on a machine on which polls take long, as much as they need.

    Of polls that are none too late, three come in it at the least.
    """
    begins = lab.clock.now()
    lab.watch(seconds)
    history, now = lab.history(), lab.clock.now()
    found = rhythms(history, A, begins, now).values()
    if not any(rhythm.fits(interval, lab.patience) for rhythm in found):
        longest = 3.2 * latest(interval, lab.patience) + history.stalled_between(begins, now)
        lab.watch(max(0.0, begins + longest - now))


SHORTEST_SHARE = 0.95
"""Of WORKER_TASK_DURATION, that passes between claim and completion in any case: two clocks are read for it."""

LONGEST_EXTRA = 0.7
"""Seconds that claiming and completing may add to the work, on any machine: of several tasks the quickest counts."""


@check(
    "3a.work-is-done",
    points=2,
    on=(idle_second, idle_quarter),
    after=processes,
    hint="Let WORKER_TASK_DURATION pass between the claim and the completion, with or without a transaction that stays "
    "open meanwhile. It may be zero: that is a setting like any other.",
    read=f"{LAB}#polling-loop",
)
def does_the_work(no_work: History, long_work: History) -> Judgement:
    """WORKER_TASK_DURATION passes between claim and completion, at two settings, one of them zero.

    A task that is marked completed without its work is worse than one that failed: nobody looks for it again. The
    setting stands for work that takes time.
    """
    seen = []
    for history in (no_work, long_work):
        done = [s for s in history.stories.values() if s.claims and s.completions]
        if not done:
            need(None, "no task was completed at both settings")
        wanted = asked_for(history)
        quickest = min(done, key=_took)
        took = _took(quickest)
        stalls = history.stalled_between(quickest.claims[0].at, quickest.completions[0].at)
        if not SHORTEST_SHARE * wanted <= took <= wanted + LONGEST_EXTRA + stalls:
            return broken(
                *life(quickest),
                expected=f"{wanted:g} s between claim and completion",
                observed=f"task {quickest.task}: {took:.2f} s",
            )
        seen.append(took)
    return holds(" and ".join(f"{took:.2f} s" for took in seen))


def asked_for(history: History) -> float:
    """The work that a task takes by the worker's setting, in seconds."""
    return seconds_of(need(history.started(A), "the worker was not started").settings["WORKER_TASK_DURATION"])


def cut_short(history: History, story: Story, usual: History) -> str | None:
    """What a report says of a task that was completed before its work can have been done; None: it was not.

    ``usual`` is undisturbed work: where it is too short as well, that is another fault, and another check's.
    """
    if not story.completions or not any(_worked(usual, each) for each in usual.stories.values()):
        return None
    wanted = asked_for(history)
    if _worked(history, story) is not False:
        return None
    took = story.completions[0].at - _last_claim(story)
    return f"task {story.task} completed {took:.2f} s after its claim, and its work takes {wanted:g} s"


def _worked(history: History, story: Story) -> bool | None:
    """Whether there was time for the work of a task; None: it was not claimed and completed."""
    if not story.completions or not story.claims:
        return None
    return story.completions[0].at - _last_claim(story) >= SHORTEST_SHARE * asked_for(history)


def _last_claim(story: Story) -> float:
    """When the claim began that led to the completion."""
    done = story.completions[0].at
    return max((claim.at for claim in story.claims if claim.at <= done), default=done)


def _took(story: Story) -> float:
    return story.completions[0].at - story.claims[0].at


LONGEST_GAP = 0.8
"""Seconds between a completion and the next claim, where the interval is a second; of several the median counts."""


@check(
    "3a.poll-interval",
    points=2,
    on=(idle_second, idle_quarter),
    after=starts,
    hint="Wait for the whole interval, fractions too, only after a poll that found nothing.",
    read=f"{LAB}#poll-interval",
)
def keeps_the_interval(second: History, quarter: History) -> Judgement:
    """Empty polls come at WORKER_POLL_INTERVAL, at two settings; tasks that wait are worked off without a pause.

    The interval is a bargain between load on the database and time that a task waits. A worker that waits between
    tasks as well makes the bargain for the worst of both.
    """
    seen: list[Mapping[str, Rhythm]] = []
    for history, wanted in ((second, 1.0), (quarter, 0.25)):
        begins = need(history.moment("idle-begins"), "the worker never came to its first poll").at
        ends = need(history.moment("idle-ends"), "the scenario came to no end").at
        exit_ = history.exited(A)
        if exit_ is not None and exit_.at < ends:
            return broken(
                *[said(line) for line in history.log(A)[-4:]],
                ended(exit_),
                expected=f"a poll every {wanted:g} s",
                observed="it ended while there was nothing to do",
            )
        seen.append(rhythms(history, A, begins, ends))
    fitting = [
        (r1, r2)
        for name, r1 in seen[0].items()
        if (r2 := seen[1].get(name)) and r1.fits(1.0, second.patience) and r2.fits(0.25, quarter.patience)
    ]
    if not fitting:
        r1, r2 = (next(iter(found.values())) for found in seen)
        return broken(
            *[Evidence(at, "poll", A) for at in r1.times[:5]],
            expected="a poll every 1 s, and every 0.25 s when told so",
            observed=f"{r1.words} at 1 s, {r2.words} at 0.25 s",
        )
    words = f"{fitting[0][0].words} and {fitting[0][1].words}"
    waits = _waits_in_backlog(second)
    if not waits:  # that tasks are not worked off is another check's to say
        return holds(f"{words}; no backlog was worked off")
    for after, seen_waits in (("a completion", waits), ("a failure", _waits_in_backlog(second, failed=True))):
        if seen_waits and median(seen_waits) > LONGEST_GAP:
            return broken(
                *[e for task in second.inserted for e in life(second.story(task))[1:]],
                expected="no wait while tasks are there",
                observed=f"{median(seen_waits):.2f} s between {after} and the next claim",
                hint="Wait only when a poll found nothing; after a task look again at once, whatever came of it.",
            )
    return holds(f"{words}; no wait within a backlog")


def _waits_in_backlog(history: History, *, failed: bool = False) -> list[float]:
    """How long it took from each completion (or failure) to the next claim, as long as another task waited for it."""
    stories = [history.story(task) for task in history.inserted]
    done = [s for s in stories if s.claims and s.completions]
    if len(done) < 4:
        return []
    claims = sorted(claim.at for s in stories for claim in s.claims)
    last = max(s.claims[0].at for s in done)
    ends = sorted(change.at for s in stories for change in (s.failures if failed else s.completions[:1]))
    # One that tries work for ever, which takes no time, does so thousands of times.
    waits = [(end, claims[bisect_left(claims, end)]) for end in ends if end < last][:_MOST_WAITS]
    return [claim - end - history.stalled_between(end, claim) for end, claim in waits]


_MOST_WAITS = 30
"""So many waits tell what the usual one is."""


MOST_POLLS = 3
"""Statements of one kind on one connection, for each interval; one that spins sends more, on any machine."""

LONGEST_IDLE_TRANSACTION = 0.5
"""Seconds."""


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
    polls = _most_of_a_kind(history, begins, ends)
    if used > 0.15 * time or polls > MOST_POLLS * (ends - begins) / IDLE_INTERVAL:
        return broken(
            expected="next to no CPU time, and few statements, while there is nothing to do",
            observed=f"{used:.2f} s of CPU time in {time:.1f} s, and {polls} times the same statement",
        )
    if problem := _open_transaction(history, begins, ends):
        return problem
    settled = begins + IDLE_INTERVAL
    first, last = (len(history.open_connections(A, at)) for at in (settled, ends))
    if last > first + 1 and _goes_on_opening(history, settled, ends):
        return broken(
            expected="a number of connections that stays the same",
            observed=f"{first} open after {IDLE_INTERVAL:g} s, {last} after {ends - begins:.1f} s",
            hint="Close what you open, or keep one connection and use it again.",
        )
    return holds(f"{used:.2f} s of CPU time in {time:.1f} s, {last} open connection{'s' * (last != 1)}")


def _most_of_a_kind(history: History, begins: float, ends: float) -> int:
    steps = [s for s in history.steps_of(A) if begins <= s.began <= ends and not s.is_setup]
    return max(Counter((s.connection, shape(s.sql)) for s in steps).values(), default=0)


def _goes_on_opening(history: History, begins: float, ends: float) -> bool:
    """Whether in both halves of an interval connections were opened that are still there at its end.

    A pool that fills, and loops that connect when they first need to, come to an end of that. One connection for each
    poll goes on and on.
    """
    kept = history.open_connections(A, ends)
    first, middle = (sum(c.is_open_at(at) for c in kept) for at in (begins, (begins + ends) / 2))
    return first < middle < len(kept)


def _open_transaction(history: History, begins: float, ends: float) -> Judgement | None:
    """A transaction that stays open between two statements of its connection, or after the last one."""
    for connection in history.connections:
        if connection.service != A:
            continue
        over = min(ends, connection.closed or ends)
        mine = [s for s in history.steps_of(A) if s.connection == connection.number and s.ended is not None]
        for number, step in enumerate(mine):
            following = mine[number + 1].began if number + 1 < len(mine) else over
            start, end = max(begins, step.ended or begins), min(over, following)
            gap = end - start - history.stalled_between(start, end)
            if step.state_after in ("T", "E") and gap > LONGEST_IDLE_TRANSACTION:
                return broken(
                    ran(step),
                    expected="no transaction open while the worker waits",
                    observed=f"a transaction stayed open for {gap:.1f} s while there was nothing to do",
                )
    return None
