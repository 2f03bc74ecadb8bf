"""What a session of a service finds as it left it, though the audit writes down its changes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from grader.postgres import ScenarioDatabase
from grader.postgres.template import FIRST_ID


def test_the_last_value_is_that_of_the_tasks_own_sequence(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    for _ in range(3):
        service.execute("INSERT INTO tasks (title) VALUES ('x')")
    [(last, newest)] = service.execute("SELECT lastval(), max(id) FROM tasks").fetchall()
    assert last == newest == FIRST_ID + 2
    assert [change.task for change in database.read_changes()] == [str(FIRST_ID + number) for number in range(3)]


def test_the_last_value_is_not_touched_by_a_change_of_a_row(service: psycopg.Connection[Any]) -> None:
    service.execute("INSERT INTO tasks (title) VALUES ('x')")
    service.execute("CREATE SEQUENCE numbers START 77")
    service.execute("SELECT nextval('numbers')")
    service.execute("UPDATE tasks SET status = 'processing'")
    service.execute("DELETE FROM tasks")
    assert service.execute("SELECT lastval()").fetchone() == (77,)


def test_a_session_without_a_sequence_has_no_last_value(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    database.insert_tasks([{"title": "x"}])
    service.execute("UPDATE tasks SET status = 'processing'")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        service.execute("SELECT lastval()")


def test_changes_keep_their_order_within_and_between_transactions(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    with service.transaction():
        for number in range(50):
            service.execute("INSERT INTO tasks (title) VALUES (%s)", (str(number),))
            service.execute("UPDATE tasks SET status = 'processing' WHERE title = %s", (str(number),))
    service.execute("UPDATE tasks SET status = 'completed'")
    changes = database.read_changes()
    assert [change.after["title"] for change in changes[:100:2] if change.after] == [str(n) for n in range(50)]
    assert [change.operation for change in changes[:100]] == ["insert", "update"] * 50
    assert [change.after["title"] for change in changes[100:] if change.after] == [str(n) for n in range(50)]
