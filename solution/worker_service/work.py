"""The work itself: what is done for which type of task. Knows nothing of the queue."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("worker_service")


class WorkFailed(Exception):
    """The work was done as asked, and did not succeed."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task that this worker holds. ``attempt`` is the number of its claim: no other claim of the task has it."""

    id: int
    title: str
    type: str
    payload: Any
    attempt: int


def _default(task: Task) -> None:
    log.debug("task=%s needs nothing special", task.id)


def _email(task: Task) -> None:
    log.info("sending an email for task=%s title=%r", task.id, task.title)


HANDLERS: dict[str, Callable[[Task], None]] = {"default": _default, "email": _email}
"""A new type of task is a new function and a new entry. A type that is not here is handled as ``default``."""


def work_on(task: Task, seconds: float | None) -> None:
    """Simulates the work; None: two to five seconds. Raises WorkFailed, or whatever else goes wrong."""
    HANDLERS.get(task.type, _default)(task)
    time.sleep(random.uniform(2, 5) if seconds is None else seconds)
    if isinstance(task.payload, dict) and task.payload.get("fail") is True:
        raise WorkFailed("its payload says so")
