"""Exercise 3a: work that fails."""

from __future__ import annotations

from collections.abc import Iterable

from grader.checkpoints.evidence import ended, life, list_of, said
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import Event, RowChanged, ServiceExited
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Task, Worker, any_of

SHORT_WORK, LONGER_WORK = 0.1, 0.5
"""WORKER_TASK_DURATION of work that fails, in seconds: what it takes more the second time tells how often it is tried."""


@scenario(timeout=12, seconds=3)
def failing_work(lab: Lab) -> None:
    """The work of the oldest task fails; two more wait behind it. Much later the worker still finds nothing to do."""
    worker = lab.start_worker(poll=0.2, duration=SHORT_WORK, stuck=SOON)
    [bad] = lab.insert_tasks(1, fail=True)
    good = [*lab.insert_tasks(1), *lab.insert_tasks(1, fail=False)]
    failed = lab.has_status(bad, status="failed")
    lab.note("failing", task=bad.id)
    _until(lab, lab.has_status(*good), bad)
    _until(lab, failed, bad)
    for _ in range(MOST_ATTEMPTS + 1):
        tries = len(lab.history().story(bad.id).claims)
        lab.database.age([bad.id, *(task.id for task in good)], MUCH_LATER)
        lab.note("aged", seconds=MUCH_LATER)
        lab.wait_until(worker.has_looked(2))
        _until(lab, failed, bad)
        if len(lab.history().story(bad.id).claims) == tries:
            break  # failed for good; work that may be tried again is, until nothing is left to try


@scenario(timeout=12, seconds=2)
def failing_longer_work(lab: Lab) -> None:
    """The work of a task fails, and takes longer to do so. If it is tried a third time, by another worker from then on."""
    first = lab.start_worker(poll=0.2, duration=LONGER_WORK, stuck=SOON)
    [bad] = lab.insert_tasks(1, fail=True)
    failed = lab.has_status(bad, status="failed")
    lab.note("failing", task=bad.id)
    third = Condition("a third attempt", lambda _b, _n: _claims(lab.recorder.events(), bad) > 2)
    _until(lab, any_of((failed, third)), bad)
    if lab.status_of(bad) != "failed":
        _hand_over(lab, first, bad)
        _until(lab, failed, bad)


REST, RESTS = 0.4, 30
"""Seconds after which a task that waits for its next attempt is made older, and how often: as long as a wait may be."""

OLDER = 60.0
"""Seconds by which such a task is made older at a time: less than any timeout of these scenarios."""


def without_rests(lab: Lab, over: Condition, task: Task) -> bool:
    """Wait for something that may take several attempts at a task; whether it came.

    There may be pauses between the attempts. If the row tells when such a pause ends, it need not be waited for.
    """
    for _ in range(RESTS):
        if lab.comes(over, timeout=REST):
            return True
        # A row that somebody has a lock on is not at rest, whatever others see of it.
        if lab.status_of(task) == "pending" and lab.database.lockable([task.id]):
            lab.database.age([task.id], OLDER)
    return False


def _until(lab: Lab, over: Condition, task: Task) -> None:
    """``without_rests``, for what the scenario cannot go on without."""
    since = lab.clock.now()
    if not without_rests(lab, over, task):
        lab.wait_until(over, timeout=0, since=since)


def _claims(events: Iterable[Event], task: Task) -> int:
    """How often a task was claimed up to now."""
    return sum(
        isinstance(event, RowChanged)
        and event.task == task.id
        and not event.by_grader
        and (event.before or {}).get("status") != "processing"
        and (event.after or {}).get("status") == "processing"
        for event in events
    )


def _hand_over(lab: Lab, first: Worker, task: Task) -> None:
    """End a worker, which may finish what it is at, and let another one try the task from then on."""
    lab.settle()
    lab.end(first, grace=5)  # how it stops is judged elsewhere
    lab.note("handed-over", task=task.id)
    if lab.status_of(task) == "processing":
        lab.database.age([task.id], MUCH_LATER)
    lab.start_worker("worker-B", poll=0.2, duration=LONGER_WORK, stuck=SOON, ready=False)


SOON, MUCH_LATER = 600.0, 3600.0
"""Seconds: a timeout that does not come to pass while a scenario runs, and what tasks are aged by, beyond it."""

MOST_ATTEMPTS = 5
"""Of work that fails."""

CLEARLY_MORE = 2.5
"""Attempts by which a count that was measured by time has to be off, before it counts."""


@check(
    "3a.failed-work",
    points=4,
    on=(failing_work, failing_longer_work),
    after=processes,
    hint="Catch the exception of the work, roll back what is open, write 'failed', and go on with the next task.",
    read=f"{LAB}#failing-work",
)
def survives_failed_work(history: History, longer: History) -> Judgement:
    """Work that fails ends as failed after five attempts at most, for good; the tasks behind it complete.

    Some tasks cannot be done, ever. One of them must not stop the tasks behind it, be tried for all time, or look
    as if it had been done.
    """
    moment = need(history.moment("failing"), "the tasks were not inserted")
    story = history.story(moment.detail["task"])
    if not story.claims:
        need(None, "the failing task was never claimed")
    exit_ = history.exited(A)
    behind = [history.story(task) for task in history.inserted if task != story.task]
    left = [s.task for s in behind if s.status != "completed"]
    attempts = _attempts(history, story)
    if problem := _done_again(history):
        return problem
    if exit_ is not None:
        return broken(
            *life(story),
            ended(exit_),
            *[said(line) for line in history.log(A)[-3:]],
            expected="the worker lives",
            observed="it ended",
        )
    if story.completions or story.status != "failed" or attempts > MOST_ATTEMPTS:
        return broken(
            *life(story),
            expected="failed, after five attempts at most",
            observed=f"{story.status} after {attempts} attempt{'s' * (attempts != 1)}",
            hint=_why_not_failed(history, story, attempts),
        )
    if left:
        failed = [each.task for each in behind if each.status == "failed"]
        return broken(
            *life(story),
            *(line for task in failed[:1] for line in life(history.story(task))),
            expected="the tasks behind it complete",
            observed=f"left: {list_of(left)}" if not failed else f"failed as well: {list_of(failed)}",
            hint="Work fails where the payload says so (fail is true), and nowhere else."
            if failed
            else "After a failure go on as after a success: roll back what is open, and look for the next task at once.",
        )
    if problem := _by_two_workers(longer) or _tried_in_a_row(story, longer):
        return problem
    return holds(f"failed after {attempts} attempt{'s' * (attempts > 1)}, then the others", *life(story))


def _why_not_failed(history: History, story: Story, attempts: int) -> str | None:
    if story.completions:
        return "Work that raised is not done: its exception must not end where the completion is written."
    if _taken_up_again(history, story):
        return _ASK_FOR_PROCESSING
    return _COUNT if attempts > MOST_ATTEMPTS else None


_COUNT = "Count the attempts in the table, five at most, and write 'failed' with the last one."

_ASK_FOR_PROCESSING = "Only tasks in processing can be abandoned: recovery has to ask for that status."


def _taken_up_again(history: History, story: Story) -> bool:
    """Whether the task was claimed once more when the timeout had passed for it."""
    aged = history.moment("aged")
    return aged is not None and any(claim.at > aged.at for claim in story.claims)


def _done_again(history: History) -> Judgement | None:
    """A task that was completed, and that was moved once more when the timeout had passed for it."""
    aged = history.moment("aged")
    if aged is None:
        return None
    moves = [
        change
        for story in history.stories.values()
        for change in story.changes
        if change.at > aged.at and change.before("status") == "completed" and change.status_moved
    ]
    if not moves:
        return None
    first = min(moves, key=lambda change: change.at)
    return broken(
        *life(history.story(first.row.task)),
        expected="a task that is completed stays so",
        observed=f"task {first.row.task} was completed, and {first.after('status') or 'deleted'} when it was "
        f"{aged.detail['seconds']:.0f} s old, with a timeout of {SOON:.0f} s",
        hint=_ASK_FOR_PROCESSING,
    )


def _attempts(history: History, story: Story) -> int:
    """How often the work was tried, but for attempts that were cut short with their worker."""
    exits = [exit_ for service in history.workers() if (exit_ := history.exited(service)) is not None]
    cut = sum(story.task in history.in_hand(e.service, e.at) for e in exits)
    if not cut:
        return max(len(story.claims), len(story.failures))
    # Who gives back what a worker that is gone has left does not end an attempt of its own.
    own = [c for c in story.failures if story.task in history.in_hand(str(c.service), c.at - _JUST_BEFORE)]
    return max(len(story.claims) - cut, len(own))


_JUST_BEFORE = 1e-6
"""Seconds."""


def _by_two_workers(longer: History) -> Judgement | None:
    """What is wrong with attempts that one worker begins and another one goes on with."""
    moment = need(longer.moment("failing"), "the tasks were not inserted")
    story = longer.story(moment.detail["task"])
    attempts = _attempts(longer, story)
    if longer.moment("handed-over") is None or attempts <= MOST_ATTEMPTS:
        return None
    return broken(
        *life(story, limit=24),
        expected="failed, after five attempts at most, whoever makes them",
        observed=f"{story.status} after {attempts} attempts by two workers, one after the other",
        hint="Count the attempts in the table: what a worker remembers is gone when it ends, and no other one knows it.",
    )


def _tried_in_a_row(short: Story, longer: History) -> Judgement | None:
    """Attempts that the table does not show: each takes so much more time as the work does. Pauses take the same."""
    moment = need(longer.moment("failing"), "the tasks were not inserted")
    story = longer.story(moment.detail["task"])
    if story.status != "failed":
        return broken(*life(story), expected="failed, after five attempts at most", observed=f"{story.status}")
    stalls = longer.stalled_between(story.changes[0].at, story.changes[-1].at)
    more = _time_in_hand(story, longer) - _time_in_hand(short) - stalls
    attempts = more / (LONGER_WORK - SHORT_WORK)
    if attempts <= MOST_ATTEMPTS + CLEARLY_MORE:
        return None
    return broken(
        *life(story),
        expected="failed, after five attempts at most",
        observed=f"work of {LONGER_WORK:g} s took {_time_in_hand(story, longer):.1f} s to fail, work of {SHORT_WORK:g} s "
        f"{_time_in_hand(short):.1f} s: it was tried about {attempts:.0f} times in a row",
        hint="Try the work five times at most before the task counts as failed.",
    )


def _time_in_hand(story: Story, history: History | None = None) -> float:
    """The seconds between each claim and the end of its attempt, or of its worker, in all."""
    exits = [] if history is None else history.of(ServiceExited)
    ends = [*(c.at for c in story.failures), *(exit_.at for exit_ in exits)]
    return sum(min((end for end in ends if end > claim.at), default=claim.at) - claim.at for claim in story.claims)
