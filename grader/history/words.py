"""How a process ended, what happened to a row, what somebody else wrote: in the words that reports use. Pure."""

from __future__ import annotations

import signal

from grader.history.tasks import Change

SHOWN = 160
"""Characters of a text that somebody else wrote."""


def short(text: str, limit: int = SHOWN) -> str:
    """On one line, and cut where it gets long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def exit_words(status: int) -> str:
    """How a process ended, and what that means: ``exited with status 1``, ``ended by signal 9 (SIGKILL)``.

    ``status`` is an exit status, or minus the number of a signal; not every signal has a name.
    """
    if status >= 0:
        return f"exited with {status_words(status)}"
    try:
        return f"{status_words(status)} ({signal.Signals(-status).name})"
    except ValueError:
        return status_words(status)


def status_words(status: int) -> str:
    """The same in short: ``status 1``, ``ended by signal 9``."""
    return f"status {status}" if status >= 0 else f"ended by signal {-status}"


def change_words(change: Change) -> str:
    """``task 7: pending → processing, assigned_worker worker-A``."""
    task = change.row.task
    match change.row.operation:
        case "insert":
            return f"task {task} inserted, {change.after('status')}"
        case "delete" | "truncate":
            return f"task {task} deleted"
        case _:
            return f"task {task}{_difference(change)}"


def _difference(change: Change) -> str:
    before, after = change.before("status"), change.after("status")
    if before != after:
        text = f": {before} → {after}"
    else:
        names = [k for k, v in (change.row.after or {}).items() if v != change.before(k)]
        text = f", still {after}: {', '.join(names) or 'nothing'} rewritten"
    if after == "processing" and change.before("assigned_worker") != change.after("assigned_worker"):
        text += f", assigned_worker {short(str(change.after('assigned_worker')), 60)}"
    return text
