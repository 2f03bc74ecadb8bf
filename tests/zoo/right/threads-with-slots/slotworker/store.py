"""The table, for all threads of a process.

A psycopg connection may be used by many threads: it lets one statement through at a time. Under autocommit each of
them is a transaction, so nobody can get into the middle of somebody else's.
"""

import logging
import threading
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, eq=False)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    run: int


class Store:
    """Raises psycopg.Error; the next statement after that is sent on a new connection."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._connection: psycopg.Connection[Any] | None = None
        self._changing = threading.Lock()

    def _connected(self) -> psycopg.Connection[Any]:
        with self._changing:
            if self._connection is None or self._connection.broken:
                self._connection = psycopg.connect(
                    self._url, autocommit=True, connect_timeout=3, application_name=self._name
                )
                logging.info("connected")
            return self._connection

    def close(self) -> None:
        with self._changing:
            if self._connection is not None:
                self._connection.close()

    def claim(self) -> Task | None:
        cursor = self._connected().cursor(row_factory=class_row(Task))
        return cursor.execute(
            """UPDATE tasks SET status = 'processing', assigned_worker = %s, run = run + 1, updated_at = now()
               WHERE id = (SELECT id FROM tasks WHERE status = 'pending'
                           ORDER BY created_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
               RETURNING id, title, type, payload, run""",
            (self._name,),
        ).fetchone()

    def end(self, task: Task, status: str) -> bool:
        changed = self._connected().execute(
            """UPDATE tasks SET status = %(status)s, updated_at = now()
               WHERE id = %(id)s AND run = %(run)s AND status IN ('processing', %(status)s)""",
            {"status": status, "id": task.id, "run": task.run},
        )
        return changed.rowcount == 1

    def show_life(self, tasks: list[Task]) -> None:
        """For all tasks of this process, in one statement."""
        self._connected().execute(
            """UPDATE tasks SET updated_at = now() FROM unnest(%s::bigint[], %s::int[]) AS mine (id, run)
               WHERE tasks.id = mine.id AND tasks.run = mine.run AND status = 'processing'""",
            ([task.id for task in tasks], [task.run for task in tasks]),
        )

    def release_silent(self, timeout: float) -> list[int]:
        rows = self._connected().execute(
            """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
               WHERE id IN (SELECT id FROM tasks
                            WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
                            FOR NO KEY UPDATE SKIP LOCKED)
               RETURNING id""",
            (timeout,),
        )
        return [task for (task,) in rows]
