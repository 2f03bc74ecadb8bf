"""The template of a run's databases: the migrations' result with its rights set, audited and guarded."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from grader.errors import EnvironmentFailed, Internal
from grader.postgres.roles import Roles
from grader.postgres.server import Login, Server, one_line
from grader.postgres.table import TaskTable, look_at_table

AUDIT = "grader_audit"
"""The schema of the audit; no right to it for anybody but the grader's roles."""

FIRST_ID = 6101
"""The id of the first task, where ids count. It must not be taken for a count, a duration or the answer to a ping."""

_BEGIN_THERE = f"""
SELECT setval(sequence.seqrelid::regclass, {FIRST_ID}, false)
FROM pg_sequence AS sequence
WHERE sequence.seqrelid = pg_get_serial_sequence('public.tasks', 'id')::regclass
  AND sequence.seqincrement = 1 AND sequence.seqmax > 32000
"""


def create_empty(admin: psycopg.Connection[Any], name: str, roles: Roles) -> None:
    """A database for the migrations: their role may make schemas and trusted extensions in it."""
    database = sql.Identifier(name)
    try:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(database))
    except psycopg.Error as problem:
        raise EnvironmentFailed(f"no database can be made: {one_line(problem)}") from problem
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    admin.execute(
        sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(
            database, sql.Identifier(roles.owner.user)
        )
    )


def open_schema(server: Server, name: str, roles: Roles) -> None:
    """Give the schema public to the migrations' role."""
    with closing(server.connect(database=name)) as connection:
        connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(roles.owner.user)))


def retire_owner(admin: psycopg.Connection[Any], name: str, roles: Roles) -> None:
    """From here on nobody can be the migrations' role, whatever it left behind."""
    owner = sql.Identifier(roles.owner.user)
    admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(owner))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(sql.Identifier(name), owner))
    admin.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity WHERE usename = %s",
        (roles.owner.user,),
    )


def seal(server: Server, name: str, roles: Roles) -> TaskTable:
    """Take ``tasks`` over, set everybody's rights, install audit and guard.

    Runs no code of the submission's: catalogs and definitions only. Raises BadSubmission when the table is not
    one that the grader can use.
    """
    with closing(server.connect(database=name, settings={"search_path": "pg_catalog"})) as connection:
        with connection.transaction():
            table = look_at_table(connection)
            connection.execute(_BEGIN_THERE)
            _run_script(connection, "audit.sql", _audit_names(server.admin, roles, table))
            _revoke_what_migrations_granted(connection, table)
            _grant_rows(connection, roles)
            _run_script(connection, "guard.sql", _guard_oids(connection, roles, table))
    return table


def _audit_names(admin: Login, roles: Roles, table: TaskTable) -> dict[str, sql.Composable]:
    return {
        "audit": sql.Identifier(AUDIT),
        "admin": sql.Identifier(admin.user),
        "keeper": sql.Identifier(roles.keeper),
        "recorder": sql.Identifier(roles.recorder),
        "witness": sql.Identifier(roles.witness.user),
        "new_id": table.id("NEW"),
        "old_id": table.id("OLD"),
        "new_row": table.row("NEW"),
        "old_row": table.row("OLD"),
    }


def _guard_oids(connection: psycopg.Connection[Any], roles: Roles, table: TaskTable) -> dict[str, sql.Composable]:
    row = connection.execute(
        "SELECT 'public'::regnamespace::oid::int8, %s::regrole::oid::int8, %s::regrole::oid::int8,"
        " %s::regproc::oid::int8, %s::regproc::oid::int8",
        (roles.keeper, roles.recorder, f"{AUDIT}.record_row", f"{AUDIT}.record_truncate"),
    ).fetchone()
    if row is None:
        raise Internal("a SELECT without FROM answered with no row")
    names = ("schema_oid", "keeper_oid", "recorder_oid", "row_function_oid", "truncate_function_oid")
    return {
        "audit": sql.Identifier(AUDIT),
        "table_oid": sql.Literal(table.oid),
        **{name: sql.Literal(oid) for name, oid in zip(names, row, strict=True)},
    }


def _run_script(connection: psycopg.Connection[Any], file: str, names: dict[str, sql.Composable]) -> None:
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    connection.execute(sql.SQL(text).format(**names))


def _revoke_what_migrations_granted(connection: psycopg.Connection[Any], table: TaskTable) -> None:
    """TRUNCATE, TRIGGER or REFERENCES for PUBLIC would be more than rows."""
    grantees = connection.execute(
        """
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN NULL ELSE acl.grantee::regrole::text END
        FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid
        CROSS JOIN LATERAL (
            SELECT grantee FROM aclexplode(c.relacl) UNION SELECT grantee FROM aclexplode(a.attacl)
        ) acl
        WHERE c.oid = %s AND acl.grantee <> c.relowner
        """,
        (table.oid,),
    ).fetchall()
    for (grantee,) in grantees:
        role = sql.SQL("PUBLIC") if grantee is None else sql.SQL(grantee)  # regrole quotes by itself
        connection.execute(sql.SQL("REVOKE ALL ON public.tasks FROM {} CASCADE").format(role))


def _grant_rows(connection: psycopg.Connection[Any], roles: Roles) -> None:
    """Rows of every table that the migrations made, nothing of their definitions.

    Beside the services these roles run triggers, defaults and foreign keys of the submission's: the migrations'
    role in its views and definer functions, the keeper in the actions of foreign keys, the author in inserts.
    """
    everybody = _names(roles.services, roles.owner.user, roles.keeper, roles.author.user)
    schemas = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'public' OR nspowner = %s::regrole",
        (roles.owner.user,),
    ).fetchall()
    for (name,) in schemas:
        for rights in (
            "USAGE ON SCHEMA {}",
            "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {}",
            "USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {}",
            "EXECUTE ON ALL ROUTINES IN SCHEMA {}",
        ):
            connection.execute(sql.SQL("GRANT " + rights + " TO {}").format(sql.Identifier(name), everybody))
        builders = _names(roles.services, roles.owner.user)
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA {} TO {}").format(sql.Identifier(name), builders))
    reader = sql.Identifier(roles.reader.user)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(reader))
    connection.execute(sql.SQL("GRANT SELECT ON public.tasks TO {}").format(reader))


def _names(*roles: str) -> sql.Composed:
    return _listed(sql.Identifier(role) for role in roles)


def _listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
