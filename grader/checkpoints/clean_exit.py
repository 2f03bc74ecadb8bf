"""Exercise 3a, part 3: the other signal, and what a clean end is."""

from __future__ import annotations

import signal
from dataclasses import replace

from grader.checkpoints.evidence import ended, life, list_of, said, sent
from grader.checkpoints.polling import cut_short, does_the_work, idle_quarter
from grader.checkpoints.shutdown import (
    LONGEST_SECOND_AFTER,
    SECOND_AFTER,
    ended_early,
    finishes,
    second_signal,
    sigterm_mid_task,
    sigterms,
)
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.stop_waiting import sigterm_while_waiting
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import ChildrenLeft, SignalSent
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab


@scenario(timeout=10, seconds=2)
def sigint_mid_task(lab: Lab) -> None:
    """Two tasks wait; the worker gets SIGINT while it works on one of them, and SIGINT again while it finishes."""
    worker = lab.start_worker(poll=0.2, duration=1.0)
    tasks = lab.insert_tasks(2)
    lab.wait_for_any({task.id: worker.works_on(task) for task in tasks})
    lab.settle()
    worker.signal(signal.SIGINT)
    lab.watch(min(SECOND_AFTER * lab.patience, LONGEST_SECOND_AFTER))
    lab.stop(worker, signal.SIGINT)


@check(
    "3a.sigint",
    points=2,
    on=(sigint_mid_task, idle_quarter),
    after=processes,
    explained_by=does_the_work,
    hint="Install the same handler for SIGINT; else Python raises KeyboardInterrupt in the middle of the work.",
    read=f"{LAB}#two-kinds-of-signal",
)
def treats_sigint_alike(history: History, usual: History) -> Judgement:
    """SIGINT does the same as SIGTERM, without a traceback, also when it comes twice.

    Ctrl-C is how a person stops a worker. Python turns it into an exception at any line at all, between claim and
    completion too.
    """
    signal_ = need(history.signal("SIGINT"), "the worker never had a task in hand")
    traces = [n for n in history.log(A) if n.at >= signal_.at and "Traceback (most recent call last)" in n.text]
    result = finishes(history, signal_, usual)
    second = next((s for s in history.of(SignalSent) if s.signal == "SIGINT" and s.at > signal_.at), None)
    if result.expected is not None and second is not None and _ended_the_work(history, second, usual):
        result = replace(finishes(history, second, usual), hint=_PRESSED_TWICE)
    if traces and result.expected is None:
        return broken(
            sent(signal_),
            *[said(n) for n in history.log(A) if n.at >= traces[0].at][-4:],
            expected="an orderly end",
            observed="a traceback",
        )
    return result


def _ended_the_work(history: History, second: SignalSent, usual: History) -> bool:
    """Whether the first signal had left the work in hand, and the second one ended it."""
    exit_ = history.exited(A)
    stories = [history.story(task) for task in history.in_hand(A, second.at)]
    return (
        bool(stories)
        and exit_ is not None
        and all(s.status_at(exit_.at) != "completed" or cut_short(history, s, usual) is not None for s in stories)
    )


_PRESSED_TWICE = (
    "The first Ctrl-C was heard, and the second one ended the work in hand. People press it twice: let your handler stay "
    "what it is, so that a second signal changes nothing while a task is in hand."
)


@check(
    "3a.clean-exit",
    points=2,
    on=(sigterm_mid_task, second_signal, idle_quarter, sigterm_while_waiting),
    after=processes,
    explained_by=does_the_work,
    hint="Close the connections before you exit, start no process that outlives you, and let a second signal "
    "change nothing while a task is in hand.",
    read=f"{LAB}#a-clean-exit",
)
def exits_cleanly(history: History, twice: History, usual: History, waiting: History) -> Judgement:
    """Connections end with a Terminate message, no child process is left, a second signal loses no task.

    What a worker leaves behind outlives it: connections count against the server's limit until it notices, child
    processes go on working, and an impatient second signal must not undo a patient first one.
    """
    signal_ = need(history.signal("SIGTERM"), "the worker never had a task in hand")
    exit_ = history.exited(A)
    if exit_ is None:
        need(history.gave_up, "the scenario came to no end")
        return broken(
            sent(signal_),
            expected="an exit after SIGTERM",
            observed="still running",
            hint="Before its end can be clean it has to come: begin with what 3a.sigterm-finishes-task says.",
        )
    children = [c for h in (history, twice, waiting) for c in h.of(ChildrenLeft) if c.service == A]
    if children:
        return broken(
            expected="no process left behind",
            observed=f"still alive: {list_of(children[0].commands)}",
            hint="End every process that you started, or wait for it, before you leave. If the command is a shell "
            "script, let it exec the worker.",
        )
    if problem := _dropped_connections(history) or _dropped_after_a_wait(waiting):
        return problem
    signals = sigterms(twice)
    exit_again = twice.exited(A)
    stories = [s for s in twice.stories.values() if s.claims]
    # One that drops its task at the first signal, or its work, can be gone before there is a second one.
    dropped = [s for s in stories if s.status != "completed" or cut_short(twice, s, usual)]
    at_signal = [s for s in dropped if signals and not any(c.at <= signals[0].at for c in s.completions)]
    is_gone = exit_again is not None and bool(at_signal)
    need(len(signals) > 1 or is_gone or None, "the second signal was not sent")
    stuck = [s for s in stories if s.status == "processing"]
    if exit_again is None or stuck:
        return broken(
            sent(signals[:2][-1]),
            *[e for s in stories for e in life(s)],
            expected="the task in hand is completed (or free again) and the worker gone",
            observed="still running" if exit_again is None else f"task {stuck[0].task} left processing",
        )
    if len(signals) > 1:
        after_it = [s for s in stories if s.completions and s.completions[0].at > signals[1].at]
        if problem := ended_early(twice, signals[1], after_it, usual):
            return problem
    second = "a second SIGTERM lost nothing" if len(signals) > 1 else "gone before a second SIGTERM"
    return holds(f"Terminate on every connection, no child left, {second}", ended(exit_))


def _dropped_after_a_wait(history: History) -> Judgement | None:
    """Connections that a worker which was stopped between two polls did not close."""
    need(history.signal("SIGTERM", A), "the worker never came to wait")
    exit_ = history.exited(A)
    if exit_ is None or exit_.status != 0:
        return None  # how it ends is another check's business
    return _dropped_connections(history, when=", also after a wait between polls")


def _dropped_connections(history: History, when: str = "") -> Judgement | None:
    """Connections that ended without a Terminate message; ``when`` completes what was expected."""
    torn = [c for c in history.connections if c.service == A and c.ready and c.closed_by != "terminate"]
    if not torn:
        return None
    signal_, exit_ = history.signal("SIGTERM", A), history.exited(A)
    return broken(
        *([sent(signal_)] if when and signal_ else []),
        *([ended(exit_)] if exit_ else []),
        expected=f"every connection closed with a Terminate message{when}",
        observed=f"{len(torn)} connection{'s' * (len(torn) > 1)} just dropped",
        hint="Call close() on the connection (or leave its with block) before the process ends.",
    )
