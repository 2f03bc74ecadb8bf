"""What a scenario can do with its database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from grader.errors import BadSubmission, EnvironmentFailed
from grader.postgres import ScenarioDatabase, Server
from grader.postgres.template import FIRST_ID


def moment(row: dict[str, Any] | None, column: str) -> datetime:
    assert row is not None
    return datetime.fromisoformat(row[column])


def seconds_ago(row: dict[str, Any] | None, column: str) -> float:
    return (datetime.now(UTC) - moment(row, column)).total_seconds()


def test_inserted_tasks_come_back_in_order_with_defaults(database: ScenarioDatabase) -> None:
    ids = database.insert_tasks(
        [
            {"title": 'it\'s "quoted"', "age": 60.0},
            {"title": "b", "payload": {"fail": True}, "type": "email", "description": "d"},
            {"title": "c", "status": "processing", "assigned_worker": "w", "age": 5.0, "updated_age": 3.0},
        ]
    )
    assert ids == [str(FIRST_ID + number) for number in range(3)]
    first, second, third = (database.task(task) for task in ids)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first["title"] == 'it\'s "quoted"'
    assert (first["status"], first["type"], first["payload"]) == ("pending", "default", {})
    assert seconds_ago(first, "created_at") == pytest.approx(60, abs=5)
    assert seconds_ago(first, "updated_at") == pytest.approx(0, abs=5)
    assert (second["payload"], second["type"], second["description"]) == ({"fail": True}, "email", "d")
    assert (third["status"], third["assigned_worker"]) == ("processing", "w")
    assert (moment(third, "updated_at") - moment(third, "created_at")).total_seconds() == pytest.approx(2)
    assert database.tasks().keys() == set(ids)
    assert database.task("4") is None


def test_a_row_that_the_table_refuses_is_told_with_postgresqls_words(database: ScenarioDatabase) -> None:
    with pytest.raises(BadSubmission, match="tasks_status_check"):
        database.insert_tasks([{"title": "x", "status": "nonsense"}])
    assert database.insert_tasks([{"title": "x"}])


def test_ageing_moves_all_moments_of_the_named_rows_alone(database: ScenarioDatabase) -> None:
    aged, other = database.insert_tasks([{"title": "a"}, {"title": "b"}])
    before = database.tasks()
    database.age([aged], 100)
    after = database.tasks()
    for column in ("created_at", "updated_at"):
        assert (moment(before[aged], column) - moment(after[aged], column)).total_seconds() == pytest.approx(100)
    assert after[other] == before[other]
    database.age(None, 50, created_seconds=10)
    last = database.tasks()
    for task in (aged, other):
        assert (moment(after[task], "updated_at") - moment(last[task], "updated_at")).total_seconds() == 50
        assert (moment(after[task], "created_at") - moment(last[task], "created_at")).total_seconds() == 10


def test_what_waits_and_is_in_nobodys_hands_is_finished_by_the_grader(database: ScenarioDatabase) -> None:
    free, held, working, other = database.insert_tasks(
        [{"title": "free"}, {"title": "held"}, {"title": "working", "status": "processing"}, {"title": "other"}]
    )
    database.read_changes()
    with database.hold_row(held):
        database.finish_waiting([free, held, working])
    statuses = {task: row["status"] for task, row in database.tasks().items()}
    assert statuses == {free: "completed", held: "pending", working: "processing", other: "pending"}
    assert [(change.task, change.by_grader) for change in database.read_changes()] == [(free, True)]


def test_rewritten_rows_lie_behind_the_others_in_the_given_order(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    one, two, three = database.insert_tasks([{"title": t} for t in ("one", "two", "three")])
    before = database.tasks()
    database.rewrite([two, one])
    physical = [title for (title,) in service.execute("SELECT title FROM tasks ORDER BY ctid")]
    assert physical == ["three", "two", "one"]
    assert database.tasks() == before
    assert three in before


def test_a_touched_row_was_changed_then_and_stands_behind_all_others(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    row = {"title": "x", "age": 60.0, "updated_age": 60.0}
    one, two, three = database.insert_tasks([row, row, row])
    before = database.tasks()
    database.touch(two, 7.0)
    database.touch(one, 5.0)
    query = "SELECT id::text, extract(epoch FROM now() - updated_at)::float FROM tasks ORDER BY ctid"
    found = service.execute(query).fetchall()
    assert [task for task, _ in found] == [three, two, one]
    assert [5.0 <= seconds < 50.0 for _, seconds in found] == [False, True, True]
    assert found[1][1] - found[2][1] >= 2.0  # more, by what lies between the two calls
    after = database.tasks()
    assert [after[two][key] for key in ("created_at", "title")] == [
        before[two][key] for key in ("created_at", "title")
    ]


def test_a_held_row_is_locked_until_the_context_is_left(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    held, free = database.insert_tasks([{"title": "held"}, {"title": "free"}])
    query = "SELECT id::text FROM tasks ORDER BY id FOR UPDATE SKIP LOCKED"
    with database.hold_row(held):
        assert service.execute(query).fetchall() == [(free,)]
    assert service.execute(query).fetchall() == [(held,), (free,)]


def test_a_held_table_is_locked_until_the_context_is_left(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    service.execute("SET lock_timeout = '50ms'")
    with database.hold_table("ACCESS EXCLUSIVE"), pytest.raises(psycopg.errors.LockNotAvailable):
        service.execute("SELECT 1 FROM tasks")
    with database.hold_table("SHARE"):
        service.execute("SELECT 1 FROM tasks")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            service.execute("DELETE FROM tasks")
    service.execute("DELETE FROM tasks")


def test_who_blocks_whom_can_be_asked_and_a_backend_can_be_ended(
    database: ScenarioDatabase, embedded_server: Server, service: psycopg.Connection[Any]
) -> None:
    database.insert_tasks([{"title": "x"}])
    service.execute("BEGIN")
    service.execute("UPDATE tasks SET type = 'a'")
    pid = service.info.backend_pid
    assert database.service_backends() == {pid}
    assert database.blocking_pids(pid) == ()
    with embedded_server.connect(database.service, database.name) as other, ThreadPoolExecutor(1) as thread:
        update = thread.submit(other.execute, "UPDATE tasks SET type = 'b'")
        deadline = time.monotonic() + 10
        while not (blockers := database.blocking_pids(other.info.backend_pid)):
            assert time.monotonic() < deadline
        assert blockers == (pid,)
        database.terminate_backends([pid])
        assert update.result(10).rowcount == 1
        assert database.service_backends() == {other.info.backend_pid}
    with pytest.raises(psycopg.OperationalError):
        service.execute("SELECT 1")


def test_backends_of_other_databases_are_not_ended(database: ScenarioDatabase, embedded_server: Server) -> None:
    with embedded_server.connect() as admin:
        database.terminate_backends([admin.info.backend_pid])
        assert admin.execute("SELECT 1").fetchone() == (1,)


def test_a_setting_for_services_holds_for_their_next_connections(
    database: ScenarioDatabase, embedded_server: Server
) -> None:
    database.set_for_services("enable_indexscan", "off")
    with embedded_server.connect(database.service, database.name) as service:
        assert service.execute("SHOW enable_indexscan").fetchone() == ("off",)


def test_the_url_has_the_contracts_form(database: ScenarioDatabase) -> None:
    url = database.service_url("127.0.0.1", 6543)
    user, password = database.service.user, database.service.password
    assert url == f"postgresql://{user}:{password}@127.0.0.1:6543/{database.name}?sslmode=disable"
    assert password not in repr(database.service)


def test_a_dead_server_process_is_an_error_of_the_environment(
    database: ScenarioDatabase, embedded_server: Server
) -> None:
    database.tasks()
    with embedded_server.connect() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (database.name,)
        )
    with pytest.raises(EnvironmentFailed, match="cannot be read"):
        database.tasks()
