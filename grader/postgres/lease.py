"""Which run's databases and roles are in use on a server, and the removal of those that nobody uses any more.

Every database and role carries its run's id in its name. A run that is alive holds an advisory lock made of its
id, which the server releases when the grader's connection is gone.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql

from grader.errors import EnvironmentFailed

_LOCK_SPACE = 0x74716C  # "tql": apart from the advisory locks of others
_NAME = re.compile(r"tql_(?P<run>[0-9a-f]{8})_")


def hold_lease(admin: psycopg.Connection[Any], run_id: str) -> None:
    """Say that a run is alive, for as long as this connection lives. Before anything of the run is made."""
    if not _lock(admin, run_id):
        raise EnvironmentFailed(f"the run {run_id} is alive on this server already; start again")


def release_lease(admin: psycopg.Connection[Any], run_id: str) -> None:
    """Say that a run is over. Closing the connection alone would do it too, but only a moment later."""
    admin.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", (_LOCK_SPACE, _key(run_id)))


def remove_abandoned(admin: psycopg.Connection[Any]) -> list[str]:
    """Drop the databases and roles of runs that hold no lease any more. Their run ids.

    Looks at nothing whose name is not one of ours.
    """
    databases = _by_run(admin, "SELECT datname FROM pg_catalog.pg_database")
    roles = _by_run(admin, "SELECT rolname FROM pg_catalog.pg_roles")
    removed = []
    for run_id in sorted(databases.keys() | roles.keys()):
        if not _lock(admin, run_id):
            continue
        try:
            remove_run(admin, databases.get(run_id, ()), roles.get(run_id, ()))
            removed.append(run_id)
        finally:
            admin.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", (_LOCK_SPACE, _key(run_id)))
    return removed


def remove_all(admin: psycopg.Connection[Any], run_id: str) -> None:
    """Drop all databases and roles of one run."""
    databases = _by_run(admin, "SELECT datname FROM pg_catalog.pg_database")
    roles = _by_run(admin, "SELECT rolname FROM pg_catalog.pg_roles")
    remove_run(admin, databases.get(run_id, ()), roles.get(run_id, ()))


def remove_run(
    admin: psycopg.Connection[Any], databases: tuple[str, ...] | list[str], roles: tuple[str, ...] | list[str]
) -> None:
    """Drop these databases, with whoever is connected, then these roles with their rights on shared objects."""
    for name in databases:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    for name in roles:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _by_run(admin: psycopg.Connection[Any], query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (name,) in admin.execute(query.encode()):
        if match := _NAME.match(name):
            found.setdefault(match["run"], []).append(name)
    return found


def _lock(admin: psycopg.Connection[Any], run_id: str) -> bool:
    row = admin.execute("SELECT pg_catalog.pg_try_advisory_lock(%s, %s)", (_LOCK_SPACE, _key(run_id))).fetchone()
    return row is not None and bool(row[0])


def _key(run_id: str) -> int:
    """The id's 32 bits as PostgreSQL's signed integer."""
    return int.from_bytes(bytes.fromhex(run_id), signed=True)
