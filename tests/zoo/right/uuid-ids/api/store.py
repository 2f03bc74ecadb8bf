"""SQL of the api-service. Requests at the same time have connections of their own; so many at a time, and no more."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

COLUMNS = "id, title, description, type, payload, status, assigned_worker, created_at, updated_at"

_url = ""
_places = threading.BoundedSemaphore(15)
_questions = ThreadPoolExecutor(4)


def use(url: str) -> None:
    global _url
    _url = url


@contextmanager
def connection() -> Iterator[psycopg.Connection[DictRow]]:
    with _places, psycopg.connect(_url, autocommit=True, connect_timeout=3, row_factory=dict_row) as found:
        yield found


def one(sql: str, *values: Any) -> DictRow | None:
    with connection() as database:
        return database.execute(sql, values).fetchone()


def create(title: str, description: str, type_: str, payload: Any) -> DictRow | None:
    return one(
        f"SELECT {COLUMNS} FROM new_task(%s, %s, %s, %s)",
        title,
        description,
        type_,
        Jsonb(payload),
    )


def read(task: UUID) -> DictRow | None:
    return one(f"SELECT {COLUMNS} FROM tasks WHERE id = %s", task)


def change(task: UUID, title: str | None, description: str | None) -> DictRow | None:
    return one(
        f"""UPDATE tasks SET title = coalesce(%s, title), description = coalesce(%s, description), updated_at = now()
            WHERE id = %s RETURNING {COLUMNS}""",
        title,
        description,
        task,
    )


def delete(task: UUID) -> DictRow | None:
    return one("DELETE FROM tasks WHERE id = %s RETURNING id", task)


def list_tasks(status: str | None, limit: int, offset: int) -> list[DictRow]:
    with connection() as database:
        return database.execute(
            f"""SELECT {COLUMNS} FROM tasks WHERE %(status)s::text IS NULL OR status = %(status)s
                ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s""",
            {"status": status, "limit": limit, "offset": offset},
        ).fetchall()


def answers() -> bool:
    """Whether the database answers within a second and a half; the thread that asks may take longer."""

    def ask() -> None:
        with psycopg.connect(_url, autocommit=True, connect_timeout=2) as database:
            database.execute("SELECT 1")

    try:
        _questions.submit(ask).result(timeout=1.5)
    except (psycopg.Error, TimeoutError):
        return False
    return True
