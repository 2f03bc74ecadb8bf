"""What a service may do in its database, and what it may not."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from grader.postgres import Databases, ScenarioDatabase, Server
from grader.postgres.template import FIRST_ID

REFUSED = [
    # the table's definition
    "ALTER TABLE tasks DISABLE TRIGGER ALL",
    'ALTER TABLE tasks DISABLE TRIGGER "!audit_row"',
    'DROP TRIGGER "!audit_row" ON tasks',
    "ALTER TABLE tasks ADD COLUMN extra int",
    "ALTER TABLE tasks RENAME TO other",
    "ALTER TABLE tasks OWNER TO CURRENT_USER",
    "DROP TABLE tasks",
    "TRUNCATE tasks",
    "CREATE RULE r AS ON UPDATE TO tasks DO INSTEAD NOTHING",
    "CREATE TRIGGER t BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TABLE child () INHERITS (tasks)",
    "CREATE VIEW pg_catalog.tasks AS SELECT 1",
    "ALTER SCHEMA public RENAME TO other",
    "DROP SCHEMA public CASCADE",
    # the audit
    "SELECT * FROM grader_audit.changes",
    "INSERT INTO grader_audit.changes (operation, task) VALUES ('insert', '1')",
    "DELETE FROM grader_audit.changes",
    "SELECT grader_audit.record_row()",
    "DROP SCHEMA grader_audit CASCADE",
    "ALTER EVENT TRIGGER grader_guard DISABLE",
    "DROP EVENT TRIGGER grader_guard",
    # the session and the server
    "SET session_replication_role = replica",
    "SET temp_file_limit = -1",
    "SET event_triggers = off",
    "ALTER SYSTEM SET log_statement = 'all'",
    "CREATE ROLE friend SUPERUSER",
    "CREATE DATABASE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT 1000",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY tasks (title) FROM PROGRAM 'echo x'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT rolpassword FROM pg_authid",
    "CREATE EXTENSION dblink",
    "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'int4pl'",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_a_service_is_refused(statement: str, service: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.execute(statement.encode())


@pytest.mark.parametrize("part", ["author", "reader", "witness", "keeper", "recorder", "owner"])
def test_a_service_cannot_become_another_role(
    part: str, database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    role = f"{database.service.user[:12]}_{part}"
    for command in (f"SET ROLE {role}", f"SET SESSION AUTHORIZATION {role}", f"GRANT {role} TO CURRENT_USER"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute(command.encode())


def test_a_service_cannot_end_the_graders_connections(
    database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> None:
    database.read_changes()
    pids = service.execute("SELECT pid FROM pg_stat_activity WHERE usename <> current_user AND datname <> ''")
    others = [pid for (pid,) in pids]
    assert others
    for pid in others:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_a_service_may_do_what_the_contract_says(service: psycopg.Connection[Any]) -> None:
    for statement in (
        "INSERT INTO tasks (title) VALUES ('x')",
        "SELECT * FROM tasks FOR UPDATE SKIP LOCKED",
        "UPDATE tasks SET status = 'processing'",
        "DELETE FROM tasks",
        "CREATE TABLE IF NOT EXISTS tasks (id int)",
        "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, task bigint)",
        "INSERT INTO notes (task) VALUES (1)",
        "CREATE INDEX ON notes (task)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TEMPORARY TABLE t (x int)",
        "LISTEN tasks",
        "NOTIFY tasks",
        "SELECT pg_advisory_lock(1), pg_advisory_unlock(1)",
        "SET default_transaction_isolation = 'serializable'",
        "DROP TABLE notes",
    ):
        service.execute(statement.encode())


def test_a_service_gets_forty_connections_and_the_grader_still_its_own(
    database: ScenarioDatabase, embedded_server: Server
) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(closing(embedded_server.connect(database.service, database.name)))
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            embedded_server.connect(database.service, database.name)
        database.insert_tasks([{"title": "x"}])
        assert len(database.read_changes()) == 1


def test_a_service_can_connect_nowhere_else(
    database: ScenarioDatabase, databases: Databases, embedded_server: Server
) -> None:
    with closing(databases.create("another")) as another:
        template = f"{database.service.user[:12]}_template"
        for name in ("postgres", "template1", template, another.name):
            with pytest.raises(psycopg.OperationalError, match=r"permission denied|not currently accepting"):
                embedded_server.connect(database.service, name)


# ---------------------------------------------------------------- what a hostile migration prepared

TASKS = """
CREATE TABLE tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, description text NOT NULL DEFAULT '',
    type text NOT NULL DEFAULT 'default', payload jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'pending', assigned_worker text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
"""


def test_a_definer_function_of_the_migrations_has_no_power_over_the_table(
    databases_of: Any, embedded_server: Server
) -> None:
    databases = databases_of(
        TASKS
        + """
        CREATE FUNCTION run(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
            AS $$ BEGIN EXECUTE command; END $$;
        GRANT ALL ON tasks TO PUBLIC;
        """
    )
    with closing(databases.create("definer")) as database:
        with embedded_server.connect(database.service, database.name) as service:
            service.execute("SELECT run('UPDATE tasks SET title = title')")
            for command in (
                "ALTER TABLE public.tasks DISABLE TRIGGER ALL",
                "DROP TABLE public.tasks",
                "TRUNCATE public.tasks",
                "SET session_replication_role = replica",
                "DELETE FROM grader_audit.changes",
                "DROP SCHEMA public CASCADE",
                "CREATE TRIGGER t AFTER INSERT ON tasks EXECUTE FUNCTION unique_key_recheck()",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    service.execute("SELECT run(%s)", (command,))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute("TRUNCATE tasks")


def test_a_foreign_keys_action_cannot_be_used_to_act_as_the_tables_owner(
    databases_of: Any, embedded_server: Server
) -> None:
    """ON DELETE SET NULL updates tasks as its owner, and so runs what waits in a trigger for the commit."""
    databases = databases_of(
        TASKS
        + """
        CREATE TABLE parents (id int PRIMARY KEY);
        ALTER TABLE tasks ADD parent int REFERENCES parents ON DELETE SET NULL;
        CREATE TABLE bait (who text);
        CREATE FUNCTION lure() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN INSERT INTO bait VALUES (current_user); RETURN NEW; END $$;
        CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.who LIKE '%keeper' THEN ALTER TABLE public.tasks DISABLE TRIGGER USER; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER lure BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION lure();
        CREATE CONSTRAINT TRIGGER strike AFTER INSERT ON bait DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION strike();
        """
    )
    with closing(databases.create("foreign key")) as database:
        database.insert_tasks([{"title": "x"}])
        with embedded_server.connect(database.service, database.name) as service:
            service.execute("INSERT INTO parents VALUES (1)")
            service.execute("UPDATE tasks SET parent = 1")
            database.read_changes()
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="while it is graded"):
                service.execute("DELETE FROM parents")
            service.execute("UPDATE tasks SET status = 'completed'")
        [change] = database.read_changes()
        assert change.after is not None
        assert (change.after["status"], change.after["parent"]) == ("completed", 1)


def test_casts_of_the_migrations_run_neither_in_the_audit_nor_for_the_reader(
    databases_of: Any, embedded_server: Server
) -> None:
    databases = databases_of(
        TASKS
        + """
        CREATE TABLE calls (who text);
        CREATE TYPE pair AS (a int, b text);
        CREATE TYPE mood AS ENUM ('calm');
        CREATE FUNCTION spy(pair) RETURNS json LANGUAGE plpgsql
            AS $$ BEGIN INSERT INTO calls VALUES (current_user); RETURN '"forged"'; END $$;
        CREATE CAST (pair AS json) WITH FUNCTION spy(pair);
        CREATE FUNCTION spy_row(tasks) RETURNS json LANGUAGE plpgsql
            AS $$ BEGIN INSERT INTO calls VALUES (current_user); RETURN '{}'; END $$;
        CREATE CAST (tasks AS json) WITH FUNCTION spy_row(tasks);
        ALTER TABLE tasks ADD pair pair DEFAULT (1, 'x'), ADD mood mood DEFAULT 'calm', ADD nothing mood,
            ADD numbers int[] DEFAULT '{1,2}';
        """
    )
    with closing(databases.create("casts")) as database:
        [task] = database.insert_tasks([{"title": "x"}])
        [change] = database.read_changes()
        row = database.task(task)
        assert change.after == row
        assert row is not None
        assert (row["pair"], row["mood"], row["nothing"], row["numbers"]) == ("(1,x)", "calm", None, [1, 2])
        with embedded_server.connect(database.service, database.name) as service:
            assert service.execute("SELECT who FROM calls").fetchall() == []


def test_code_that_runs_when_the_grader_reads_has_a_readers_rights(
    databases_of: Any, embedded_server: Server
) -> None:
    """A function in an index's predicate runs while a query is planned; it may lie about being harmless."""
    databases = databases_of(
        TASKS
        + """
        CREATE TABLE loot (who text);
        CREATE FUNCTION trojan() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            PERFORM set_config('search_path', 'public, pg_catalog', false);
            PERFORM set_config('timezone', 'Asia/Tokyo', false);
            IF current_user LIKE '%reader' THEN
                BEGIN
                    PERFORM FROM public.loot;
                    RAISE EXCEPTION 'the reader has rights' USING ERRCODE = 'data_exception';
                EXCEPTION WHEN insufficient_privilege THEN NULL;
                END;
                BEGIN
                    PERFORM FROM grader_audit.changes;
                    RAISE EXCEPTION 'the reader sees the audit' USING ERRCODE = 'data_exception';
                EXCEPTION WHEN insufficient_privilege THEN NULL;
                END;
            END IF;
            RETURN true;
        END $$;
        CREATE FUNCTION concat(bigint) RETURNS text LANGUAGE sql AS 'SELECT ''forged''';
        CREATE INDEX trap ON tasks (id) WHERE trojan();
        """
    )
    with closing(databases.create("trojan")) as database:
        ids = database.insert_tasks([{"title": "x"}, {"title": "y"}])
        assert list(database.tasks()) == list(database.tasks()) == ids == [str(FIRST_ID), str(FIRST_ID + 1)]
        assert [change.task for change in database.read_changes()] == ids


def test_the_trap_of_the_last_test_springs(databases_of: Any, embedded_server: Server) -> None:
    """Or it would have proved nothing."""
    databases = databases_of(
        TASKS
        + """
        CREATE FUNCTION trojan() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            IF current_user LIKE '%reader' THEN PERFORM set_config('search_path', 'sprung', false); END IF;
            RETURN true;
        END $$;
        CREATE INDEX trap ON tasks (id) WHERE trojan();
        """
    )
    with closing(databases.create("trojan")) as database:
        database.tasks()
        reader = database._session(database._roles.reader)
        assert reader.execute("SHOW search_path").fetchone() == ("sprung",)


def test_a_borrowed_password_does_not_make_a_change_the_graders(
    databases_of: Any, embedded_server: Server
) -> None:
    """A trigger runs in the grader's session when it inserts, and there may change the session's own password."""
    databases = databases_of(
        TASKS
        + """
        CREATE FUNCTION borrow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.title = 'lend' THEN EXECUTE format('ALTER ROLE %I PASSWORD ''known''', current_user); END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER borrow BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION borrow();
        """
    )
    with closing(databases.create("borrowed")) as database:
        database.insert_tasks([{"title": "lend"}])
        author = type(database.service)(f"{database.service.user[:12]}_author", "known")
        with embedded_server.connect(author, database.name) as thief:
            thief.execute("UPDATE tasks SET status = 'completed'")
        assert [change.by_grader for change in database.read_changes()] == [True, False]
