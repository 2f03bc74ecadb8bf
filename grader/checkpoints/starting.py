"""Exercise 3a: a worker starts, with good settings and bad ones, with a database and without."""

from __future__ import annotations

from collections.abc import Iterable

from grader.checkpoints.evidence import ended, list_of, said, status_words
from grader.checkpoints.lines import own_lines
from grader.declare import check, scenario
from grader.history.events import ConnectionOpened, LogLine, ServiceExited, ServiceStarted
from grader.history.recorder import PASSWORD_MARK
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Worker, any_of

LAB = "labs/lab-03-worker-service.md"
A = "worker-A"


LIKE_A_FORMAT = " with {care} and %s"
"""A title may end with what means something to the functions that format a line of the log."""


@scenario(timeout=10, seconds=3)
def three_tasks(lab: Lab) -> None:
    """A worker starts, finds nothing, then works off three tasks and finds nothing again."""
    worker = lab.start_worker(poll=0.3, duration=0.3)
    lab.watch(0.05 * lab.patience)  # one poll may be several statements, each on a connection of its own
    titles = [lab.new_title(), lab.new_title() + LIKE_A_FORMAT, lab.new_title()]
    tasks = lab.insert_tasks(3, titles=titles)
    lab.wait_until(lab.has_status(*tasks))
    lab.wait_until(worker.has_looked())
    lab.note("worked-off", tasks=[task.id for task in tasks], titles=[task.title for task in tasks])


BAD_SETTINGS: dict[str, tuple[str, float | str | None]] = {
    "no-url": ("DATABASE_URL", None),
    "bad-url": ("DATABASE_URL", "postgresql://worker:{secret}@127.0.0.1:no-port/lab"),
    "poll-word": ("WORKER_POLL_INTERVAL", "abc"),
    "poll-zero": ("WORKER_POLL_INTERVAL", 0.0),
    "poll-negative": ("WORKER_POLL_INTERVAL", "-1"),
    "poll-nan": ("WORKER_POLL_INTERVAL", "NaN"),
    "duration-word": ("WORKER_TASK_DURATION", "soon"),
    "stuck-zero": ("WORKER_STUCK_TIMEOUT", 0.0),
    "level-word": ("LOG_LEVEL", "loud"),
}
"""Instance → variable and its bad value: None is left out, a number is a duration in the manifest's form."""


HAVE_DEFAULTS = ("WORKER_ID", "WORKER_POLL_INTERVAL", "WORKER_TASK_DURATION", "WORKER_STUCK_TIMEOUT")
"""Variables that may be missing."""

PLAIN = "worker-plain"
LITTLE: dict[str, str | None] = {**dict.fromkeys(HAVE_DEFAULTS), "LOG_LEVEL": "debug"}
"""What is told to a worker, beside where its database is."""


@scenario(timeout=8, seconds=2)
def bad_settings(lab: Lab) -> None:
    """Workers are started with a variable that is missing or makes no sense, and one with no more than it needs."""
    workers = []
    for name, (variable, value) in BAD_SETTINGS.items():
        if isinstance(value, float):
            value = lab.duration(value)
        elif value is not None:
            value = value.format(secret=lab.secret)
        workers.append(lab.start_worker(f"worker-{name}", changed={variable: value}, ready=False))
    plain = lab.start_worker(PLAIN, changed=LITTLE, ready=False)
    exits = [lab.has_exited(worker) for worker in workers]
    all_gone = Condition("all to end", lambda board, now: all(e.holds(board, now) for e in exits))
    lab.comes(all_gone, timeout=12)  # far more than they need: the machine may be busier than at the start
    lab.comes(plain.has_looked(), timeout=12)


@check(
    "3a.starts",
    points=2,
    on=(three_tasks, bad_settings),
    hint="Read and check every variable before anything else; for a bad one print a line that names it and end "
    "with a status other than 0.",
    read=f"{LAB}#configuration-at-start",
)
def starts(history: History, refused: History) -> Judgement:
    """The worker connects, polls and stays up, with defaults too; with a bad variable it ends with a clear line.

    A worker with a bad setting should say so in the first second, to the person who can mend it, and not fail in
    the night at its first task.
    """
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
                spoils=(),  # with good settings it runs
            )
    if problem := _needs_more(refused):
        return problem
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
            hint="Its last lines may say why. A poll that finds nothing is no error: wait for the interval, and ask again."
            if looked
            else "In the starter, begin with the TODOs of 3a part 1: __main__.py runs a Worker, queue.py connects, "
            "worker.py asks for a pending task.",
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


def _needs_more(history: History) -> Judgement | None:
    """What is wrong with a worker that is told where its database is, and nothing else."""
    need(history.started(PLAIN), f"{PLAIN} was not started")
    if any(not step.is_setup for step in history.steps_of(PLAIN)):
        return None
    exit_ = history.exited(PLAIN)
    return broken(
        *[said(line) for line in history.log(PLAIN)[-6:]],
        *([ended(exit_)] if exit_ else []),
        expected=f"with DATABASE_URL and LOG_LEVEL=debug it polls: {list_of(HAVE_DEFAULTS)} have defaults",
        observed=f"it ended, {status_words(exit_.status)}" if exit_ else "no poll",
        hint="Give each variable but DATABASE_URL the default that the lab names; levels are debug, info, warning and "
        "error, in small letters.",
        spoils=(),  # with all variables it runs
    )


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


@scenario(timeout=10, seconds=3)
def no_database(lab: Lab) -> None:
    """The worker starts while its database is out of reach, which comes back later."""
    worker = lab.start_worker(poll=0.5, database="refuses", ready=False)
    lab.note("database-gone")
    # Its start may take long: what it says of itself, and then of the database, tells that it is over.
    lab.comes(any_of((worker.says(lambda _line: True, times=2), lab.has_exited(worker))), timeout=6)
    _until_it_waits(lab, worker)
    worker.process.sample_usage()
    lab.watch(1.6)
    worker.process.sample_usage()
    if not worker.is_alive:
        return
    worker.relay.accept()
    lab.note("database-back")
    lab.wait_until(worker.has_looked())


def _until_it_waits(lab: Lab, worker: Worker) -> None:
    """Wait for the end of a start that takes CPU time: who may have said something before it came to its database.

    One that is in a busy loop never comes to that end: its many lines tell, or that it has had all the time there is.
    """
    over = any_of((worker.says(lambda _line: True, times=BUSY_LINES), lab.has_exited(worker)))
    before = worker.process.sample_usage()
    for _ in range(LONGEST_START):
        if lab.comes(over, timeout=START_LOOK):
            return
        now = worker.process.sample_usage()
        if now.cpu_s - before.cpu_s < WAITING_SHARE * (now.at - before.at):
            return
        before = now


START_LOOK, LONGEST_START = 0.4, 15
"""Seconds between two looks at a process that starts, and how many there are."""

WAITING_SHARE = 0.05
"""A process that uses less than this share of one CPU has started, and waits: one that is at work gets more, however
busy the machine is."""

BUSY_SHARE = 0.35
"""A process that uses more than this share of one CPU while it can only wait is in a busy loop."""

TO_END = 0.5
"""Seconds that a process may take to end, once it has decided to, on a quiet machine."""

BUSY_LINES = 100
"""Lines in the few seconds without a database: so many come only of a busy loop, however slow the machine makes it."""


@check(
    "3a.database-down",
    points=2,
    on=(no_database, three_tasks, bad_settings),
    explained_by=starts,
    hint="Catch the failure to connect, log one line without the URL, and either end with a status other than 0 "
    "or wait a little longer before each new try.",
    read=f"{LAB}#database-out-of-reach",
)
def copes_without_a_database(history: History, usual: History, plain: History) -> Judgement:
    """With no database at its start the worker ends non-zero, or retries and says so; no busy loop, no password.

    Services start in any order, and databases restart. A worker that spins or floods the log makes a short outage
    worse, and a password in a log is read by many.
    """
    gone = need(history.moment("database-gone"), "the worker was not started")
    if all(step.is_setup for step in usual.steps_of(A)):
        need(None, "with a database it does not come as far as a poll either")
    exit_ = history.exited(A)
    back = history.moment("database-back")
    lines = [line for line in history.log(A) if back is None or line.at < back.at]
    # The one that was started with little logs as much as it can.
    # So does one that tells what it was told, when it cannot use it.
    if problem := tells_the_password((*history.log(A), *plain.of(LogLine))):
        return problem
    if not own_lines(history, usual, A, back.at if back is not None else float("inf")):
        return broken(
            *[said(line) for line in lines[-4:]],
            expected="a line that says that the database cannot be reached",
            observed="no line but those that come with a database as well" if lines else "silence",
        )
    if exit_ is not None and (back is None or _had_given_up(history, exit_, back.at)):
        if exit_.status == 0:
            return broken(ended(exit_), expected="a status other than 0", observed="status 0")
        return holds(f"it said so and ended, {status_words(exit_.status)}", said(lines[-1]))
    usage = history.usage(A)
    if len(usage) >= 2:
        used, time = usage[-1].cpu_s - usage[-2].cpu_s, usage[-1].at - usage[-2].at
        if used > BUSY_SHARE * time or len(lines) > BUSY_LINES:
            return broken(
                *[said(line) for line in lines[:4]],
                expected="next to no CPU time while it waits for the database",
                observed=f"{used:.1f} s of CPU time in {time:.1f} s, and {len(lines)} lines",
            )
    if exit_ is not None or (history.gave_up and back is not None):
        return broken(
            *[said(line) for line in history.log(A)[-6:]],
            expected="a worker that is still trying finds the database when it is back",
            observed="it ended" if exit_ else f"no poll within {need(history.gave_up, '').seconds:.0f} s",
        )
    until = need(back, "it was gone, and how it ended was not seen").at
    return holds(f"{len(lines)} lines in {until - gone.at:.1f} s, then it connected", said(lines[0]))


def tells_the_password(lines: Iterable[LogLine]) -> Judgement | None:
    """What is wrong with a log that holds the password of the database."""
    for line in lines:
        if PASSWORD_MARK in line.text:
            return broken(
                said(line),
                expected="no password in the log",
                observed="the database password was logged",
                hint="An exception's text may repeat the whole URL. Log what failed, not the URL.",
            )
    return None


def _had_given_up(history: History, exit_: ServiceExited, back: float) -> bool:
    """Whether it was about to end, for want of a database, in the moment in which that came back."""
    connected = any(c.service == A and c.at >= back for c in history.of(ConnectionOpened))
    return not connected and exit_.at - back < TO_END * history.patience
