"""Exercise 3a: the worker polls, works, fails, waits and logs."""

from __future__ import annotations

import re
from itertools import pairwise

from grader.checkpoints.evidence import (
    ended,
    life,
    list_of,
    ran,
    said,
    short,
    status_words,
)
from grader.checkpoints.polls import Rhythm, rhythms
from grader.declare import check, scenario
from grader.history.events import ServiceStarted
from grader.history.recorder import PASSWORD_MARK
from grader.history.tasks import Claim, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Evidence

LAB = "labs/lab-03-worker-service.md"
A = "worker-A"


# ---------------------------------------------------------------- starting


@scenario(timeout=10, seconds=3)
def three_tasks(lab: Lab) -> None:
    """A worker starts, finds nothing, then works off three tasks and finds nothing again."""
    worker = lab.start_worker(poll=0.3, duration=0.3)
    tasks = lab.insert_tasks(3)
    lab.wait_until(lab.has_status(*tasks))
    lab.wait_until(worker.has_looked())
    lab.note("worked-off", tasks=[task.id for task in tasks], titles=[task.title for task in tasks])


BAD_SETTINGS: dict[str, tuple[str, float | str | None]] = {
    "no-url": ("DATABASE_URL", None),
    "bad-url": ("DATABASE_URL", "postgresql://worker:{secret}@127.0.0.1:no-port/lab"),
    "poll-word": ("WORKER_POLL_INTERVAL", "abc"),
    "poll-zero": ("WORKER_POLL_INTERVAL", 0.0),
    "poll-negative": ("WORKER_POLL_INTERVAL", "-1"),
    "duration-word": ("WORKER_TASK_DURATION", "soon"),
    "stuck-zero": ("WORKER_STUCK_TIMEOUT", 0.0),
}
"""Instance → variable and its bad value: None is left out, a number is a duration in the manifest's form."""


@scenario(timeout=8, seconds=2)
def bad_settings(lab: Lab) -> None:
    """Workers are started with a variable that is missing or makes no sense."""
    workers = []
    for name, (variable, value) in BAD_SETTINGS.items():
        if isinstance(value, float):
            value = lab.duration(value)
        elif value is not None:
            value = value.format(secret=lab.secret)
        workers.append(lab.start_worker(f"worker-{name}", changed={variable: value}, ready=False))
    for worker in workers:
        lab.comes(worker.has_exited(), timeout=5)


@check(
    "3a.starts",
    points=2,
    on=(three_tasks, bad_settings),
    hint="Read and check every variable before anything else; for a bad one print a line that names it and end "
    "with a status other than 0.",
    read=f"{LAB}#configuration-at-start",
)
def starts(history: History, refused: History) -> Judgement:
    """The worker connects, polls and stays up; with a missing or bad variable it ends with a clear line."""
    need(history.started(A), "the worker was not started")
    if problem := _never_polled(history):
        return problem
    for name, (variable, value) in BAD_SETTINGS.items():
        service = f"worker-{name}"
        started = need(refused.started(service), f"{service} was not started")
        if seen := _refusal_problem(refused, service, variable):
            return broken(
                *[said(line) for line in refused.log(service)[-6:]],
                *([ended(e)] if (e := refused.exited(service)) else []),
                expected=f"{_setting(variable, value, started)}: a status other than 0 and one line that "
                f"names {variable}",
                observed=seen,
            )
    first = next(s for s in history.steps_of(A) if not s.is_setup)
    start = need(history.started(A), "")
    return holds(
        f"polling {first.began - start.at:.1f} s after its start; {len(BAD_SETTINGS)} bad settings refused"
    )


def _never_polled(history: History) -> Judgement | None:
    looked = [s for s in history.steps_of(A) if not s.is_setup]
    exit_ = history.exited(A)
    lines = [said(line) for line in history.log(A)[-6:]]
    if exit_ is not None:
        return broken(
            *lines,
            ended(exit_),
            expected="a worker that polls and stays up",
            observed=f"it ended, {status_words(exit_.status)}, {'after' if looked else 'before'} its first poll",
            hint=None
            if looked
            else "Begin with the first TODO of worker_service/: connect, then ask for a pending task.",
        )
    if not looked:
        seconds = history.gave_up.seconds if history.gave_up else 0
        return broken(
            *lines,
            expected="a poll on the database that DATABASE_URL names",
            observed=f"no statement in {seconds:.0f} s",
            hint="Does it connect to the address in DATABASE_URL, and nowhere else?",
        )
    return None


def _setting(variable: str, value: float | str | None, started: ServiceStarted) -> str:
    if value is None:
        return f"{variable} missing"
    if variable == "DATABASE_URL":
        return "DATABASE_URL that is no URL"
    return f"{variable}={started.settings.get(variable)}"


_TRACES = ("Traceback (most recent call last)", "panic:", "goroutine ", "    at ")


def _refusal_problem(history: History, service: str, variable: str) -> str | None:
    exit_ = history.exited(service)
    if exit_ is None:
        return "it went on running"
    if exit_.status == 0:
        return "it ended with status 0"
    if exit_.status < 0:
        return f"it was {status_words(exit_.status)}"
    lines = [line.text for line in history.log(service)]
    if any(trace in line for line in lines for trace in _TRACES):
        return "a bare traceback"
    if not any(variable in line for line in lines):
        return f"status {exit_.status}, but no line names {variable}"
    return None


# ---------------------------------------------------------------- no database


@scenario(timeout=10, seconds=3)
def no_database(lab: Lab) -> None:
    """The worker starts while its database is out of reach, which comes back later."""
    worker = lab.start_worker(poll=0.5, database_up=False, ready=False)
    lab.note("database-gone")
    lab.watch(0.7 * lab.patience)
    worker.process.sample_usage()
    lab.watch(1.6)
    worker.process.sample_usage()
    if not worker.is_alive:
        return
    worker.relay.accept()
    lab.note("database-back")
    lab.wait_until(worker.has_looked())


BUSY_SHARE = 0.35
"""A process that uses more than this share of one CPU while it can only wait is in a busy loop."""


@check(
    "3a.database-down",
    points=2,
    on=no_database,
    hint="Catch the failure to connect, log one line without the URL, and either end with a status other than 0 "
    "or wait a little longer before each new try.",
    read=f"{LAB}#database-out-of-reach",
)
def copes_without_a_database(history: History) -> Judgement:
    """With no database at its start the worker ends non-zero, or retries and says so; no busy loop, no password."""
    gone = need(history.moment("database-gone"), "the worker was not started")
    exit_ = history.exited(A)
    back = history.moment("database-back")
    lines = [line for line in history.log(A) if back is None or line.at < back.at]
    for line in history.log(A):
        if PASSWORD_MARK in line.text:
            return broken(
                said(line),
                expected="no password in the log",
                observed="the database password was logged",
                hint="An exception's text may repeat the whole URL. Log what failed, not the URL.",
            )
    if not lines:
        return broken(
            expected="a line that says that the database cannot be reached",
            observed="silence",
        )
    if exit_ is not None and back is None:
        if exit_.status == 0:
            return broken(ended(exit_), expected="a status other than 0", observed="status 0")
        return holds(f"it said so and ended, {status_words(exit_.status)}", said(lines[-1]))
    usage = history.usage(A)
    if len(usage) >= 2:
        used, time = usage[1].cpu_s - usage[0].cpu_s, usage[1].at - usage[0].at
        if used > BUSY_SHARE * time:
            return broken(
                expected="next to no CPU time while it waits for the database",
                observed=f"{used:.1f} s of CPU time in {time:.1f} s",
            )
    if exit_ is not None or (history.gave_up and back is not None):
        return broken(
            *[said(line) for line in history.log(A)[-6:]],
            expected="a worker that is still trying finds the database when it is back",
            observed="it ended" if exit_ else f"no poll within {need(history.gave_up, '').seconds:.0f} s",
        )
    return holds(f"{len(lines)} lines in {need(back, '').at - gone.at:.1f} s, then it connected", said(lines[0]))


# ---------------------------------------------------------------- processing


@check(
    "3a.processes",
    points=5,
    on=three_tasks,
    after=starts,
    hint="Claim: status 'processing', commit. Work. Then status 'completed', commit. Then look for the next one.",
    read=f"{LAB}#polling-loop",
)
def processes(history: History) -> Judgement:
    """Several tasks each go from pending to processing to completed, and it is the worker that moves them."""
    if not history.inserted:
        need(None, "no task was inserted")
    for task in history.inserted:
        story = history.story(task)
        if story.statuses != ("pending", "processing", "completed"):
            return broken(
                *life(story),
                expected="pending → processing → completed",
                observed=f"task {task}: {' → '.join(story.statuses)}",
            )
        strangers = {c.service for c in story.changes if c.status_moved and c.service is not None} - {A}
        if strangers:
            return broken(
                *life(story),
                expected="the worker moves the task",
                observed=f"task {task} was moved by {list_of(strangers)}",
            )
    return holds(f"{len(history.inserted)} tasks, one after the other", *life(history.story(history.inserted[0])))


def seconds_of(text: str) -> float:
    """A duration as the grader wrote it into a setting (seconds, or Go's ``1m30s``, ``250ms``)."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    if text[-1:].isdigit():
        return float(text)
    total, number = 0.0, ""
    rest = text
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = next(u for u in ("ms", "s", "m", "h") if rest.startswith(u))
        rest = rest[len(unit) :]
        number = digits
        total += float(number) * units[unit]
    return total


# ---------------------------------------------------------------- failing work


@scenario(timeout=12, seconds=3)
def failing_work(lab: Lab) -> None:
    """The work of the oldest task fails; two more wait behind it."""
    lab.start_worker(poll=0.2, duration=0.1)
    [bad] = lab.insert_tasks(1, fail=True)
    good = lab.insert_tasks(2)
    lab.note("failing", task=bad.id)
    lab.wait_until(lab.has_status(*good))
    lab.wait_until(lab.has_status(bad, status="failed"))
    lab.watch(0.3)


@check(
    "3a.failed-work",
    points=4,
    on=failing_work,
    after=processes,
    hint="Catch the exception of the work, roll back what is open, write 'failed', and go on with the next task.",
    read=f"{LAB}#failing-work",
)
def survives_failed_work(history: History) -> Judgement:
    """Work that fails ends as failed after five attempts at most; the tasks behind it complete, the worker lives."""
    moment = need(history.moment("failing"), "the tasks were not inserted")
    story = history.story(moment.detail["task"])
    if not story.claims:
        need(None, "the failing task was never claimed")
    exit_ = history.exited(A)
    behind = [history.story(task) for task in history.inserted if task != story.task]
    left = [s.task for s in behind if s.status != "completed"]
    attempts = max(len(story.claims), len(story.failures))
    if exit_ is not None:
        return broken(
            *life(story),
            ended(exit_),
            *[said(line) for line in history.log(A)[-3:]],
            expected="the worker lives",
            observed="it ended",
        )
    if story.completions or story.status != "failed" or attempts > 5:
        return broken(
            *life(story),
            expected="failed, after five attempts at most",
            observed=f"{story.status} after {attempts} attempts",
        )
    if left:
        return broken(*life(story), expected="the tasks behind it complete", observed=f"left: {list_of(left)}")
    return holds(f"failed after {attempts} attempt{'s' * (attempts > 1)}, then the others", *life(story))


# ---------------------------------------------------------------- polling


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
    """WORKER_TASK_DURATION passes between claim and completion, at two settings."""
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
    """Empty polls come at WORKER_POLL_INTERVAL, at two settings; a backlog is worked off without waiting."""
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
    """Idle, the worker uses next to no CPU time, leaves no transaction open, and opens no more connections."""
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


# ---------------------------------------------------------------- logs


@check(
    "3a.log-tasks",
    points=2,
    on=three_tasks,
    after=processes,
    hint="Three lines: nothing found; claimed, with id and title; completed, with id and duration, after COMMIT.",
    read=f"{LAB}#task-logs",
)
def logs_its_tasks(history: History) -> Judgement:
    """The log tells of an empty poll, of each claim with id and title, and of each completion with its duration."""
    log = history.log(A)
    need(history.inserted or None, "no task was inserted")
    for task in history.inserted:
        story = history.story(task)
        if not story.claims or not story.completions:
            need(None, f"task {task} was not completed")
        if problem := _task_log_problem(history, story, story.claims[0]):
            return problem
    first_claim = min(c.at for c in history.claims)
    if not [line for line in log if line.at < first_claim and not _is_start_line(history, line.text)]:
        return broken(
            *[said(line) for line in log[:4]],
            expected="a line for a poll that found nothing",
            observed="none before the first task came",
        )
    return holds(f"{len(log)} lines", *[said(line) for line in log[:6]])


def _is_start_line(history: History, text: str) -> bool:
    interval = need(history.started(A), "").settings["WORKER_POLL_INTERVAL"]
    return interval.removesuffix("s") in text


def _task_log_problem(history: History, story: Story, claim: Claim) -> Judgement | None:
    log = history.log(A)
    title = str((story.row or {}).get("title"))
    done = story.completions[0]
    claimed = [n for n in log if claim.at <= n.at < done.at and title in n.text and names_id(n.text, story.task)]
    if not claimed:
        return broken(
            *[said(line) for line in log if claim.at <= line.at < done.at][:4],
            expected=f"a line with id {story.task} and its title when it is claimed",
            observed="no such line between its claim and its completion",
        )
    early = [
        n for n in log if n not in claimed and n.at < done.at and _tells_completion(n.text, story.task, title)
    ]
    if early:
        return broken(
            said(early[0]),
            *life(story),
            expected="a completion is logged after its COMMIT",
            observed=f"logged {done.committed_at - early[0].at:.2f} s before it",
        )
    told = [
        n for n in log if n.at >= done.at and names_id(n.text, story.task) and _has_number(n.text, story, title)
    ]
    if not told:
        return broken(
            *[said(line) for line in log if line.at >= done.at][:4],
            expected=f"a line with id {story.task} and how long it took when it is completed",
            observed="no such line after its completion",
        )
    return None


def names_id(text: str, task: str) -> bool:
    """Whether a log line names an id, as a word of its own."""
    position = text.find(task)
    while position >= 0:
        around = text[position - 1 : position] + text[position + len(task) : position + len(task) + 1]
        if not any(c.isalnum() for c in around):
            return True
        position = text.find(task, position + 1)
    return False


def _tells_completion(text: str, task: str, title: str) -> bool:
    plain = text.replace(title, "").lower()
    return names_id(text, task) and any(word in plain for word in ("complet", "done", "finish"))


def _has_number(text: str, story: Story, title: str) -> bool:
    """Whether a duration is in the line: a number besides the id, the title and a time of day."""
    rest = text.replace(title, " ")
    rest = re.sub(r"\d{4}-\d\d-\d\d[T ]?|\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?", " ", rest)
    rest = re.sub(rf"(?<![\w.]){re.escape(story.task)}(?![\w.])", " ", rest, count=1)
    return bool(re.search(r"\d", rest)) and bool(short(rest))
