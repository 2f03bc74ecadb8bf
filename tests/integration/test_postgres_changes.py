"""The audit: every committed change, once, at its time."""

from __future__ import annotations

from typing import Any

import psycopg

from grader.history.recorder import Clock
from grader.postgres import ScenarioDatabase, Server
from grader.postgres.template import FIRST_ID


def second_connection(server: Server, database: ScenarioDatabase) -> psycopg.Connection[Any]:
    return server.connect(database.service, database.name)


def test_insert_update_and_delete_are_told_with_whole_rows(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    service.execute("INSERT INTO tasks (title, payload) VALUES ('first', '{\"a\": [1, null]}')")
    service.execute("UPDATE tasks SET status = 'processing', assigned_worker = 'w'")
    service.execute("DELETE FROM tasks")
    insert, update, delete = database.read_changes()
    assert (insert.operation, update.operation, delete.operation) == ("insert", "update", "delete")
    assert insert.task == update.task == delete.task == str(FIRST_ID)
    assert insert.before is None
    assert insert.after is not None
    assert insert.after["payload"] == {"a": [1, None]}
    assert set(insert.after) >= {"id", "title", "description", "type", "status", "created_at", "updated_at"}
    assert update.before == insert.after
    assert update.after == {**insert.after, "status": "processing", "assigned_worker": "w"}
    assert delete.before == update.after
    assert delete.after is None
    assert {c.backend_pid for c in (insert, update, delete)} == {service.info.backend_pid}
    assert not any(c.by_grader for c in (insert, update, delete))


def test_a_change_is_told_once(database: ScenarioDatabase, service: psycopg.Connection[Any]) -> None:
    service.execute("INSERT INTO tasks (title) VALUES ('x')")
    assert len(database.read_changes()) == 1
    assert database.read_changes() == []


def test_nothing_is_told_before_it_is_committed_or_when_it_is_rolled_back(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    service.execute("BEGIN")
    service.execute("INSERT INTO tasks (title) VALUES ('x')")
    assert database.read_changes() == []
    service.execute("ROLLBACK")
    assert database.read_changes() == []
    service.execute("BEGIN")
    service.execute("SAVEPOINT s")
    service.execute("INSERT INTO tasks (title) VALUES ('undone')")
    service.execute("ROLLBACK TO s")
    service.execute("INSERT INTO tasks (title) VALUES ('kept')")
    service.execute("COMMIT")
    assert [change.after and change.after["title"] for change in database.read_changes()] == ["kept"]


def test_changes_that_become_visible_out_of_order_are_all_told(
    database: ScenarioDatabase, embedded_server: Server, service: psycopg.Connection[Any]
) -> None:
    """A transaction that wrote first and commits last is told when it commits, however much was told since."""
    with (
        second_connection(embedded_server, database) as late,
        second_connection(embedded_server, database) as later,
    ):
        late.execute("BEGIN")
        late.execute("INSERT INTO tasks (title) VALUES ('late')")
        later.execute("BEGIN")
        later.execute("INSERT INTO tasks (title) VALUES ('later')")
        service.execute("INSERT INTO tasks (title) VALUES ('soon')")
        late.execute("UPDATE tasks SET description = 'still at it' WHERE title = 'late'")

        def titles() -> list[Any]:
            return [change.after and change.after["title"] for change in database.read_changes()]

        assert titles() == ["soon"]
        service.execute("INSERT INTO tasks (title) VALUES ('between')")
        assert titles() == ["between"]
        later.execute("COMMIT")
        assert titles() == ["later"]
        assert titles() == []
        late.execute("COMMIT")
        assert titles() == ["late", "late"]
        assert titles() == []


def test_changes_of_one_transaction_come_in_the_order_in_which_they_were_made(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    with service.transaction():
        for number in range(20):
            service.execute("INSERT INTO tasks (title) VALUES (%s)", (f"t{number}",))
    changes = database.read_changes()
    assert [change.after and change.after["title"] for change in changes] == [f"t{n}" for n in range(20)]
    assert len({change.transaction for change in changes}) == 1


def test_times_are_on_the_runs_clock_and_a_commit_is_later_than_its_changes(
    database: ScenarioDatabase, service: psycopg.Connection[Any], clock: Clock
) -> None:
    database.read_changes()
    service.execute("BEGIN")
    before = clock.now()
    service.execute("INSERT INTO tasks (title) VALUES ('x')")
    between = clock.now()
    service.execute("SELECT pg_sleep(0.05)")
    committing = clock.now()
    service.execute("COMMIT")
    after = clock.now()
    [change] = database.read_changes()
    slack = 0.00005  # one clock of one machine: no round trip may blur which came first
    assert before - slack <= change.at <= between + slack
    assert committing - slack <= change.committed_at <= after + slack


def test_copy_merge_and_upsert_are_audited(database: ScenarioDatabase, service: psycopg.Connection[Any]) -> None:
    with service.cursor().copy("COPY tasks (title) FROM STDIN") as copy:
        copy.write("copied\n")
    service.execute(
        "MERGE INTO tasks USING (VALUES ('copied')) v(t) ON title = t WHEN MATCHED THEN UPDATE SET type = 'merged'"
    )
    service.execute(
        "INSERT INTO tasks (id, title) OVERRIDING SYSTEM VALUE VALUES (%s, 'x')"
        " ON CONFLICT (id) DO UPDATE SET type = 'up'",
        (FIRST_ID,),
    )
    assert [c.operation for c in database.read_changes()] == ["insert", "update", "update"]


def test_what_the_grader_does_is_marked(database: ScenarioDatabase, service: psycopg.Connection[Any]) -> None:
    [task] = database.insert_tasks([{"title": "x"}])
    service.execute("UPDATE tasks SET status = 'processing'")
    database.age([task], 5)
    assert [change.by_grader for change in database.read_changes()] == [True, False, True]


def test_a_truncate_is_told(database: ScenarioDatabase, embedded_server: Server) -> None:
    """Services cannot; whoever finds a way leaves a trace. Here the superuser does it."""
    database.insert_tasks([{"title": "x"}])
    database.read_changes()
    with embedded_server.connect(database=database.name) as admin:
        admin.execute("TRUNCATE public.tasks")
    [change] = database.read_changes()
    assert (change.operation, change.before, change.after) == ("truncate", None, None)
    assert database.tasks() == {}
