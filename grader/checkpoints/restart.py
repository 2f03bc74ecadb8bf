"""Beyond the lab: the database goes away, and comes back."""

from __future__ import annotations

from grader.checkpoints.evidence import ended, life, list_of, said
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.starting import BUSY_SHARE, LAB, A, no_database, tells_the_password
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab


@scenario(timeout=15, seconds=6)
def database_restarts(lab: Lab) -> None:
    """The database goes away while the worker waits, and once more while it works."""
    worker = lab.start_worker(poll=0.3, duration=0.8, stuck=2.0)
    with lab.outage(worker):
        lab.watch(0.3)
        worker.process.sample_usage()
        lab.watch(1.2)
        worker.process.sample_usage()
    [first] = lab.insert_tasks(1)
    lab.note("first-task", task=first.id)
    lab.wait_until(worker.works_on(first))
    lab.settle()
    with lab.outage(worker):
        lab.watch(1.3)
    lab.wait_until(lab.has_status(first))
    [second] = lab.insert_tasks(1)
    lab.note("second-task", task=second.id)
    lab.wait_until(lab.has_status(second))
    lab.note("came-through")


@check(
    "x.database-restart",
    points=2,
    on=(database_restarts, no_database),
    after=processes,
    explained_by=does_the_work,
    hint="Catch the lost connection around every round of the loop, wait a moment, connect again, and go on.",
    read=f"{LAB}#database-restart",
)
def comes_through_a_restart(history: History, without: History) -> Judgement:
    """The database goes away for a while, idle and mid-task: the worker comes through, no task is lost, no password logged.

    Databases are restarted for updates, and networks break. A worker that ends then needs somebody to start it
    again, everywhere at once.
    """
    gone = need(history.moment("database-gone"), "the worker never came to its first poll")
    problem = tells_the_password(history.log(A))
    if problem and not tells_the_password(without.log(A)):  # else another check has told of it
        return problem
    exit_ = history.exited(A)
    after = [said(line) for line in history.log(A) if line.at > gone.at]
    if exit_ is not None:
        return broken(
            *after[-5:], ended(exit_), expected="the worker lives", observed="it ended when the database was gone"
        )
    usage = history.usage(A)
    if len(usage) >= 2:
        used, time = usage[1].cpu_s - usage[0].cpu_s, usage[1].at - usage[0].at
        if used > BUSY_SHARE * time:
            return broken(
                *after[:3],
                expected="a pause between two tries to connect",
                observed=f"{used:.1f} s of CPU time in {time:.1f} s",
            )
    lost = [s for s in history.stories.values() if s.status != "completed"]
    if lost:
        waited = history.gave_up.seconds if history.gave_up else 0
        words = list_of(f"task {s.task} {s.status}" for s in lost)
        return broken(
            *after[-5:],
            *[e for s in lost for e in life(s)],
            expected="every task completed after the database is back",
            observed=f"{waited:.0f} s later: {words}",
            hint="A lost connection says nothing of the work: only what the work raises makes a task failed."
            if any(s.status == "failed" for s in lost)
            else None,
        )
    need(history.moment("came-through"), "the second outage did not come about")
    return holds("two outages, two tasks completed", *[e for s in history.stories.values() for e in life(s)])
