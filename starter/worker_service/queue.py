"""All SQL of the worker: the queue, as the table ``tasks`` has it.

pending ──claim──► processing ──finish──► completed or failed
   ▲                    │
   └──────recover───────┘   when its worker gave no sign of life for too long
"""

from typing import Literal

import psycopg
from psycopg.rows import class_row

from worker_service.work import Task

CONNECT_TIMEOUT = 3


def connect(url: str, worker_id: str) -> psycopg.Connection:
    """A connection on which each statement is a transaction of its own, unless it is told otherwise.

    Nothing stays open that way while the worker waits or works. ``pg_stat_activity`` shows the worker's name.
    """
    # TODO 3a part 1: Connect with psycopg. How long may it take? Who begins and ends transactions?
    raise NotImplementedError("3a part 1: connect")


def claim(connection: psycopg.Connection, worker_id: str) -> Task | None:
    """The oldest pending task, now ``processing`` and this worker's; None: there is none."""
    # TODO 3a part 2: Find the oldest pending task, and make it yours.
    #      3b part 1: ... so that many workers can do so at the same time.
    raise NotImplementedError("3a part 2: claim")


def finish(connection: psycopg.Connection, task: Task, status: Literal["completed", "failed"]) -> bool:
    """Records how the work ended, if the task is still ours; False: it is not, and nothing was changed."""
    # TODO 3a part 2: Record how the work ended.
    #      Beyond the lab: ... unless the task was taken over meanwhile.
    raise NotImplementedError("3a part 2: finish")


def recover(connection: psycopg.Connection, stuck_timeout: float) -> list[int]:
    """Gives back tasks whose worker was silent for longer than the timeout, in seconds; answers with their ids."""
    # TODO 3b part 3: Find tasks that have been in processing for too long, and give them back.
    return []


def beat(connection: psycopg.Connection, task: Task) -> bool:
    """A sign of life for a task in hand; False: it is not ours any more."""
    # TODO beyond the lab: Show that the task is in live hands.
    raise NotImplementedError("beyond the lab: beat")
