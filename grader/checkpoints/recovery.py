"""Exercise 3b, part 3: workers that die, and tasks that they leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from grader.checkpoints.evidence import life, moved
from grader.checkpoints.polling import SHORTEST_SHARE, does_the_work
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import Moment
from grader.history.tasks import Change, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need, together
from grader.lab import Lab, Task, Worker, any_of
from grader.model import Evidence, Verdict

TIMEOUT = 1.5
"""The stuck timeout of scenarios that wait for it, in seconds."""
POLL = 0.2
WORK = 0.4

LONGER_WORK = 1.0
"""Seconds: a worker that shows its life while it works does so in each task."""

AHEAD = 3600.0
"""Seconds by which a row's last sign of life is moved into the future, so that no worker counts it as abandoned yet."""

AGAIN = "worker-A-again"
"""The instance that has the name of the one before."""

LONGEST_LATE = 3.0
"""Seconds for which is waited for the recovery of a task that has just become too old: many polls."""

IN_VAIN = 8
"""Statements that could have found a task, and came of several polls, however many of them a poll takes."""

BACKLOG = 40
"""Tasks that wait: more than a worker, even with some slots, works off before it has to have looked for stuck ones."""


@scenario(timeout=10, seconds=5)
def killed_mid_task(lab: Lab) -> None:
    """Two workers run; the one that works is killed, and a backlog waits for the other."""
    workers = [
        lab.start_worker(
            name, poll=POLL, duration=WORK, stuck=TIMEOUT, timezone="America/Los_Angeles", ready=False
        )
        for name in ("worker-A", "worker-B")
    ]
    for worker in workers:
        lab.wait_until(worker.has_looked())
    [task] = lab.insert_tasks(1)
    name = lab.wait_for_any({w.name: w.works_on(task) for w in workers})
    lab.settle()
    victim, other = _split(workers, name)
    lab.note("killed", task=task.id, victim=victim.name, other=other.name)
    victim.kill()
    _until_recovered(lab, task, lab.insert_tasks(BACKLOG))


@scenario(timeout=10, seconds=5)
def restarted_under_its_name(lab: Lab) -> None:
    """A worker is killed at work, and started again under the name that it had; a backlog waits for it."""
    name = {"WORKER_ID": lab.new_worker_id("worker-A")}
    first = lab.start_worker("worker-A", poll=POLL, duration=LONGER_WORK, stuck=TIMEOUT, changed=name)
    [task] = lab.insert_tasks(1)
    lab.wait_until(first.works_on(task))
    lab.settle()
    lab.note("killed", task=task.id, victim=first.name, other=AGAIN)
    first.kill()
    lab.wait_until_backends_gone()
    backlog = lab.insert_tasks(BACKLOG)
    # However long its start takes: it is at work on another task before this one counts as abandoned.
    is_left = lab.status_of(task) == "processing"
    if is_left:
        lab.database.age([task.id], -AHEAD, created_seconds=0.0)
    again = lab.start_worker(AGAIN, poll=POLL, duration=LONGER_WORK, stuck=TIMEOUT, changed=name, ready=False)
    lab.comes(any_of(again.works_on(each) for each in (task, *backlog)), timeout=5)
    if is_left:
        lab.database.age([task.id], AHEAD, created_seconds=0.0)
    lab.note("at-work-again")
    _until_recovered(lab, task, backlog)


def _until_recovered(lab: Lab, task: Task, backlog: Sequence[Task]) -> None:
    freed = {"freed": lab.has_status(task, status="pending"), "completed": lab.has_status(task)}
    if lab.wait_for_any(freed, timeout=7) == "freed":
        # Its turn has come, in whatever order the other worker takes what waits.
        lab.database.finish_waiting([each.id for each in backlog])
        lab.wait_until(lab.has_status(task))


def _split(workers: list[Worker], name: str) -> tuple[Worker, Worker]:
    chosen = next(w for w in workers if w.name == name)
    return chosen, next(w for w in workers if w.name != name)


@scenario(timeout=10, seconds=3)
def young_row(lab: Lab) -> None:
    """A worker dies at work on a task of days ago; another one runs, in another time zone, while the timeout passes."""
    long = 3600.0
    first = lab.start_worker("worker-A", poll=POLL, duration=600.0, stuck=long, timezone="Asia/Tokyo")
    [task] = lab.insert_tasks(1, ages=[3 * 86400.0])
    lab.wait_until(first.works_on(task))
    lab.settle()
    first.kill()
    lab.wait_until_backends_gone()
    lab.database.age([task.id], long / 2)
    lab.note("aged", task=task.id, seconds=long / 2)
    second = lab.start_worker("worker-B", poll=POLL, duration=600.0, stuck=long, timezone="Asia/Tokyo")
    lab.watch(6 * POLL)
    # One that takes the task at once is at work from then on, and looks no more.
    lab.wait_for_any({"looks": second.has_looked(2), "works": second.works_on(task)})
    lab.note("looked-enough")
    # A claim that the kill rolled back leaves nothing; the second worker may have the task in hand by now.
    if lab.status_of(task) != "processing" or not lab.database.lockable([task.id]):
        lab.note("not-left", task=task.id)
        return
    lab.note("left-too-long", task=task.id)
    lab.database.age([task.id], long)
    lab.comes(any_of((lab.has_status(task, status="pending"), second.works_on(task))), timeout=LONGEST_LATE)
    lab.note("watched-enough")


@check(
    "3b.sigkill-recovered",
    points=7,
    on=(killed_mid_task, restarted_under_its_name, young_row),
    after=processes,
    explained_by=(does_the_work, shares_the_work),
    hint="Every worker, on every round of its loop, frees tasks that have been in processing for longer than "
    "WORKER_STUCK_TIMEOUT, whoever owned them.",
    read=f"{LAB}#crash-recovery",
)
def recovers_what_a_killed_worker_left(history: History, again: History, young: History) -> Judgement:
    """A task whose worker was killed is completed in time, by another one or by its successor of the same name.

    Machines lose power and processes are killed for their memory, without a signal that could be handled. The
    task's row is all that is left, and somebody has to look at it.
    """
    parts = (partial(_recovered, history, WORK), partial(_recovered_by_its_successor, again))
    results = together((*parts, partial(_recovered_at_the_next_poll, young)))
    if results[0].verdict is Verdict.FAIL:
        return results[0]
    return holds(
        "; started again under its name: ".join(str(result.observed) for result in results[: len(parts)]),
        *[line for result in results for line in result.evidence],
    )


_NO_NAME = (
    "A name does not say who lives: a worker that is started again has the name of the one that died. Only the age of "
    "the last sign of life tells, whoever owned the task."
)


BY_ANOTHER = 5 / 7
"""Share of the points for a task that another worker recovers, and a successor of the same name does not, or for one
that is recovered in time where the timeout is short, and late where it is long."""


def _recovered_by_its_successor(history: History) -> Judgement:
    judgement = _recovered(history, LONGER_WORK, _NO_NAME)
    return replace(judgement, share=BY_ANOTHER) if judgement.verdict is Verdict.FAIL else judgement


def _recovered_at_the_next_poll(history: History) -> Judgement:
    """Whether the worker that waits looks for stuck tasks in each poll, however long the timeout is."""
    if history.moment("not-left") is not None:
        return holds("nothing was left to be recovered")
    due = need(history.moment("left-too-long"), "the second worker did not look for tasks")
    end = need(history.moment("watched-enough"), "the scenario came to no end")
    story = history.story(due.detail["task"])
    if any(c.service == "worker-B" and c.at < due.at for c in story.changes):
        return holds("it had been taken before")
    taken = next((c for c in story.changes if c.at > due.at and c.service is not None), None)
    until = taken.at if taken else end.at
    late = until - due.at - history.stalled_between(due.at, until)
    if late <= POLL + 1.0 * history.patience:
        need(taken, "the scenario came to its end at once")
        return holds("freed at the next poll")
    looks = sum(due.at < step.began < until and not step.is_setup for step in history.steps_of("worker-B"))
    if looks < IN_VAIN:
        return holds("freed at a late poll")  # whose business is another check's
    judgement = broken(
        *life(story),
        Evidence(due.at, f"task {story.task} has been in processing for longer than the timeout", None),
        expected=f"freed at the next poll ({POLL:g} s) once the timeout has passed",
        observed=f"{'freed' if taken else f'still {story.status}'} {late:.1f} s and {looks} statements later",
        hint="Look for stuck tasks on every round, not on a clock of its own: a long timeout makes that one slow.",
    )
    return replace(judgement, share=BY_ANOTHER)


NOT_TAKEN_AGAIN = "It is free, and nobody takes it: what else than 'pending' does the claim ask for, an owner, a number of attempts?"
"""A hint for a task that is pending after a kill, and stays so."""


def _recovered(history: History, work: float, hint: str | None = None) -> Judgement:
    killed = need(history.moment("killed"), "no worker was killed while it worked")
    story = history.story(killed.detail["task"])
    victim, other = killed.detail["victim"], killed.detail["other"]
    who = other if other != AGAIN else f"{other}, which has the WORKER_ID of {victim},"
    if not any(c.service == victim for c in story.claims) and story.completions:
        # A transaction held through the work: the kill rolled it back, nothing was ever visible.
        return holds("the kill rolled the claim back, and another worker completed the task", *life(story))
    proof = [*life(story), Evidence(killed.at, f"SIGKILL while task {story.task} is in hand", victim)]
    again = history.moment("at-work-again")
    if again is not None:
        proof.append(
            Evidence(again.at, "at work on another task; from here on the one that was left may count", AGAIN)
        )
    proof.sort(key=lambda e: e.at)
    sign = story.last_sign_of_life(victim, killed.at + 1)
    due = max((sign or killed.at) + TIMEOUT, again.at if again is not None else 0.0)
    if not story.completions:
        left = history.exited(other)
        if left is not None and sign is not None and left.at < due:
            need(None, f"{left.service} had ended by itself before the task was due")
        waited = history.gave_up.seconds if history.gave_up else 0
        return broken(
            *proof,
            expected=f"{who} completes the task",
            observed=f"task {story.task} still {story.status} after {waited:.0f} s",
            hint=NOT_TAKEN_AGAIN if story.status == "pending" else hint,
        )
    if story.completions[0].service == victim:
        need(None, "the task was completed before the worker died")
    sign = need(sign, "the victim never touched the task")
    freed = _taken_anew(story, sign, victim, work)
    if freed is None:
        return broken(
            *proof,
            expected=f"{who} claims the task anew, works on it, and completes it",
            observed=f"task {story.task} was completed {story.completions[0].at - killed.at:.1f} s after SIGKILL, and "
            "nobody had claimed it again: its work was never done",
            hint="Complete the one task that was worked on, by its id.",
        )
    if freed.at - due > POLL + work + 1.0 * history.patience + history.stalled_between(killed.at, freed.at):
        return broken(
            *proof,
            expected=f"freed within one timeout and one poll ({TIMEOUT + POLL:g} s; {work:g} s more when busy)",
            observed=f"after {freed.at - sign:.1f} s",
            hint="Look for stuck tasks on every round, also while a backlog waits.",
        )
    return holds(f"freed {freed.at - sign:.1f} s after its last sign of life, then completed", *proof)


def _taken_anew(story: Story, sign: float, victim: str, work: float) -> Change | None:
    """The change by which a completed task came into other hands after its owner's last sign of life.

    It went back to pending; or straight to the one that completed it, long enough before that for the work. An update
    that only shows that somebody of this name lives is neither.
    """
    others = [c for c in story.changes if c.at > sign and c.service not in (victim, None)]
    first = next(c for c in others if c.status_moved)
    if first.after("status") != "completed":
        return first if any(claim.at >= first.at for claim in story.claims) else None
    return others[0] if first.at - others[0].at >= SHORTEST_SHARE * work else None


@check(
    "3b.recovery-waits",
    points=2,
    on=young_row,
    after=processes,
    explained_by=(does_the_work, shares_the_work),
    hint="Compare updated_at with now() minus WORKER_STUCK_TIMEOUT inside the database; created_at says nothing, "
    "and your clock is not the database's.",
    read=f"{LAB}#recovery-waits",
)
def leaves_young_rows_alone(history: History) -> Judgement:
    """A task in processing for less than the timeout is left alone, however long ago it was created.

    Recovery that is too eager takes tasks from workers that are at work. Only the database's clock is the same for
    all workers, and only the last change of a row tells its age.
    """
    aged = need(history.moment("aged"), "the task was not left in processing")
    end = need(history.moment("looked-enough"), "the second worker did not look for tasks")
    story = history.story(aged.detail["task"])
    taken = [c for c in story.changes if aged.at < c.at < end.at and c.service is not None]
    if story.status_at(aged.at) == "processing" and taken:
        return broken(
            *[moved(c) for c in story.changes][-5:],
            expected=f"{aged.detail['seconds']:.0f} s in processing with a timeout of 3600 s: left alone",
            observed=f"taken back {taken[0].at - aged.at:.1f} s later",
        )
    return holds(f"left alone for {end.at - aged.at:.1f} s and several polls", *life(story))


@scenario(timeout=10, seconds=4)
def start_beside_a_live_worker(lab: Lab) -> None:
    """A worker is at work when a second one starts."""
    first = lab.start_worker("worker-A", poll=POLL, duration=2 * WORK)
    [task] = lab.insert_tasks(1)
    lab.wait_until(first.works_on(task))
    lab.settle()
    with first.relay.hold(lambda _step: True):  # so that its work comes to no end meanwhile
        second = lab.start_worker("worker-B", poll=POLL, duration=2 * WORK, ready=False)
        # One that takes the task is at work then, and looks no more; one that waits for a lock has looked once.
        lab.comes(any_of((second.has_looked(2), second.works_on(task))), timeout=8)
        lab.note("second-looked", task=task.id)
    lab.wait_until(lab.has_status(task))


@check(
    "3b.recovery-spares-live",
    points=2,
    on=start_beside_a_live_worker,
    after=processes,
    explained_by=(does_the_work, shares_the_work),
    hint="At its start a worker cannot know which rows in processing are abandoned: only their age tells.",
    read=f"{LAB}#live-workers-are-spared",
)
def spares_live_workers(history: History) -> Judgement:
    """Starting a worker does not take back what a live one is working on.

    Workers come and go beside each other. One that clears the table at its start takes the work of all the others.
    """
    looked = need(history.moment("second-looked"), "the second worker did not start")
    story = history.story(looked.detail["task"])
    taken = [c for c in story.changes if c.service == "worker-B"]
    if taken:
        return broken(*life(story), expected="the task stays with worker-A", observed="worker-B took it back")
    if not story.completions:
        need(None, "the first worker did not complete its task")
    if story.completions[0].at < looked.at:
        need(None, "the task was done before the second worker had looked")
    if not any(not step.is_setup and step.began < looked.at for step in history.steps_of("worker-B")):
        need(None, "the second worker did not look for tasks")
    return holds("the second worker looked, and left the task alone", *life(story), _said_moment(looked))


def _said_moment(moment: Moment) -> Evidence:
    return Evidence(moment.at, "the second worker had started and looked for tasks", "worker-B")
