"""The table ``tasks``, for the api-service. Every method is one statement, committed when it returns."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from web.forms import Change, NewTask, Page

COLUMNS = "id, title, description, type, payload, status, assigned_worker, created_at, updated_at"

HEALTH = 1.5
"""Seconds; the caller wants an answer within two."""

Row = dict[str, Any]


class Tasks:
    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool

    async def open(self) -> None:
        # No connection yet: the service starts without the database, too.
        self._pool = await asyncpg.create_pool(self._url, min_size=0, max_size=10, timeout=3)

    async def close(self) -> None:
        await self._pool.close()

    async def is_there(self) -> bool:
        try:
            async with asyncio.timeout(HEALTH):
                connection = await asyncpg.connect(self._url)
                try:
                    await connection.fetchval("SELECT 1")
                finally:
                    connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    async def create(self, new: NewTask) -> Row | None:
        sql = f"INSERT INTO tasks (title, description, type, payload) VALUES ($1, $2, $3, $4) RETURNING {COLUMNS}"
        return await self._one(sql, new.title, new.description, new.type, json.dumps(new.payload))

    async def read(self, task: int) -> Row | None:
        return await self._one(f"SELECT {COLUMNS} FROM tasks WHERE id = $1 AND dropped_at IS NULL", task)

    async def page(self, page: Page) -> list[Row]:
        sql = f"""SELECT {COLUMNS} FROM tasks WHERE dropped_at IS NULL AND ($1::text IS NULL OR status = $1)
                  ORDER BY id LIMIT $2 OFFSET $3"""
        return [_row(found) for found in await self._pool.fetch(sql, page.status, page.limit, page.offset)]

    async def update(self, task: int, change: Change) -> Row | None:
        sql = f"""UPDATE tasks SET title = coalesce($2, title), description = coalesce($3, description)
                  WHERE id = $1 AND dropped_at IS NULL RETURNING {COLUMNS}"""
        return await self._one(sql, task, change.title, change.description)

    async def delete(self, task: int) -> Row | None:
        sql = f"UPDATE tasks SET dropped_at = now() WHERE id = $1 AND dropped_at IS NULL RETURNING {COLUMNS}"
        return await self._one(sql, task)

    async def _one(self, sql: str, *values: Any) -> Row | None:
        found = await self._pool.fetchrow(sql, *values)
        return None if found is None else _row(found)


def _row(found: Mapping[str, Any]) -> Row:
    return {**found, "payload": json.loads(found["payload"])}
