"""Exercise 3b: two workers on one table."""

from __future__ import annotations

import signal

from grader.checkpoints.evidence import ended, life, list_of, said, value_words
from grader.checkpoints.polling import SHORTEST_SHARE, asked_for
from grader.checkpoints.starting import LAB, A, starts
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.double import double_claims
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab, Worker, any_of

TASKS = 20

_NAMELESS = ("worker-A", "worker-B")
"""Workers that are told no WORKER_ID, in the order in which they start."""


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
            return broken(
                *[said(line) for line in history.log(name)[-4:]],
                expected="two workers side by side",
                observed=f"{name} ended by itself",
                hint="There may be any number of workers: none has to be the only one, and none ends for meeting another.",
            )
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
    work = asked_for(history)
    for story in history.stories.values():
        if not story.completions:  # it was inserted so
            continue
        done = story.completions[0]
        # Where a claim is written only after the work, what is seen of it is shorter than the work.
        claimed = min([done.at - SHORTEST_SHARE * work, *[claim.at for claim in story.claims[:1]]])
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


@scenario(timeout=10, seconds=2)
def a_name_with_an_apostrophe(lab: Lab) -> None:
    """A worker whose WORKER_ID has an apostrophe in it, and one task."""
    name = lab.new_worker_id("O'Neill's worker")
    worker = lab.start_worker(poll=0.2, duration=0.05, changed={"WORKER_ID": name}, ready=False)
    lab.comes(any_of((worker.has_looked(), lab.has_exited(worker))), timeout=10)
    [task] = lab.insert_tasks(1)
    lab.note("waits", task=task.id)
    lab.comes(any_of((lab.has_status(task), lab.has_exited(worker))), timeout=8)


@scenario(timeout=12, seconds=2)
def without_names(lab: Lab) -> None:
    """Two workers run that were told no WORKER_ID, and a task comes for each."""
    first = _nameless(lab, _NAMELESS[0])
    _gets_a_task(lab, first)
    second = _nameless(lab, _NAMELESS[1])
    first.kill()  # the next task is for the second one alone
    _gets_a_task(lab, second)


def _nameless(lab: Lab, name: str) -> Worker:
    worker = lab.start_worker(name, poll=0.2, duration=0.1, changed={"WORKER_ID": None}, ready=False)
    lab.comes(any_of((worker.has_looked(), lab.has_exited(worker))), timeout=10)
    return worker


def _gets_a_task(lab: Lab, worker: Worker) -> None:
    if not worker.is_alive:
        return
    [task] = lab.insert_tasks(1)
    lab.note("waits", worker=worker.name, task=task.id)
    lab.comes(any_of((lab.has_status(task), lab.has_exited(worker))), timeout=8)


@check(
    "3b.assigned-worker",
    points=2,
    on=(two_workers, a_name_with_an_apostrophe, without_names),
    after=processes,
    explained_by=(starts, shares_the_work),
    hint="The statement that sets 'processing' sets assigned_worker to WORKER_ID as well, and gets it as a parameter.",
    read=f"{LAB}#who-owns-a-task",
)
def writes_its_id(history: History, odd: History, nameless: History) -> Judgement:
    """A claim writes the worker's own WORKER_ID to assigned_worker, whatever it is; two workers write two ids.

    The name on the row tells who to ask when a task hangs, and lets a worker prove that a task is still its own.
    So a worker that is told no WORKER_ID makes up one that no other has.
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
                observed=f"assigned_worker {value_words(claim.owner)}, claimed by {claim.service}",
            )
    return _writes_an_odd_one(odd) or _make_up_two(nameless) or holds(list_of(sorted(set(ids.values()))))


def _writes_an_odd_one(history: History) -> Judgement | None:
    """What is wrong where the WORKER_ID has an apostrophe in it."""
    started = need(history.started(A), "the worker was not started")
    waits = need(history.moment("waits"), "no task was inserted")
    story = history.story(waits.detail["task"])
    name = started.settings["WORKER_ID"]
    owners = [claim.owner for claim in story.claims]
    if owners and set(owners) == {name}:
        return None
    if not owners and story.completions:
        return None  # its claim was never visible
    exit_ = history.exited(A)
    if not owners and exit_ is None and all(step.is_setup for step in history.steps_of(A)):
        need(None, "a worker with an apostrophe in its name did not come to its first poll")
    return broken(
        *life(story),
        *[said(line) for line in history.log(A)[-4:]],
        *([ended(exit_)] if exit_ is not None else []),
        expected=f"assigned_worker {name}",
        observed=f"assigned_worker {value_words(owners[0])}" if owners else "no claim",
        hint="Hand values to the driver as parameters: it knows which characters mean something to the database.",
    )


def _make_up_two(history: History) -> Judgement | None:
    """What is wrong with the ids of workers that were told none."""
    moments = {moment.detail["worker"]: moment for moment in history.moments("waits")}
    waits = {name: history.story(moment.detail["task"]) for name, moment in moments.items()}
    owners: dict[str, str | None] = {}
    for name in _NAMELESS:
        exit_ = history.exited(name)
        if name not in waits:
            need(exit_, "the workers without WORKER_ID did not come to their first polls")
            return None  # it does not start without: that is judged where all defaults are
        found = [claim.owner for claim in waits[name].claims]
        if not found and waits[name].completions:
            return None  # its claim was never visible
        if not found and exit_ is not None and not _asked_since(history, name, moments[name].at):
            return None  # it was on its way out: whether it stays up, also beside another one, is judged elsewhere
        if not found:
            by_itself = [exit_] if exit_ is not None and exit_.status != -signal.SIGKILL else []
            return broken(
                *life(waits[name]),
                *[said(line) for line in history.log(name)[-4:]],
                *map(ended, by_itself),
                expected="a worker that is told no WORKER_ID takes a task",
                observed="no claim",
                hint="Make the id up of host name and process id where WORKER_ID is not set.",
            )
        owners[name] = found[0]
    one, other = owners.values()
    if one != other:
        return None
    return broken(
        *[line for story in waits.values() for line in life(story)],
        expected="two workers that are told no WORKER_ID write two ids",
        observed=f"both wrote {value_words(one)}",
        hint="Make the id up of host name and process id where WORKER_ID is not set: no two workers have both in common.",
    )


def _asked_since(history: History, service: str, at: float) -> bool:
    return any(step.began > at for step in history.steps_of(service))
