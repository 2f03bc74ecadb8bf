"""The transactions of the queue.

Each is written as if nobody else were there: look, decide, write. PostgreSQL lets only such transactions commit that
could have run one after the other. The rest it refuses, and they are run again, from their first look on.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Claimed:
    id: int
    title: str
    type: str
    payload: Any
    number: int


def connect(url: str, name: str) -> psycopg.Connection:
    connection = psycopg.connect(url, connect_timeout=3, application_name=name)
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    return connection


def again_until_committed(
    connection: psycopg.Connection, transaction: Callable[[psycopg.Connection], Answer]
) -> Answer:
    """A transaction is refused only because another one was committed: somebody always gets on."""
    while True:
        try:
            with connection.transaction():
                answer = transaction(connection)
        except (SerializationFailure, DeadlockDetected) as refusal:
            logging.debug("%s, once more", type(refusal).__name__)
        else:
            return answer


def claim_oldest(connection: psycopg.Connection, worker_id: str) -> Claimed | None:
    oldest = connection.execute(
        "SELECT id, title, type, payload FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 1"
    ).fetchone()
    if oldest is None:
        return None
    number = connection.execute(
        """UPDATE tasks SET status = 'processing', assigned_worker = %s, claim = nextval('claim_numbers'),
                            updated_at = now()
           WHERE id = %s RETURNING claim""",
        (worker_id, oldest[0]),
    ).fetchone()
    assert number is not None, "a row that this snapshot has seen is there, or the UPDATE is refused"
    return Claimed(*oldest, *number)


def give_back_abandoned(connection: psycopg.Connection, timeout: float) -> list[int]:
    abandoned = connection.execute(
        "SELECT id FROM tasks WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)",
        (timeout,),
    ).fetchall()
    for task in abandoned:
        connection.execute(
            "UPDATE tasks SET status = 'pending', assigned_worker = NULL, claim = NULL, updated_at = now() WHERE id = %s",
            task,
        )
    return [task_id for (task_id,) in abandoned]


def end(connection: psycopg.Connection, task: Claimed, status: str) -> bool:
    """Whether it was still this claim's to end. Ending it twice in the same way is no mistake."""
    ended = connection.execute(
        "UPDATE tasks SET status = %s, updated_at = now() WHERE id = %s AND claim = %s AND status = ANY(%s)",
        (status, task.id, task.number, ["processing", status]),
    )
    return ended.rowcount == 1


def show_life(connection: psycopg.Connection, task: Claimed) -> bool:
    shown = connection.execute(
        "UPDATE tasks SET updated_at = now() WHERE id = %s AND claim = %s AND status = 'processing'",
        (task.id, task.number),
    )
    return shown.rowcount == 1
