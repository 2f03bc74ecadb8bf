"""All SQL. Each statement does one step in both tables at once, under autocommit."""

from dataclasses import dataclass
from typing import Any

import psycopg2

# The parts of a WITH see the same snapshot; what one hands to the next goes through RETURNING. The first part is
# MATERIALIZED so that it is run once, and locks one row, whatever the planner thinks.
CLAIM = """
WITH next AS MATERIALIZED (
    SELECT id FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE tasks SET status = 'processing', assigned_worker = %(worker)s, updated_at = now()
    FROM next WHERE tasks.id = next.id
    RETURNING tasks.id, title, type, payload
), noted AS (
    INSERT INTO claims (task, worker) SELECT id, %(worker)s FROM taken RETURNING id
)
SELECT taken.id, title, type, payload, noted.id FROM taken, noted
"""

# The task's row first, in every statement: two that want the same rows wait for each other, but never in a circle.
# The row is looked at again once its lock is there, and the claim only after that.
FINISH = """
WITH mine AS MATERIALIZED (
    SELECT tasks.id FROM tasks WHERE id = %(task)s AND status = 'processing' FOR UPDATE
), closed AS (
    UPDATE claims SET outcome = %(outcome)s FROM mine
    WHERE claims.id = %(claim)s AND task = mine.id AND outcome IS NULL RETURNING task
)
UPDATE tasks SET status = %(outcome)s, updated_at = now() FROM closed WHERE tasks.id = closed.task
"""

HAS_ENDED = "SELECT outcome = %(outcome)s FROM claims WHERE id = %(claim)s"

BEAT = """
UPDATE tasks SET updated_at = now()
WHERE id = %(task)s AND status = 'processing'
AND EXISTS (SELECT FROM claims WHERE claims.id = %(claim)s AND outcome IS NULL)
"""

EXPIRE = """
WITH stuck AS MATERIALIZED (
    SELECT id FROM tasks WHERE status = 'processing' AND updated_at < now() - %(timeout)s * interval '1 second'
    FOR UPDATE SKIP LOCKED
), closed AS (
    UPDATE claims SET outcome = 'expired' FROM stuck WHERE task = stuck.id AND outcome IS NULL
)
UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
FROM stuck WHERE tasks.id = stuck.id RETURNING tasks.id
"""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    claim: int


class Book:
    """One connection, made when it is needed, thrown away when it fails. Raises psycopg2.Error."""

    def __init__(self, url: str, worker: str) -> None:
        self.url, self.worker = url, worker
        self.connection: Any = None

    def _run(self, sql: str, **values: Any) -> Any:
        try:
            if self.connection is None:
                self.connection = psycopg2.connect(self.url, connect_timeout=3, application_name=self.worker)
                self.connection.autocommit = True
            cursor = self.connection.cursor()
            cursor.execute(sql, values)
        except psycopg2.Error:
            self.close()
            raise
        return cursor

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def claim(self) -> Task | None:
        row = self._run(CLAIM, worker=self.worker).fetchone()
        return Task(*row) if row else None

    def finish(self, task: Task, outcome: str) -> bool:
        """Whether the claim was still open, or has been closed just so by an earlier try."""
        done = self._run(FINISH, task=task.id, claim=task.claim, outcome=outcome).rowcount
        if done:
            return True
        row = self._run(HAS_ENDED, claim=task.claim, outcome=outcome).fetchone()
        return bool(row and row[0])

    def beat(self, task: Task) -> bool:
        return bool(self._run(BEAT, task=task.id, claim=task.claim).rowcount)

    def expire(self, timeout: float) -> list[int]:
        return [task for (task,) in self._run(EXPIRE, timeout=timeout).fetchall()]
