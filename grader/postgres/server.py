"""A PostgreSQL server that a run may use, whoever started it, and how the grader connects to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from grader.errors import EnvironmentFailed
from grader.model import PostgresInfo
from grader.wire.address import ServerAddress

CONNECT_TIMEOUT = 5
"""Seconds."""

SETTINGS: Mapping[str, str] = {
    # Nothing here outlives the run: no promise to the disk is worth its time.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # When a change became visible is what judging asks most.
    "track_commit_timestamp": "on",
    # Many small databases, for seconds each: room for connections, no housekeeping in between.
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "checkpoint_timeout": "1h",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Settings of a server that is the grader's alone."""


@dataclass(frozen=True, slots=True)
class Login:
    """Whom to connect as."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers queries.

    ``address`` is where it listens, also for a relay; ``admin`` a superuser, ``maintenance`` the database it
    connects to.
    """

    info: PostgresInfo
    address: ServerAddress
    admin: Login
    maintenance: str = "postgres"

    def connect(
        self, login: Login | None = None, database: str | None = None, settings: Mapping[str, str] | None = None
    ) -> psycopg.Connection[TupleRow]:
        """A connection in autocommit mode; the superuser's to the maintenance database by default.

        ``settings`` are set for the session. Raises psycopg.OperationalError.
        """
        login = login or self.admin
        return connect(self.address, login, database or self.maintenance, settings)


def connect(
    address: ServerAddress, login: Login, database: str, settings: Mapping[str, str] | None = None
) -> psycopg.Connection[TupleRow]:
    """Connect with nothing left to libpq's variables and files (PGHOST, PGOPTIONS, ~/.pgpass …)."""
    parameters: dict[str, Any] = {
        "host": address.host,
        "hostaddr": "",
        "port": address.port,
        "user": login.user,
        "password": login.password,
        "dbname": database,
        "options": " ".join(f"-c {name}={_escaped(value)}" for name, value in (settings or {}).items()),
        "sslmode": "disable",
        "gssencmode": "disable",
        "channel_binding": "disable",
        "require_auth": "scram-sha-256,md5,password,none",
        "target_session_attrs": "any",
        "client_encoding": "UTF8",
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "grader",
    }
    return psycopg.connect(autocommit=True, **parameters)


def version_of(connection: psycopg.Connection[Any]) -> str:
    """The server's version, such as ``18.6``."""
    version = connection.info.parameter_status("server_version")
    if version is None:
        raise EnvironmentFailed("the server does not tell its version; is it PostgreSQL?")
    return version.split()[0]


def one_line(problem: BaseException) -> str:
    """An exception's message without line breaks; PostgreSQL's own words where it has them."""
    primary = problem.diag.message_primary if isinstance(problem, psycopg.Error) else None
    return " ".join((primary or str(problem) or type(problem).__name__).split())


def _escaped(value: str) -> str:
    """A value for ``options``, where blanks separate (PostgreSQL manual, libpq, command-line options)."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
