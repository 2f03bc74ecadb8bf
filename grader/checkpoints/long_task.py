"""Beyond the lab: work that lasts longer than the timeout."""

from __future__ import annotations

import signal
from functools import partial

from grader.checkpoints.evidence import life
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.recovery import POLL
from grader.checkpoints.shutdown import finishes_the_task_in_hand
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need, together
from grader.lab import Lab
from grader.model import Verdict

LONG_TIMEOUT = 1.5
LONG_WORK = 3.4

MOST_TIMES_LONGER = 3.0
"""So much longer both are at most on a slow machine, where signs of life take their time too."""

MOST_STALLED = 0.25
"""Share of the timeout for which the machine may give nobody time, and a lost task is still the worker's fault."""


@scenario(timeout=12, seconds=6)
def work_longer_than_the_timeout(lab: Lab) -> None:
    """Two of three workers work for longer than the timeout, one of them told to stop; the third has time to steal."""
    longer = min(lab.patience, MOST_TIMES_LONGER)
    work, timeout = LONG_WORK * longer, LONG_TIMEOUT * longer
    workers = {
        name: lab.start_worker(name, poll=POLL, duration=work, stuck=timeout, ready=False)
        for name in ("worker-A", "worker-B", "worker-C")
    }
    for worker in workers.values():
        lab.wait_until(worker.has_looked())
    told, other = lab.insert_tasks(2)
    name = lab.wait_for_any({w.name: w.works_on(told) for w in workers.values()})
    lab.settle()
    workers[name].signal(signal.SIGTERM)
    lab.note("at-work", told=told.id, other=other.id, service=name)
    lab.wait_until(lab.has_status(told, other))
    lab.note("both-done")


@check(
    "x.long-task",
    points=2,
    on=work_longer_than_the_timeout,
    after=(processes, finishes_the_task_in_hand),
    explained_by=(does_the_work, shares_the_work),
    hint="While it works, and also while it finishes after a signal, a worker shows that it lives: it moves "
    "updated_at, in a thread of its own, more often than the timeout.",
    read=f"{LAB}#long-tasks",
)
def keeps_long_tasks(history: History) -> Judgement:
    """Work that lasts longer than WORKER_STUCK_TIMEOUT is not taken from a live worker.

    A timeout that is longer than every task makes recovery slow; one that is shorter takes tasks from live
    workers. A worker that shows that it lives needs neither compromise.
    """
    at_work = need(history.moment("at-work"), "no worker had a task in hand")
    told, other = (history.story(at_work.detail[which]) for which in ("told", "other"))
    draining = " while it finished after SIGTERM"
    results = together((partial(_is_kept, history, told, draining), partial(_is_kept, history, other)))
    if results[0].verdict is Verdict.FAIL:
        return results[0]
    return holds("two tasks that took more than twice the timeout, each done by one worker", *life(told))


def _is_kept(history: History, story: Story, when: str = "") -> Judgement:
    """Whether a task stayed with the one worker that took it. ``when`` says more of that moment, in words."""
    holders = list(dict.fromkeys(c.service for c in story.claims))
    if len(holders) > 1 or len(story.completions) > 1 or "pending" in story.statuses[1:]:
        _need_time_for_signs_of_life(history, story)
        return broken(
            *life(story),
            expected=f"task {story.task} stays with {holders[0] if holders else 'its worker'}{when}",
            observed=f"it was taken from a worker that was alive and at work{when}",
        )
    if not story.completions:
        need(None, f"task {story.task} was not completed in time")
    return holds("kept")


def _need_time_for_signs_of_life(history: History, story: Story) -> None:
    """That the machine gave the holder of a task that was taken from it the time to say that it lives."""
    if not story.claims:
        return
    holder = story.claims[0].service
    taken = next((c for c in story.changes if c.at > story.claims[0].at and c.service != holder), None)
    if taken is None:
        return
    last = need(story.last_sign_of_life(str(holder), taken.at), f"{holder} never touched the task")
    stalled = history.stalled_between(last, taken.at)
    if stalled > MOST_STALLED * LONG_TIMEOUT * min(history.patience, MOST_TIMES_LONGER):
        need(None, f"the machine stood still for {stalled:.1f} s, in which {holder} could not show that it lives")
