"""The heart of a scenario in a few sentences: what each signal met, and how it ended."""

from __future__ import annotations

from grader.history.events import ChildrenLeft, LogLine, ServiceExited, SignalSent
from grader.history.timeline import SCENARIO_OVER, History
from grader.history.words import exit_words
from grader.report.text import line

MOST = 4
"""Signals that are told of; walks through many points send dozens, and have pictures of their own."""

_DEADLY = {"SIGTERM": -15, "SIGINT": -2}


def in_short(history: History) -> tuple[str, ...]:
    """For each signal that was sent: what the service had in hand, when and how it ended, what became of the task."""
    signals = [s for s in history.of(SignalSent) if s.at <= _end(history)]
    if len(signals) > MOST:
        return ()
    return tuple(line(_sentence(history, signal), 600) for signal in signals)


def _end(history: History) -> float:
    over = history.moment(SCENARIO_OVER)
    return over.at if over is not None else (history.events[-1].at if history.events else 0.0)


def _sentence(history: History, signal: SignalSent) -> str:
    tasks = history.in_hand(signal.service, signal.at)
    hand = f"with {_tasks(tasks)} in hand" if tasks else "with no task in hand"
    said = [f"{signal.service} got {signal.signal} at {signal.at:.3f} s {hand}{_age(history, signal, tasks)}"]
    if signal.signal not in ("SIGSTOP", "SIGCONT"):
        said.append(_ending(history, signal))
        said += [_fate(history, signal, task) for task in tasks[:3]]
    return " ".join(f"{part[0].upper()}{part[1:]}." if number else f"{part}." for number, part in enumerate(said))


def _tasks(tasks: tuple[str, ...]) -> str:
    return f"task {tasks[0]}" if len(tasks) == 1 else f"tasks {', '.join(tasks[:4])}"


def _age(history: History, signal: SignalSent, tasks: tuple[str, ...]) -> str:
    if not tasks:
        return ""
    claims = [c.at for task in tasks for c in history.story(task).claims if c.at <= signal.at]
    started = history.started(signal.service)
    work = started.settings.get("WORKER_TASK_DURATION") if started is not None else None
    unit = " s" if work and work[-1].isdigit() else ""
    lasts = f", of work set to {work}{unit}" if work else ""
    claim = "its claim" if len(tasks) == 1 else "the last claim"
    return f", {_length(signal.at - max(claims))} after {claim}{lasts}" if claims else ""


def _ending(history: History, signal: SignalSent) -> str:
    exit_ = next((e for e in history.of(ServiceExited) if e.service == signal.service and e.at >= signal.at), None)
    if exit_ is None or exit_.at > _end(history):
        logged = _logged(history, signal, _end(history))
        return f"it was still running {_end(history) - signal.at:.1f} s later, when the grader gave up{logged}"
    own = _DEADLY.get(signal.signal) == exit_.status
    caught = ": nothing in that process caught the signal" if own else ""
    left = [c for c in history.of(ChildrenLeft) if c.service == signal.service and c.at >= signal.at]
    children = f", and left a process behind that lived on: {_command(left[0])}" if left else ""
    logged = "" if signal.signal == "SIGKILL" else _logged(history, signal, exit_.at)
    return f"it {_soon(exit_, signal)}{caught}{children}{logged}"


def _command(left: ChildrenLeft) -> str:
    """The last command that was left, without the folder of its program."""
    program, _, rest = left.commands[-1].partition(" ")
    return f"{program.rpartition('/')[2]} {rest}".strip()


def _soon(exit_: ServiceExited, signal: SignalSent) -> str:
    verb = "was" if exit_.status < 0 else ""
    return f"{verb} {exit_words(exit_.status)} {_length(exit_.at - signal.at)} later".strip()


def _length(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _logged(history: History, signal: SignalSent, until: float) -> str:
    lines = [n for n in history.of(LogLine) if n.service == signal.service and signal.at <= n.at <= until + 0.05]
    if not lines:
        return ", without a word in its log"
    return f", and wrote: “{line(lines[0].text, 100)}”"


def _fate(history: History, signal: SignalSent, task: str) -> str:
    story = history.story(task)
    later = [c for c in story.changes if c.status_moved and c.at > signal.at and c.at <= _end(history)]
    if not later:
        return f"task {task} stayed {story.status_at(signal.at)} to the end"
    moves = [
        f"{c.after('status')} {c.at - signal.at:.2f} s after the signal, by {c.service or 'the grader'}"
        for c in later[:3]
    ]
    return f"task {task} became {', then '.join(moves)}"
