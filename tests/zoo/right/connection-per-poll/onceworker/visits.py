"""What is done in the database. Each function is a visit: a connection, one transaction, and good-bye.

The table is the lab's own. A claim is known by the worker's name: no two that run have the same, and each has one task at
a time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from onceworker.settings import Settings


@dataclass
class Task:
    id: int
    title: str
    type: str
    payload: Any


@asynccontextmanager
async def visit(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection]:
    """The block is a transaction, committed at its end, rolled back if it raises."""
    connection = await psycopg.AsyncConnection.connect(
        settings.url, connect_timeout=3, application_name=settings.worker_id
    )
    async with connection:
        yield connection


async def poll(settings: Settings) -> Task | None:
    """Free what is stuck, then take the oldest."""
    async with visit(settings) as connection:
        await connection.execute(
            """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
               WHERE id IN (SELECT id FROM tasks WHERE status = 'processing'
                            AND updated_at < now() - make_interval(secs => %s) FOR UPDATE SKIP LOCKED)""",
            (settings.timeout,),
        )
        cursor = connection.cursor(row_factory=class_row(Task))
        await cursor.execute(
            """SELECT id, title, type, payload FROM tasks WHERE status = 'pending'
               ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
        )
        task = await cursor.fetchone()
        if task is not None:
            await connection.execute(
                "UPDATE tasks SET status = 'processing', assigned_worker = %s, updated_at = now() WHERE id = %s",
                (settings.worker_id, task.id),
            )
    return task


async def beat(settings: Settings, task: Task) -> None:
    async with visit(settings) as connection:
        await connection.execute(
            "UPDATE tasks SET updated_at = now() WHERE id = %s AND assigned_worker = %s AND status = 'processing'",
            (task.id, settings.worker_id),
        )


async def finish(settings: Settings, task: Task, status: str) -> bool:
    """Whether it is finished, by this visit or by an earlier one whose good news did not get through."""
    async with visit(settings) as connection:
        cursor = await connection.execute(
            "SELECT status FROM tasks WHERE id = %s AND assigned_worker = %s FOR UPDATE",
            (task.id, settings.worker_id),
        )
        row = await cursor.fetchone()
        if row is None or row[0] not in ("processing", status):
            return False
        await connection.execute(
            "UPDATE tasks SET status = %s, updated_at = now() WHERE id = %s", (status, task.id)
        )
    return True
