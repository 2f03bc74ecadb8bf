"""The table ``tasks``, for the worker. The trigger sees to ``updated_at``."""

from typing import Any, NamedTuple, Self

import psycopg
from psycopg.rows import namedtuple_row


class Task(NamedTuple):
    id: int
    title: str
    type: str
    payload: Any
    run: int


class Board:
    """A connection. Every method is one transaction, and raises psycopg.Error."""

    def __init__(self, url: str, name: str) -> None:
        self._name = name
        self._connection = psycopg.connect(
            url, connect_timeout=3, application_name=name, row_factory=namedtuple_row
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def take(self) -> Task | None:
        """The oldest pending task, which is this worker's from now on."""
        with self._connection.transaction():
            row = self._connection.execute(
                """SELECT id, title, type, payload, run + 1 AS run FROM tasks
                   WHERE status = 'pending' AND dropped_at IS NULL
                   ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
            ).fetchone()
            if row is None:
                return None
            self._connection.execute(
                "UPDATE tasks SET status = 'processing', assigned_worker = %s, run = %s WHERE id = %s",
                (self._name, row.run, row.id),
            )
        return Task(*row)

    def close_run(self, task: Task, status: str) -> bool:
        """Whether it was still the task's last run. Asking again, when the answer got lost, does no harm."""
        with self._connection.transaction():
            done = self._connection.execute(
                "UPDATE tasks SET status = %(status)s WHERE id = %(id)s AND run = %(run)s"
                " AND status IN ('processing', %(status)s)",
                {"status": status, "id": task.id, "run": task.run},
            )
        return done.rowcount == 1

    def show_life(self, task: Task) -> bool:
        with self._connection.transaction():
            seen = self._connection.execute(
                "UPDATE tasks SET run = run WHERE id = %s AND run = %s AND status = 'processing'",
                (task.id, task.run),
            )
        return seen.rowcount == 1

    def take_down_stuck(self, seconds: float) -> list[int]:
        """Tasks that nobody has touched for so long are pending again."""
        with self._connection.transaction():
            rows = self._connection.execute(
                """UPDATE tasks SET status = 'pending', assigned_worker = NULL
                   WHERE id IN (SELECT id FROM tasks WHERE status = 'processing'
                                AND updated_at < clock_timestamp() - make_interval(secs => %s) FOR UPDATE SKIP LOCKED)
                   RETURNING id""",
                (seconds,),
            ).fetchall()
        return [row.id for row in rows]
