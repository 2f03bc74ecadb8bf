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
    # lab 3a part 1: Connect with psycopg. How long may it take? Who begins and ends transactions?
    return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name=worker_id)
    # lab end: raise NotImplementedError("3a part 1: connect")


def claim(connection: psycopg.Connection, worker_id: str) -> Task | None:
    """The oldest pending task, now ``processing`` and this worker's; None: there is none."""
    # lab 3a part 2: Find the oldest pending task, and make it yours.
    # lab: 3b part 1: ... so that many workers can do so at the same time.
    with connection.transaction():
        task = (
            connection.cursor(row_factory=class_row(Task))
            .execute(
                """SELECT id, title, type, payload, attempts + 1 AS attempt FROM tasks
                   WHERE status = 'pending' ORDER BY created_at, id LIMIT 1
                   FOR UPDATE SKIP LOCKED"""
            )
            .fetchone()
        )
        if task is not None:
            connection.execute(
                """UPDATE tasks SET status = 'processing', assigned_worker = %s, attempts = %s, updated_at = now()
                   WHERE id = %s""",
                (worker_id, task.attempt, task.id),
            )
    return task
    # lab end: raise NotImplementedError("3a part 2: claim")


def finish(connection: psycopg.Connection, task: Task, status: Literal["completed", "failed"]) -> bool:
    """Records how the work ended, if the task is still ours; False: it is not, and nothing was changed."""
    # lab 3a part 2: Record how the work ended.
    # lab: Beyond the lab: ... unless the task was taken over meanwhile.
    # The attempt is the fence. The worker's name would not do: it may have lost the task and claimed it once more.
    # The status may be there already, if the answer to an earlier try was lost with the connection.
    done = connection.execute(
        """UPDATE tasks SET status = %(status)s, updated_at = now()
           WHERE id = %(id)s AND attempts = %(attempt)s AND status IN ('processing', %(status)s)""",
        {"status": status, "id": task.id, "attempt": task.attempt},
    )
    return done.rowcount == 1
    # lab end: raise NotImplementedError("3a part 2: finish")


def recover(connection: psycopg.Connection, stuck_timeout: float) -> list[int]:
    """Gives back tasks whose worker was silent for longer than the timeout, in seconds; answers with their ids."""
    # lab 3b part 3: Find tasks that have been in processing for too long, and give them back.
    rows = connection.execute(
        """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
           WHERE id IN (SELECT id FROM tasks
                        WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
                        FOR UPDATE SKIP LOCKED)
           RETURNING id""",
        (stuck_timeout,),
    )
    return [task_id for (task_id,) in rows]
    # lab end: return []


def beat(connection: psycopg.Connection, task: Task) -> bool:
    """A sign of life for a task in hand; False: it is not ours any more."""
    # lab beyond the lab: Show that the task is in live hands.
    alive = connection.execute(
        "UPDATE tasks SET updated_at = now() WHERE id = %s AND attempts = %s AND status = 'processing'",
        (task.id, task.attempt),
    )
    return alive.rowcount == 1
    # lab end: raise NotImplementedError("beyond the lab: beat")
