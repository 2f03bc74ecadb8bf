"""Exercise 3b: two workers on one table."""

from __future__ import annotations

import signal

from grader.checkpoints.evidence import life, list_of, moved, short
from grader.checkpoints.worker import LAB, processes
from grader.declare import check, scenario
from grader.history.double import double_claims
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Task, Worker
from grader.model import Evidence
from grader.wire import Hold, WireStep

TASKS = 20


@scenario(timeout=12, seconds=3)
def two_workers(lab: Lab) -> None:
    """Two workers wait when twenty tasks come in at once."""
    workers = [lab.start_worker(name, poll=0.2, duration=0.1, ready=False) for name in ("worker-A", "worker-B")]
    for worker in workers:
        lab.wait_until(worker.has_looked())
    tasks = lab.insert_tasks(TASKS)
    lab.note("twenty-tasks", tasks=[task.id for task in tasks])
    lab.wait_until(lab.has_status(*tasks))
    lab.watch(0.2)


@check(
    "3b.two-workers",
    points=5,
    on=two_workers,
    after=processes,
    hint="Claim one task at a time, let the database decide who gets it, and leave the rest to the others.",
    read=f"{LAB}#two-workers",
)
def shares_the_work(history: History) -> Judgement:
    """Two workers and twenty tasks: both work, at the same time, and no task is claimed or completed twice.

    More workers are started to get more work done. That they share it, and that no task is done twice, is what the
    queue is for.
    """
    need(history.moment("twenty-tasks"), "the two workers did not come to their first polls")
    for name in ("worker-A", "worker-B"):
        if history.exited(name):
            return broken(expected="two workers side by side", observed=f"{name} ended by itself")
    stories = list(history.stories.values())
    doubles = [d for s in stories for d in double_claims(history, s)]
    if doubles:
        return broken(
            *life(history.story(doubles[0].task)),
            expected="each task claimed by one worker",
            observed=f"task {doubles[0].task} was claimed by {doubles[0].first} and again by {doubles[0].second}",
        )
    twice = [s for s in stories if len(s.completions) > 1]
    if twice:
        return broken(*life(twice[0]), expected="one completion", observed=f"task {twice[0].task} completed twice")
    left = [s.task for s in stories if s.status != "completed"]
    if left:
        return broken(expected=f"{TASKS} tasks completed", observed=f"not completed: {list_of(left)}")
    return _overlap(history)


def _overlap(history: History) -> Judgement:
    spans: dict[str, list[tuple[float, float]]] = {"worker-A": [], "worker-B": []}
    for story in history.stories.values():
        done = story.completions[0]
        claimed = story.claims[0].at if story.claims else done.at
        spans.setdefault(str(done.service), []).append((claimed, done.at))
    counts = {name: len(found) for name, found in spans.items()}
    words = ", ".join(f"{name} {count}" for name, count in counts.items())
    if not all(counts.values()):
        return broken(
            expected="both workers complete tasks",
            observed=words,
            hint="One worker claimed everything. Claim a single row, and the next one after that is done.",
        )
    overlapping = any(a0 < b1 and b0 < a1 for a0, a1 in spans["worker-A"] for b0, b1 in spans["worker-B"])
    if not overlapping:
        return broken(
            expected="both at work at the same time",
            observed=f"one after the other ({words})",
            hint="While one worker works, its transaction or lock keeps the other one out.",
        )
    return holds(f"{words}, at the same time, no task twice")


@scenario(timeout=10, seconds=4)
def claim_held_open(lab: Lab) -> None:
    """A claim is held before each of its statements in turn, while another worker looks; a second one is cut off."""
    first = lab.start_worker("worker-A", poll=0.15, duration=0.4)
    task, hold = _held_claim(lab, first)
    second = None
    for _ in range(MOST_WINDOWS):
        if not _holds(lab, hold) or lab.status_of(task) != "pending":
            break
        held = hold.held[0]
        lab.note("held", task=task.id, sql=held.sql)
        if second is None:
            second = lab.start_worker("worker-B", poll=0.15, duration=0.4, ready=False)
        looks = second.looks
        # It may have to wait for the lock of the one that is held.
        lab.comes(second.has_looked_since(looks, 2), timeout=1.5)
        lab.note("let-go", looked=second.looks > looks)
        following = _next_of(first, held)
        hold.release()
        hold = following
    hold.release()
    lab.wait_until(lab.has_status(task))
    lab.watch(0.2)
    lab.note("claimed-in-the-end", task=task.id)
    if second is not None:
        second.signal(signal.SIGKILL)
        lab.wait_until(lab.has_exited(second))
    _cut_off(lab, first)


MOST_WINDOWS = 8
"""Statements of one claim that are held; the transaction of a whole piece of work may have some more."""


def _held_claim(lab: Lab, worker: Worker, *, at_commit: bool = False) -> tuple[Task, Hold]:
    """A new task, and a hold on what the worker sends (or commits) next after a statement has shown it the task."""
    names = {lab.new_title()}
    met = worker.has_met(names)
    hold = worker.relay.hold(lambda step: met() and (step.would_commit or not at_commit), limit=1)
    [task] = lab.insert_tasks(1, titles=list(names))
    names.add(task.id)
    return task, hold


def _next_of(worker: Worker, held: WireStep) -> Hold:
    """A hold on the first step after another one."""
    return worker.relay.hold(lambda step: (step.connection, step.step) != (held.connection, held.step), limit=1)


def _holds(lab: Lab, hold: Hold) -> bool:
    return lab.comes(Condition("the claim's next statement", lambda _b, _n: hold.is_holding), timeout=2)


def _cut_off(lab: Lab, worker: Worker) -> None:
    """Its connection is closed when it would commit a claim."""
    task, hold = _held_claim(lab, worker, at_commit=True)
    if _holds(lab, hold) and lab.status_of(task) == "pending":
        pid = hold.held[0].backend_pid
        lab.note("cut", task=task.id, pid=pid, sql=hold.held[0].sql)
        hold.cut()
        lab.wait_until(
            Condition("the server to notice the cut", lambda _b, _n: pid not in lab.database.service_backends())
        )
        lab.note("cut-off", task=task.id, pid=pid)
        lab.watch(0.1)
    hold.release()


@check(
    "3b.atomic-claim",
    points=3,
    on=claim_held_open,
    after=processes,
    hint="Pick the row with a lock and change its status in one transaction, or change it in one UPDATE that "
    "looks at the status again and tells you by its row count whether you got the task.",
    read=f"{LAB}#one-claim-per-task",
)
def claims_atomically(history: History) -> Judgement:
    """While one worker's claim is under way nobody else can claim the task; a claim cut off leaves it pending.

    Between looking at a task and writing its new status another worker may look too. The database can close that
    gap; hoping that it is short cannot.
    """
    claimed = need(history.moment("claimed-in-the-end"), "the task was not claimed and completed")
    story = history.story(claimed.detail["task"])
    windows = [
        Evidence(moment.at, f"held before: {short(moment.detail['sql'], 100)}", "worker-A")
        for moment in history.moments("held")
    ]
    proof = sorted([*life(story), *windows], key=lambda e: e.at)
    doubles = double_claims(history, story)
    if doubles or len(story.completions) > 1:
        return broken(
            *proof,
            expected="one worker gets the task",
            observed=f"task {story.task} was claimed by {list_of(c.service for c in story.claims)}",
        )
    if not story.claims and not story.completions:
        need(None, "no worker claimed the task")
    cut = history.moment("cut-off")
    if cut is not None:
        left = [c for c in history.story(cut.detail["task"]).changes if c.row.backend_pid == cut.detail["pid"]]
        if left:
            return broken(
                *[moved(c) for c in left],
                expected="a claim that is cut off before its COMMIT leaves the task pending",
                observed=f"task {cut.detail['task']} was {left[-1].after('status')} afterwards",
            )
    if windows and not any(moment.detail["looked"] for moment in history.moments("let-go")):
        need(None, "the other worker did not look while the claim was held")
    if not windows:
        return holds("claim and change are one statement: nothing can come in between", *proof)
    return holds(
        f"held at {len(windows)} statements, and nobody else got it" + (", then cut off: pending" if cut else ""),
        *proof,
    )


@check(
    "3b.assigned-worker",
    points=2,
    on=two_workers,
    after=processes,
    hint="The statement that sets 'processing' sets assigned_worker to WORKER_ID as well.",
    read=f"{LAB}#who-owns-a-task",
)
def writes_its_id(history: History) -> Judgement:
    """A claim writes the worker's own WORKER_ID to assigned_worker; two workers write two ids.

    The name on the row tells who to ask when a task hangs, and lets a worker prove that a task is still its own.
    """
    ids = {name: need(history.started(name), "").settings["WORKER_ID"] for name in history.workers()}
    if not history.claims:
        need(None, "no task was claimed")
    for claim in history.claims:
        wanted = ids.get(claim.service)
        if claim.owner != wanted:
            return broken(
                *life(history.story(claim.task)),
                expected=f"assigned_worker {wanted}",
                observed=f"assigned_worker {claim.owner}, claimed by {claim.service}",
            )
    return holds(list_of(sorted(set(ids.values()))))
