"""The queue in SQL. Every statement is a transaction of its own."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

CLAIM = """
UPDATE tasks
SET status = 'processing', assigned_worker = $1, updated_at = now(),
    lease_ends = now() + $2::interval, lease_token = gen_random_uuid()
WHERE id = (
    SELECT id FROM tasks WHERE status = 'pending'
    ORDER BY created_at, id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, title, type, payload, lease_token
"""

RENEW = """
UPDATE tasks SET lease_ends = now() + $3::interval, updated_at = now()
WHERE id = $1 AND lease_token = $2 AND status = 'processing'
"""

# If the answer to a first try was lost, the second one finds the task as it should be.
FINISH = """
UPDATE tasks SET status = $3, updated_at = now()
WHERE id = $1 AND lease_token = $2 AND status IN ('processing', $3)
"""

# Rows without a lease were not claimed by this program: their age counts.
EXPIRE = """
UPDATE tasks
SET status = 'pending', assigned_worker = NULL, updated_at = now(), lease_ends = NULL, lease_token = NULL
WHERE id IN (
    SELECT id FROM tasks
    WHERE status = 'processing' AND coalesce(lease_ends, updated_at + $1::interval) < now()
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    token: UUID


class Queue:
    def __init__(self, pool: asyncpg.Pool, worker_id: str, lease: float) -> None:
        self.pool = pool
        self.worker_id = worker_id
        self.lease = timedelta(seconds=lease)

    async def claim(self) -> Task | None:
        row = await self.pool.fetchrow(CLAIM, self.worker_id, self.lease)
        if row is None:
            return None
        return Task(row["id"], row["title"], row["type"], json.loads(row["payload"]), row["lease_token"])

    async def renew(self, task: Task) -> bool:
        return await self.pool.execute(RENEW, task.id, task.token, self.lease) == "UPDATE 1"

    async def finish(self, task: Task, status: str) -> bool:
        return await self.pool.execute(FINISH, task.id, task.token, status) == "UPDATE 1"

    async def expire(self) -> list[int]:
        return [row["id"] for row in await self.pool.fetch(EXPIRE, self.lease)]
