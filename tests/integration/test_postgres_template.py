"""From a submission's migrations to a database for each scenario."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from grader.errors import BadSubmission
from grader.history.recorder import Clock
from grader.postgres import Databases, Server
from grader.postgres.template import FIRST_ID
from grader.run_folder import run_folder

TASKS = """
CREATE TABLE tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL, description text NOT NULL DEFAULT '',
    type text NOT NULL DEFAULT 'default', payload json NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'pending', assigned_worker text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
"""


def test_migrations_are_applied_in_the_order_of_their_names(databases_of: Any) -> None:
    databases = databases_of(TASKS, "ALTER TABLE tasks ADD attempts int NOT NULL DEFAULT 3")
    with closing(databases.create("x")) as database:
        [task] = database.insert_tasks([{"title": "x", "payload": {"a": 1}}])
        row = database.task(task)
        assert row is not None
        assert (row["id"], row["attempts"], row["payload"]) == (task, 3, {"a": 1})
        database.age([task], 5)
        assert [change.task for change in database.read_changes()] == [task, task]


@pytest.mark.parametrize(
    ("migrations", "message"),
    [
        ((TASKS, "SELECT 1;\nSELEKT 2;"), r'0002_step\.up\.sql, line 2: syntax error at or near "SELEKT"'),
        (("CREATE TABLE other (id int)",), "make no table tasks"),
        ((TASKS, "ALTER TABLE tasks DROP assigned_worker"), "without assigned_worker"),
        (("CREATE VIEW tasks AS SELECT 1 AS id WHERE false",), "ordinary table"),
        ((TASKS, "ALTER TABLE tasks SET UNLOGGED"), "ordinary table"),
        ((TASKS, "CREATE TABLE child () INHERITS (tasks)"), "ordinary table"),
        ((TASKS, "CREATE RULE r AS ON UPDATE TO tasks DO INSTEAD NOTHING"), "rules"),
        ((TASKS, "ALTER TABLE tasks ADD needed int NOT NULL"), 'null value in column "needed"'),
        (
            (
                TASKS,
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
                "CREATE TRIGGER t BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION swallow()",
            ),
            "swallows",
        ),
        ((TASKS, "ALTER TABLE tasks ALTER status SET DEFAULT 'done'"), "plain task"),
        ((TASKS, "BEGIN; SELECT 1"), "transaction open"),
        ((TASKS, "CREATE ROLE friend"), "permission denied"),
        ((TASKS, "COPY tasks FROM PROGRAM 'id'"), "permission denied"),
        ((TASKS, "COPY tasks FROM STDIN"), r"0002_step\.up\.sql: "),
    ],
)
def test_migrations_that_cannot_be_used_are_told_in_one_line(
    migrations: tuple[str, ...], message: str, databases_of: Any
) -> None:
    with pytest.raises(BadSubmission, match=message) as caught:
        databases_of(*migrations)
    assert "\n" not in str(caught.value)


def test_a_migration_that_is_no_text_is_told_by_name(embedded_server: Server, clock: Clock, tmp_path: Any) -> None:
    with run_folder() as folder, Databases(embedded_server, folder, clock) as databases:
        (tmp_path / "0001_x.up.sql").write_bytes(b"\xff\xfe")
        with pytest.raises(BadSubmission, match=r"0001_x\.up\.sql: not UTF-8"):
            databases.prepare(tmp_path, [tmp_path / "0001_x.up.sql"])


def test_tasks_that_migrations_insert_are_cleared(databases_of: Any) -> None:
    databases = databases_of(
        TASKS,
        "INSERT INTO tasks (title) VALUES ('seed');"
        "CREATE TABLE notes (task uuid REFERENCES tasks); INSERT INTO notes SELECT id FROM tasks",
    )
    with closing(databases.create("x")) as database:
        assert database.tasks() == {}


def test_a_migration_may_bring_schemas_functions_triggers_and_trusted_extensions(
    databases_of: Any, embedded_server: Server
) -> None:
    databases = databases_of(
        TASKS,
        """
        CREATE EXTENSION citext;
        CREATE SCHEMA extra;
        CREATE TABLE extra.log (id serial, task uuid REFERENCES tasks ON DELETE CASCADE, old text, new text);
        CREATE FUNCTION extra.note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO extra.log (task, new) VALUES (NEW.id, NEW.status);
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION extra.note();
        CREATE FUNCTION claim(worker text) RETURNS SETOF tasks LANGUAGE sql SECURITY DEFINER AS $$
            UPDATE tasks SET status = 'processing', assigned_worker = worker
            WHERE id = (SELECT id FROM tasks WHERE status = 'pending' LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *
        $$;
        CREATE VIEW waiting AS SELECT * FROM tasks WHERE status = 'pending';
        """,
    )
    with closing(databases.create("x")) as database:
        [task] = database.insert_tasks([{"title": "x"}])
        with embedded_server.connect(database.service, database.name) as service:
            assert service.execute("SELECT count(*) FROM waiting").fetchone() == (1,)
            assert service.execute("SELECT assigned_worker FROM claim('w')").fetchone() == ("w",)
            assert service.execute("SELECT count(*) FROM extra.log").fetchone() == (2,)
            service.execute("SELECT nextval('extra.log_id_seq')")
            service.execute("DELETE FROM tasks")
            assert service.execute("SELECT count(*) FROM extra.log").fetchone() == (0,)
        assert [change.operation for change in database.read_changes()] == ["insert", "update", "delete"]
        assert database.task(task) is None


def test_a_trigger_finds_the_tables_of_the_migrations_by_their_bare_names(
    databases_of: Any, embedded_server: Server
) -> None:
    databases = databases_of(
        TASKS,
        """
        CREATE TABLE journal (entry serial, task uuid, status text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO journal (task, status) VALUES (NEW.id, NEW.status);
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION note();
        """,
    )
    with closing(databases.create("x")) as database:
        database.insert_tasks([{"title": "of the grader's"}])
        with embedded_server.connect(database.service, database.name) as service:
            service.execute("INSERT INTO tasks (title) VALUES ('of a service')")
            assert service.execute("SELECT status FROM journal").fetchall() == [("pending",)] * 2


def test_ageing_wakes_no_trigger_of_the_migrations(databases_of: Any) -> None:
    databases = databases_of(
        TASKS,
        """
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN NEW.updated_at := now(); NEW.type := ''touched''; RETURN NEW; END';
        CREATE TRIGGER touch BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch();
        ALTER TABLE tasks ADD heartbeat timestamp DEFAULT now(), ADD lease timestamptz
        """,
    )
    with closing(databases.create("x")) as database:
        [task] = database.insert_tasks([{"title": "x"}])
        before = database.task(task)
        database.age([task], 3600)
        after = database.task(task)
        assert before is not None
        assert after is not None
        assert after["type"] == "default"
        assert after["lease"] is None
        for column in ("created_at", "updated_at", "heartbeat"):
            assert after[column] < before[column]


def test_row_security_of_the_migrations_hides_nothing_from_the_grader(databases_of: Any) -> None:
    databases = databases_of(TASKS, "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with closing(databases.create("x")) as database:
        [task] = database.insert_tasks([{"title": "x"}])
        assert list(database.tasks()) == [task]


def test_a_wide_table_is_recorded_whole(databases_of: Any) -> None:
    extra = ", ".join(f"ADD c{number} int DEFAULT {number}" for number in range(120))
    databases = databases_of(TASKS, f"ALTER TABLE tasks {extra}")
    with closing(databases.create("x")) as database:
        database.insert_tasks([{"title": "x"}])
        [change] = database.read_changes()
        assert change.after is not None
        assert change.after["c119"] == 119
        assert len(change.after) == 129


def test_databases_are_made_from_many_threads_and_know_nothing_of_each_other(databases: Databases) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: databases.create(f"s{number}"), range(8)))
        for database in made:
            stack.callback(database.close)
        ids = list(threads.map(lambda database: database.insert_tasks([{"title": database.name}]), made))
        assert ids == [[str(FIRST_ID)]] * 8
        assert all(len(database.read_changes()) == 1 for database in made)
        assert len({database.name for database in made}) == 8


def test_a_closed_database_is_gone_with_its_role(databases: Databases, embedded_server: Server) -> None:
    database = databases.create("short")
    with closing(embedded_server.connect(database.service, database.name)):
        database.insert_tasks([{"title": "x"}])
        database.close()
    with embedded_server.connect() as admin:
        for query in ("SELECT datname FROM pg_database", "SELECT rolname FROM pg_roles"):
            assert not [name for (name,) in admin.execute(query.encode()) if database.name[-8:] in name]


def test_names_that_a_service_sees_tell_nothing_of_the_scenario(databases: Databases) -> None:
    with closing(databases.create("sigkill_recovered")) as database:
        assert "sigkill" not in database.service_url("h", 1)
