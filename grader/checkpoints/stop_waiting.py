"""Exercise 3a, part 3: SIGTERM comes to a worker that waits."""

from __future__ import annotations

import signal

from grader.checkpoints.evidence import ended, said, sent, status_words
from grader.checkpoints.shutdown import sigterm_mid_task, steady
from grader.checkpoints.starting import LAB, A, starts
from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, any_of

UNHEARD = "worker-unheard"
WITHOUT = (
    (
        A,
        "cannot be reached",
        "The loop that tries to connect has to look at the flag as well, before each new try.",
    ),
    (
        UNHEARD,
        "is silent",
        "Nobody answers, and connecting waits for that: give it a timeout of a few seconds (connect_timeout=3).",
    ),
)
"""Workers whose database is out of reach: how that shows, and what those that do not end may have forgotten."""

LONGEST_WITHOUT = 8.0
"""Seconds (times patience) in which a worker without a database has heard of a signal: Docker kills after ten."""


@scenario(timeout=6, seconds=1)
def sigterm_while_waiting(lab: Lab) -> None:
    """The worker waits for its next poll, half a minute away, and gets SIGTERM."""
    worker = lab.start_worker(poll=30.0)
    lab.stop(worker, signal.SIGTERM)


@scenario(timeout=10, seconds=4)
def sigterm_without_database(lab: Lab) -> None:
    """The database refuses one worker and is silent to another, from their start on; both get SIGTERM."""
    refused = lab.start_worker(database="refuses", ready=False)
    unheard = lab.start_worker(UNHEARD, database="is silent", ready=False)
    # What it says of itself, and then of the database, tells that its start is over.
    lab.comes(any_of((refused.says(lambda _line: True, times=2), lab.has_exited(refused))), timeout=6)
    called = Condition("a connection", lambda _b, _n: unheard.relay.arrivals > 0, by=UNHEARD)
    lab.comes(any_of((called, lab.has_exited(unheard))), timeout=6)
    steady(lab)
    lab.note("tried", alive=[worker.name for worker in (refused, unheard) if worker.is_alive])
    for worker in (refused, unheard):
        worker.signal(signal.SIGTERM)
    gone = [lab.has_exited(worker) for worker in (refused, unheard)]
    both = Condition("both to exit", lambda board, now: all(each.holds(board, now) for each in gone))
    lab.comes(both, timeout=LONGEST_WITHOUT)
    lab.note("waited")


@check(
    "3a.sigterm-while-waiting",
    points=2,
    on=(sigterm_while_waiting, sigterm_without_database, sigterm_mid_task),
    after=starts,
    hint="Wait on something that the signal can wake (an event, a pipe), not in one long sleep.",
    read=f"{LAB}#stop-while-waiting",
)
def stops_while_waiting(history: History, without: History, at_work: History) -> Judgement:
    """A worker that waits is gone within two seconds of SIGTERM, with status 0; without a database it ends too.

    An idle worker has nothing to finish. If it sleeps its interval out, deployments are slow, or the worker is
    killed although it had nothing to lose.
    """
    signal_ = need(history.signal("SIGTERM"), "the worker never came to wait")
    exit_ = history.exited(A)
    if exit_ is None:
        waited = need(history.gave_up, "the scenario came to no end").seconds
        return broken(
            sent(signal_), expected="gone within 2 s", observed=f"still there {waited:.0f} s after SIGTERM"
        )
    took = exit_.at - signal_.at - history.stalled_between(signal_.at, exit_.at)
    if took > 2.0 * history.patience:
        return broken(sent(signal_), ended(exit_), expected="gone within 2 s", observed=f"gone after {took:.1f} s")
    exit_at_work = at_work.exited(A)
    # One that never ends with status 0 is told so by the check of SIGTERM at work.
    if exit_.status != 0 and exit_at_work is not None and exit_at_work.status == 0:
        return broken(
            sent(signal_),
            ended(exit_),
            expected="exit status 0, as after a signal at work",
            observed=status_words(exit_.status),
            hint="The signal has to be handled while the worker waits as well, and in the same way.",
        )
    return _hears_without_a_database(without) or holds(f"gone after {took:.2f} s", sent(signal_), ended(exit_))


def _hears_without_a_database(history: History) -> Judgement | None:
    """What is wrong with workers that try to reach their database when the signal comes."""
    tried = need(history.moment("tried"), "the workers were not started")
    waited = need(history.moment("waited"), "the scenario came to no end")
    for name, what, hint in WITHOUT:
        # Whether it gave up by itself before is another check's business.
        if name not in tried.detail["alive"] or history.exited(name) is not None:
            continue
        signal_ = need(history.signal("SIGTERM", name), "the worker got no signal")
        return broken(
            sent(signal_),
            *[said(line) for line in history.log(name)[-4:]],
            expected=f"an end after SIGTERM, although the database {what}",
            observed=f"still there {waited.at - signal_.at:.0f} s after SIGTERM",
            hint=hint,
        )
    return None
