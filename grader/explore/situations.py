"""What lies in the table when a schedule begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.lab import FAR_AWAY, Lab

LONG_AGO = 2 * FAR_AWAY
"""Seconds since the last sign of life of a stuck task's worker."""


@dataclass(frozen=True, slots=True)
class Situation:
    """``pending`` tasks, and ``stuck`` ones that a killed worker left behind, with the values of their rows."""

    sentence: str
    pending: int
    stuck: int = 0
    row: Mapping[str, Any] | None = None
    holds_row: bool = False
    """The grader holds the lock of the newest task's row at first."""

    def prepare(self, lab: Lab) -> list[str]:
        """Put the tasks in, the stuck ones oldest; their ids."""
        total = self.stuck + self.pending
        tasks = [task.id for task in lab.insert_tasks(total)]
        for task in tasks[: self.stuck]:
            lab.database.set_values(task, self.row or {})
            lab.database.age([task], LONG_AGO)
        return tasks


ONE_TASK = Situation("one pending task", 1)
TWO_TASKS = Situation("two pending tasks", 2)
HELD_ROW = Situation("one pending task, whose row the grader holds at first", 1, holds_row=True)


def beside_stuck(row: Mapping[str, Any]) -> Situation:
    """A task that a killed worker left in processing, long ago, and a pending one."""
    return Situation("a task that a killed worker left in processing long ago, and a pending one", 1, 1, row)
