"""What a task's row looks like when its worker was killed, for a submission whose columns nobody knows beforehand."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from grader.explore.pair import Pair
from grader.lab import Lab

_OWN: Final = frozenset({"id", "title", "description", "type", "payload", "created_at"})
"""Columns that belong to the task, whoever has it."""


def stuck_row(lab: Lab) -> Mapping[str, Any] | None:
    """Let a worker claim a task, and kill it; the columns that it changed, and those that it left as they were.

    None when nothing is left in processing: the claim was not committed before the task was completed, so that a
    kill takes it back. Raises Undecided.
    """
    with closing(Pair(lab, ("worker-C",))) as pair:
        pair.park()
        [task] = [task.id for task in lab.insert_tasks(1)]
        pair.begin([task])
        while pair.witness.status(task) == "pending" and (moves := pair.moves()):
            pair.take(moves[0])
        pair.actors[0].worker.signal(signal.SIGKILL)
    lab.wait_until_backends_gone()
    row = lab.database.task(task)
    lab.database.finish_tasks()
    if row is None or row["status"] != "processing":
        return None
    return {name: value for name, value in row.items() if name not in _OWN}
