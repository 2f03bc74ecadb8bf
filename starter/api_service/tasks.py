"""All SQL of the api-service. Values travel as parameters, never as part of the SQL text."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from api_service.database import Connection

Row = dict[str, Any]

COLUMNS = "id, title, description, type, payload, status, assigned_worker, created_at, updated_at"


def create(connection: Connection, title: str, description: str, type_: str, payload: Row) -> Row:
    """The new task, as the table has it."""
    row = connection.execute(
        f"INSERT INTO tasks (title, description, type, payload) VALUES (%s, %s, %s, %s) RETURNING {COLUMNS}",
        (title, description, type_, Jsonb(payload)),
    ).fetchone()
    assert row is not None
    return row


def read(connection: Connection, task_id: int) -> Row | None:
    return connection.execute(f"SELECT {COLUMNS} FROM tasks WHERE id = %s", (task_id,)).fetchone()


def read_all(connection: Connection, status: str | None, limit: int, offset: int) -> list[Row]:
    """The oldest first; the id decides between tasks of the same instant, so that the order is always the same."""
    return connection.execute(
        f"""SELECT {COLUMNS} FROM tasks
            WHERE %(status)s::text IS NULL OR status = %(status)s
            ORDER BY created_at, id LIMIT %(limit)s OFFSET %(offset)s""",
        {"status": status, "limit": limit, "offset": offset},
    ).fetchall()


def update(connection: Connection, task_id: int, title: str | None, description: str | None) -> Row | None:
    """The task with the new values; None leaves a value as it is. Status and owner belong to the workers."""
    return connection.execute(
        f"""UPDATE tasks
            SET title = coalesce(%s, title), description = coalesce(%s, description), updated_at = now()
            WHERE id = %s RETURNING {COLUMNS}""",
        (title, description, task_id),
    ).fetchone()


def delete(connection: Connection, task_id: int) -> bool:
    """Whether there was such a task."""
    return connection.execute("DELETE FROM tasks WHERE id = %s", (task_id,)).rowcount == 1


async def answers(url: str) -> bool:
    """Whether the database answers, on a connection made for the question: no slow query can stand in its way."""
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
