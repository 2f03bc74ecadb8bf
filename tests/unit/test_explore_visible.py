"""Which statements have a place of their own in a schedule, and which are taken on the way."""

from __future__ import annotations

import pytest
from asyncpg import introspection

from grader.explore.visible import ends_transaction, has_no_effect, is_plumbing, may_end_quietly
from grader.wire import SYNC_COMMIT, WireStep

NO_EFFECT = [
    "",
    " ; ",
    "-- nothing but a comment",
    "/* a comment\nof two lines */",
    "BEGIN",
    "begin;",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "/* orm */ BEGIN /* READ WRITE */;",
    "START TRANSACTION READ ONLY",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "SET search_path TO public",
    "set local statement_timeout = '5s'",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SHOW server_version",
    "RESET ALL",
    "DEALLOCATE ALL",
    "SELECT 1",
    "select 1;",
    "SELECT version()",
    "select pg_catalog.version()",
    "SELECT current_schema()",
    "SELECT current_schema",
    "SELECT current_database()",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SELECT t.oid, typarray FROM pg_type t WHERE t.typname = 'hstore'",
    "SELECT typname\nFROM pg_catalog.pg_type -- of the driver",
    "SELECT\n current_setting('jit') AS cur,\n set_config('jit', 'off', false) AS new",
    "SELECT set_config('jit', $1, false)",
    introspection.INTRO_LOOKUP_TYPES,
    introspection.INTRO_LOOKUP_TYPES_13,
    introspection.TYPE_BY_NAME,
    "WITH kinds AS MATERIALIZED (SELECT oid FROM pg_type), more AS (SELECT oid FROM kinds) SELECT oid FROM more m",
]

ENDS = [
    "COMMIT",
    "commit;",
    "COMMIT WORK",
    "COMMIT TRANSACTION ;",
    "END",
    "ROLLBACK",
    "rollback work",
    "ABORT",
    "/* orm */ COMMIT -- now",
    SYNC_COMMIT,
]

MATTERS = [
    "SELECT id FROM tasks WHERE status = 'pending'",
    "SELECT 1 FROM tasks",
    "SELECT 12",
    "SELECT count(*) FROM tasks",
    "UPDATE tasks SET status = 'processing'",
    "INSERT INTO workers VALUES (1)",
    "DELETE FROM workers",
    "LOCK TABLE tasks IN EXCLUSIVE MODE",
    "NOTIFY tasks",
    "SELECT pg_notify('tasks', '')",
    "SELECT pg_try_advisory_lock(7)",
    "SELECT pg_advisory_unlock(7)",
    "SELECT claim_task('worker-A')",
    "CALL claim_task()",
    "SELECT * FROM my_queue_view",
    "TRUNCATE workers",
    "DISCARD ALL",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "set constraints all deferred",
    "ROLLBACK TO SAVEPOINT a",
    "ROLLBACK TO a",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "COMMIT PREPARED 'x'",
    "PREPARE TRANSACTION 'x'",
    "COMMIT; BEGIN",
    "BEGIN; SELECT id FROM tasks FOR UPDATE",
    "BEGIN; COMMIT",
    "SET x.y = 1; UPDATE tasks SET status = 'failed'",
    "SELECT 1; DELETE FROM tasks",
    "SELECT ';'",
    "SELECT t.* FROM Tasks t, pg_class c",
    "UPDATE jobs SET kind = 'pg_type'",
    "-- BEGIN\nUPDATE tasks SET status = 'failed'",
    "/* BEGIN */ DELETE FROM tasks",
    "BEGINNING",
    "SETTLE",
    "FETCH 1 FROM c",
    "COPY tasks TO STDOUT",
    "VACUUM tasks",
    "EXPLAIN ANALYZE UPDATE tasks SET status = 'failed'",
    "DO $$ BEGIN UPDATE tasks SET status = 'failed'; END $$",
    "not SQL at all",
]

HIDDEN_EFFECTS = [
    pytest.param("SELECT set_config('a.b', claim_next()::text, false)", id="calls a function in an argument"),
    pytest.param(
        "SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_class LIMIT 1", id="locks, beside the catalogs"
    ),
    pytest.param(
        "WITH gone AS (DELETE FROM workers RETURNING kind) SELECT FROM gone JOIN pg_type ON kind = typname",
        id="writes, beside the catalogs",
    ),
    pytest.param("SELECT current_setting('a.b'), claim_next()", id="calls a function beside a setting"),
    pytest.param(
        "WITH kinds AS (SELECT typname FROM pg_type) SELECT title FROM kinds, tasks",
        id="reads a table beside its own query",
    ),
    pytest.param(
        "WITH kinds AS (SELECT typname FROM pg_type) SELECT claim_next(typname) FROM kinds",
        id="calls a function on rows of its own query",
    ),
    pytest.param(
        "WITH kinds AS (SELECT title FROM tasks) SELECT title FROM kinds JOIN pg_type ON true",
        id="reads a table in its own query",
    ),
    pytest.param("SET a.b = '--'; UPDATE tasks SET status = 'failed'", id="stands behind dashes in a literal"),
]


@pytest.mark.parametrize("sql", NO_EFFECT)
def test_what_neither_sees_nor_changes_anything_is_no_event(sql: str) -> None:
    assert has_no_effect(sql)
    assert not ends_transaction(sql)
    assert is_plumbing(sql)


@pytest.mark.parametrize("sql", ENDS)
def test_an_end_of_a_transaction_is_an_event_but_says_nothing_of_tasks(sql: str) -> None:
    assert not has_no_effect(sql)
    assert ends_transaction(sql)
    assert is_plumbing(sql)


@pytest.mark.parametrize("sql", MATTERS)
def test_everything_else_matters(sql: str) -> None:
    assert not has_no_effect(sql)
    assert not ends_transaction(sql)
    assert not is_plumbing(sql)


@pytest.mark.parametrize("sql", HIDDEN_EFFECTS)
def test_when_in_doubt_a_statement_matters(sql: str) -> None:
    assert not has_no_effect(sql)


def step(sql: str, *, wrote: bool = False) -> WireStep:
    return WireStep("worker-A", 1, 101, 1, sql, (), "T", wrote, would_commit=wrote)


def test_an_end_is_quiet_where_nothing_was_found_or_written() -> None:
    assert may_end_quietly(step("COMMIT"), touched=False)
    assert may_end_quietly(step("ROLLBACK"), touched=False)


@pytest.mark.parametrize(
    ("sql", "wrote", "touched"),
    [
        pytest.param("COMMIT", False, True, id="rows were found, and perhaps locked"),
        pytest.param("COMMIT", True, False, id="something was written"),
        pytest.param(SYNC_COMMIT, False, False, id="a Sync is a step only where it commits writes"),
        pytest.param("COMMIT AND CHAIN", False, False, id="another transaction begins"),
        pytest.param("ROLLBACK TO SAVEPOINT a", False, False, id="the transaction goes on"),
        pytest.param("SELECT 1", False, False, id="it ends nothing"),
    ],
)
def test_an_end_is_an_event_where_others_may_see_it(sql: str, wrote: bool, touched: bool) -> None:
    assert not may_end_quietly(step(sql, wrote=wrote), touched)
