"""The queue, with session advisory locks.

A lock belongs to a connection: it outlives transactions and ends with the connection, so with the process at the
latest. Who works on a task holds its lock. So a lock that can be had belongs to nobody alive, and a task whose lock
cannot be had is in good hands, however old it is: no heartbeat is needed.

Locks are asked for one by one, by id. In the WHERE of a query the planner would decide how many rows are locked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]

AT_A_TIME = 10
"""Candidates in one look. Those in front may be locked by others that are about to claim them."""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any


def connect(url: str, worker: str) -> Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=3, application_name=worker)


def try_lock(connection: Connection, task: int) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (task,)).fetchone()
    return row is not None and bool(row[0])


def unlock(connection: Connection, task: int) -> None:
    connection.execute("SELECT pg_advisory_unlock(%s)", (task,))


def unlock_all(connection: Connection) -> None:
    """After a task: its lock is the only one, or there is none if the connection broke meanwhile."""
    connection.execute("SELECT pg_advisory_unlock_all()")


def claim(connection: Connection, worker: str) -> Task | None:
    """The oldest pending task that is in nobody's hands; its lock is held from then on."""
    seen: list[int] = []
    while True:
        candidates = connection.execute(
            """SELECT id FROM tasks WHERE status = 'pending' AND id <> ALL(%s)
               ORDER BY created_at, id LIMIT %s""",
            (seen, AT_A_TIME),
        ).fetchall()
        if not candidates:
            return None
        for (candidate,) in candidates:
            seen.append(candidate)
            if not try_lock(connection, candidate):
                continue
            if task := _take(connection, worker, candidate):
                return task
            unlock(connection, candidate)


def _take(connection: Connection, worker: str, candidate: int) -> Task | None:
    """Between the look and the lock somebody may have done the task: the status is looked at again.

    A row that somebody else, such as a client, is changing at this moment is left for later.
    """
    row = connection.execute(
        """UPDATE tasks SET status = 'processing', assigned_worker = %s, updated_at = now()
           WHERE id = (SELECT id FROM tasks WHERE id = %s AND status = 'pending' FOR UPDATE SKIP LOCKED)
           RETURNING id, title, type, payload""",
        (worker, candidate),
    ).fetchone()
    return Task(*row) if row else None


def finish(connection: Connection, worker: str, task: Task, status: str) -> bool:
    """Whether the task was still this worker's.

    The lock may have been lost with a broken connection, and the task given back: the owner and the status tell. If
    the answer to an earlier try was lost, the status is there already.
    """
    done = connection.execute(
        """UPDATE tasks SET status = %(status)s, updated_at = now()
           WHERE id = %(id)s AND assigned_worker = %(worker)s AND status IN ('processing', %(status)s)""",
        {"status": status, "id": task.id, "worker": worker},
    )
    return done.rowcount == 1


def give_back(connection: Connection, timeout: float) -> Iterator[int]:
    """Tasks in processing for longer than the timeout, and in nobody's hands."""
    old = connection.execute(
        "SELECT id FROM tasks WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)",
        (timeout,),
    ).fetchall()
    for (task,) in old:
        if not try_lock(connection, task):
            continue
        given = connection.execute(
            """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
               WHERE id = %s AND status = 'processing' AND updated_at < now() - make_interval(secs => %s)""",
            (task, timeout),
        )
        unlock(connection, task)
        if given.rowcount:
            yield task
