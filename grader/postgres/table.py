"""The table ``tasks`` as the migrations left it: what the grader has to know of its columns, from the catalogs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from grader.errors import BadSubmission

STATUSES = ("pending", "processing", "completed", "failed")
"""The words that the contract has for the status of a task."""

COLUMNS = (
    "id",
    "title",
    "description",
    "type",
    "payload",
    "status",
    "assigned_worker",
    "created_at",
    "updated_at",
)
"""The columns of the contract."""

_FIRST_OF_USERS = 16384
"""FirstNormalObjectId in PostgreSQL's access/transam.h: objects below come with the server."""

_COLUMNS_A_CALL = 40
"""A function takes 100 arguments at most (FUNC_MAX_ARGS); a column needs two."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its type as SQL writes it, and whether that type comes with the server."""

    name: str
    type: str
    is_builtin: bool
    is_generated: bool

    @property
    def is_time(self) -> bool:
        """Whether it holds a moment."""
        return self.type.startswith("timestamp")


@dataclass(frozen=True, slots=True)
class TaskTable:
    """An ordinary table with the contract's columns, and perhaps more."""

    oid: int
    columns: tuple[Column, ...]

    def row(self, name: str) -> sql.Composed:
        """An SQL expression of the row ``name`` as one jsonb object.

        No code of the submission's can run in it: values of types that it defined go through their output
        functions, which only a superuser can write; every function and operator is PostgreSQL's own.
        """
        parts = []
        for start in range(0, len(self.columns), _COLUMNS_A_CALL):
            arguments = []
            for column in self.columns[start : start + _COLUMNS_A_CALL]:
                value = sql.SQL("{}.{}").format(sql.SQL(name), sql.Identifier(column.name))
                if not column.is_builtin:
                    value = sql.SQL("CASE WHEN {0} IS NOT NULL THEN {1} END").format(value, as_text(value))
                arguments += [sql.Literal(column.name), value]
            parts.append(sql.SQL("pg_catalog.jsonb_build_object({})").format(sql.SQL(", ").join(arguments)))
        return sql.SQL(" OPERATOR(pg_catalog.||) ").join(parts)

    def id(self, name: str) -> sql.Composed:
        """An SQL expression of the id of the row ``name`` as text."""
        return as_text(sql.SQL("{}.id").format(sql.SQL(name)))


def as_text(value: sql.Composable) -> sql.Composed:
    """An SQL expression of a value as text, by its type's output function (never by a cast)."""
    return sql.SQL("pg_catalog.concat({})").format(value)


def look_at_table(connection: psycopg.Connection[Any]) -> TaskTable:
    """The table in this database. Raises BadSubmission when there is none that the grader can use."""
    found = connection.execute(
        """
        SELECT c.oid::int8, c.relkind = 'r' AND c.relpersistence = 'p', c.relhasrules,
               EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent))
        FROM pg_catalog.pg_class c
        WHERE c.relname = 'tasks' AND c.relnamespace = 'public'::pg_catalog.regnamespace
        """
    ).fetchone()
    if found is None:
        raise BadSubmission("the migrations make no table tasks in the schema public; the contract asks for one")
    oid, is_ordinary, has_rules, inherits = found
    if not is_ordinary or inherits:
        raise BadSubmission(
            "the migrations make tasks something else than an ordinary table (a view, a partitioned, unlogged or "
            "inherited table); make it a plain one"
        )
    if has_rules:
        raise BadSubmission("the migrations put rules on tasks; use triggers instead")
    columns = tuple(
        Column(*row)
        for row in connection.execute(
            """
            SELECT attname, pg_catalog.format_type(atttypid, NULL), atttypid < %s, attgenerated <> ''
            FROM pg_catalog.pg_attribute
            WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
            ORDER BY attnum
            """,
            (_FIRST_OF_USERS, oid),
        )
    )
    missing = [name for name in COLUMNS if name not in {column.name for column in columns}]
    if missing:
        raise BadSubmission(f"the migrations leave tasks without {', '.join(missing)}; the contract asks for it")
    return TaskTable(oid, columns)
