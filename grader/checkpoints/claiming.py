"""Exercise 3b: a claim, looked at while it is under way."""

from __future__ import annotations

from grader.checkpoints.evidence import life, list_of, moved, short
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.starting import LAB
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.double import double_claims
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Task, Worker
from grader.model import Evidence
from grader.wire import Hold, WireStep

MOST_WINDOWS = 8
"""Statements of one claim that are held; the transaction of a whole piece of work may have some more."""


@scenario(timeout=10, seconds=4)
def claim_held_open(lab: Lab) -> None:
    """A claim is held before each of its statements in turn, while another worker looks; a second one is cut off."""
    first = lab.start_worker("worker-A", poll=0.15, duration=0.4)
    other = _Other(lab)
    taken: int | None = 0
    # Where the other one got the task, what comes after that statement is tried with the next task.
    while taken is not None and taken < MOST_WINDOWS:
        task, taken = _claim_in_windows(lab, first, other, skip=taken)
        if double_claims(history := lab.history(), history.story(task.id)):
            break
    other.end()
    _cut_off(lab, first)


class _Other:
    """The other worker: it looks for tasks when it is told to, from the first time on that a claim is held."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._worker: Worker | None = None
        self._aside: Hold | None = None

    def stand_aside(self) -> None:
        """It begins nothing new: it is not to be quicker than the statements that are not held this time."""
        if self._worker is not None:
            self._aside = self._worker.relay.hold(lambda step: step.transaction == "I")

    def go_on(self) -> None:
        """It does what it likes."""
        if self._aside is not None:
            self._aside.release()
            self._aside = None

    def looks(self) -> bool:
        """Let it look twice; whether it did at all. It may have to wait for the lock of the claim that is held."""
        if self._worker is None:
            self._worker = self._lab.start_worker("worker-B", poll=0.15, duration=0.4, ready=False)
            self._lab.comes(Condition("a first look", lambda _b, _n: self._count() > 0), timeout=5)
            before = 0
        else:
            before = self._count()
        self.go_on()
        self._lab.comes(self._worker.has_looked_since(before, 2), timeout=1.5)
        return self._count() > before

    def _count(self) -> int:
        return self._worker.looks if self._worker is not None else 0

    def end(self) -> None:
        """End it."""
        if self._worker is not None:
            self._worker.kill()


def _claim_in_windows(lab: Lab, worker: Worker, other: _Other, *, skip: int) -> tuple[Task, int | None]:
    """A claim of a new task, held before each of its statements but the first ``skip``, until it is over.

    The task, and the number of the statement before which the other worker got it instead.
    """
    other.stand_aside()
    task, hold = _held_claim(lab, worker)
    taken: int | None = None
    for number in range(1, MOST_WINDOWS + 1):
        if not _holds(lab, hold) or lab.status_of(task) != "pending":
            break
        held = hold.held[0]
        if number > skip:
            lab.note("held", task=task.id, sql=held.sql)
            looked = other.looks()
            lab.note("let-go", looked=looked)
            taken = number if lab.status_of(task) != "pending" else None
        following = _next_of(worker, held)
        hold.release()
        hold = following
        if taken is not None:
            break
    hold.release()
    other.go_on()
    lab.wait_until(lab.has_status(task))
    lab.watch(0.2)
    lab.note("claimed-in-the-end", task=task.id)
    return task, taken


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
    return lab.comes(Condition("the claim's next statement", lambda _b, _n: hold.is_holding), timeout=4)


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


def _who_had(story: Story) -> str:
    claimed = f"task {story.task} was claimed by {list_of(claim.service for claim in story.claims)}"
    if len(story.completions) < 2:
        return claimed
    return f"{claimed}, and completed by {list_of(str(done.service) for done in story.completions)}"


@check(
    "3b.atomic-claim",
    points=3,
    on=claim_held_open,
    after=processes,
    explained_by=shares_the_work,
    hint="Pick the row with a lock and change its status in one transaction, or change it in one UPDATE that "
    "looks at the status again and tells you by its row count whether you got the task.",
    read=f"{LAB}#one-claim-per-task",
)
def claims_atomically(history: History) -> Judgement:
    """While one worker's claim is under way nobody else can claim the task; a claim cut off leaves it pending.

    Between looking at a task and writing its new status another worker may look too. The database can close that
    gap; hoping that it is short cannot.
    """
    need(history.moment("claimed-in-the-end"), "the task was not claimed and completed")
    windows = history.moments("held")
    proof: list[Evidence] = []
    for claimed in history.moments("claimed-in-the-end"):
        story = history.story(claimed.detail["task"])
        held = [m for m in windows if m.detail["task"] == story.task]
        marks = [Evidence(m.at, f"held before: {short(m.detail['sql'], 100)}", "worker-A") for m in held]
        proof = sorted([*life(story), *marks], key=lambda e: e.at)
        if double_claims(history, story) or len(story.completions) > 1:
            return broken(
                *proof,
                expected="one worker gets the task",
                observed=_who_had(story),
            )
        if not story.claims and not story.completions:
            need(None, "no worker claimed the task")
    cut = history.moment("cut-off")
    if cut is not None:
        its_own = [c for c in history.story(cut.detail["task"]).changes if c.row.backend_pid == cut.detail["pid"]]
        if left := [c for c in its_own if c.after("status") != "pending"]:
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
        f"held at {len(windows)} statements, and one worker got it" + (", then cut off: pending" if cut else ""),
        *proof,
    )
