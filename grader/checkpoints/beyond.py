"""Beyond the lab: what a queue in production has to bear. Bonus points."""

from __future__ import annotations

import signal
from functools import partial

from grader.checkpoints.durable import AtChange, maker
from grader.checkpoints.evidence import ended, life, list_of, moved, said, short
from grader.checkpoints.lines import form, is_about
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.recovery import POLL, recovers_what_a_killed_worker_left
from grader.checkpoints.shutdown import finishes_the_task_in_hand
from grader.checkpoints.starting import BUSY_SHARE, LAB, A, no_database, tells_the_password
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

# ---------------------------------------------------------------- fencing

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
    asleep, other = _taken_by(lab, workers, bad)
    lab.settle()
    _sleep_through(lab, asleep, other, bad, fails=True)
    lab.watch(0.3)
    lab.note("slept-enough")


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
    hint="Complete with WHERE id = … AND status = 'processing' AND assigned_worker = me, and look at the row count.",
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
    if was_taken and len(results) < SLEEPS:
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


# ---------------------------------------------------------------- database restart


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
    """The database goes away for a while, idle and mid-task: the worker comes through, no task is lost, no password told.

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
        )
    need(history.moment("came-through"), "the second outage did not come about")
    return holds("two outages, two tasks completed", *[e for s in history.stories.values() for e in life(s)])


# ---------------------------------------------------------------- long tasks

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


# ---------------------------------------------------------------- task types


@scenario(timeout=10, seconds=2)
def an_email(lab: Lab) -> None:
    """A plain task and one of type email."""
    worker = lab.start_worker(poll=0.2, duration=0.05)
    [plain] = lab.insert_tasks(1)
    lab.wait_until(lab.has_status(plain))
    [email] = lab.insert_tasks(1, type="email")
    lab.note("email", task=email.id, title=email.title, plain=plain.id, plain_title=plain.title)
    lab.wait_until(lab.has_status(email))
    lab.wait_until(worker.has_looked())


@check(
    "x.task-types",
    points=1,
    on=an_email,
    after=processes,
    hint="A dictionary from type to function: a new type is one new entry.",
    read=f"{LAB}#task-types",
)
def knows_email(history: History) -> Judgement:
    """A task of type email is completed, with a log line of its own.

    A queue for one kind of task gets a second kind soon. Adding one should not mean to touch the loop that claims.
    """
    detail = need(history.moment("email"), "the plain task was not completed").detail
    story = history.story(detail["task"])
    if not story.completions:
        return broken(*life(story), expected="the email task completed", observed=f"it is {story.status}")
    names = (detail["plain"], detail["plain_title"], detail["task"], detail["title"])
    log = history.log(A)
    # Whatever reached the grader late is a plain task's line all the same if it names that one.
    inserted = story.changes[0].at
    plain = [n for n in log if n.at < inserted or is_about(n.text, detail["plain"])]
    usual = {form(n.text, *names) for n in plain}
    own = [
        n
        for n in log
        if n not in plain
        and (is_about(n.text, story.task) or detail["title"] in n.text or "mail" in n.text.lower())
        and form(n.text, *names) not in usual
    ]
    if not own:
        return broken(
            *[said(n) for n in log if n.at >= inserted][:5],
            expected="a log line for the email that a plain task does not have",
            observed="the same lines as for a plain task",
        )
    return holds("completed, with a line of its own", said(own[0]))
