"""A server that somebody else runs, by its URL. What the run makes there carries its id, and is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from grader.errors import BadCall, EnvironmentFailed
from grader.model import PostgresInfo
from grader.postgres.server import Login, Server, connect, one_line, version_of
from grader.wire.address import ServerAddress

_OLDEST_VERSION = 15
"""GRANT SET ON PARAMETER came with it."""


@contextmanager
def use_given(url: str, reason: str) -> Iterator[Server]:
    """A server by its libpq URL, with a superuser's name and password in it.

    Raises BadCall for a URL that is none, EnvironmentFailed when the server cannot be reached or used.
    """
    address, login, database = _parsed(url)
    where = f"{address.host}:{address.port}"
    try:
        # As the services will be connected: without TLS, through a relay that looks into every message.
        connection = connect(address, login, database)
    except psycopg.OperationalError as problem:
        raise EnvironmentFailed(f"PostgreSQL at {where} cannot be used: {one_line(problem)}") from problem
    with closing(connection):
        _require(connection, where)
        info = PostgresInfo("given", version_of(connection), reason)
    yield Server(info, address, login, maintenance=database)


def _parsed(url: str) -> tuple[ServerAddress, Login, str]:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as problem:
        raise BadCall(f"the database URL cannot be read ({_without(url, problem)}); {_FORM}") from None
    host, port, user = (str(parts.get(key) or "") for key in ("host", "port", "user"))
    port = port or "5432"
    if not host or not user or not port.isdigit():
        raise BadCall(f"the database URL must name one host, its port and a user; {_FORM}")
    login = Login(user, str(parts.get("password") or ""))
    return ServerAddress(host, int(port)), login, str(parts.get("dbname") or "postgres")


_FORM = "it has the form postgresql://user:password@host:port/postgres"


def _without(url: str, problem: BaseException) -> str:
    """A message that does not repeat the URL: there is a password in it."""
    message = one_line(problem)
    return "it is not well formed" if any(part in message for part in url.split("@")[:1]) else message


def _require(connection: psycopg.Connection[Any], where: str) -> None:
    if connection.info.server_version < _OLDEST_VERSION * 10000:
        raise EnvironmentFailed(
            f"PostgreSQL at {where} is version {version_of(connection)}; "
            f"the grader needs {_OLDEST_VERSION} or later"
        )
    row = connection.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        raise EnvironmentFailed(
            f"{connection.info.user} is no superuser at {where}: the grader makes roles that may set parameters, "
            "and an audit that no submission can switch off; give it a superuser of a server for tests"
        )
