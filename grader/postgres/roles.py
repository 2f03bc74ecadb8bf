"""The roles of one run. Each can do one thing; their passwords are random and live in memory only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from psycopg import sql

from grader.postgres.server import Login

NAME = "tql_{run}_{part}"
"""The name of every database and role of a run: PostgreSQL's own limit is 63 bytes."""

SERVICE_CONNECTIONS = 40
"""As the contract promises."""

_POWERLESS = sql.SQL("NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION")
_TEMP_FILE_LIMIT = "256MB"


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is who.

    ``owner`` runs the migrations, and cannot log in afterwards; ``services`` is the group with the rights of
    the submission's services. The rest are the grader's: ``keeper`` owns ``tasks``, ``recorder`` adds to the
    audit, ``witness`` reads it, ``reader`` reads ``tasks``, ``author`` writes rows.
    """

    owner: Login
    services: str
    keeper: str
    recorder: str
    witness: Login
    reader: Login
    author: Login

    @classmethod
    def of_run(cls, run_id: str) -> Roles:
        """The names of a run's roles, and new passwords."""

        def name(part: str) -> str:
            return NAME.format(run=run_id, part=part)

        def login(part: str) -> Login:
            return Login(name(part), new_password())

        return cls(
            owner=login("owner"),
            services=name("services"),
            keeper=name("keeper"),
            recorder=name("recorder"),
            witness=login("witness"),
            reader=login("reader"),
            author=login("author"),
        )

    def create(self) -> tuple[sql.Composed, ...]:
        """The commands that make them all, on a server."""
        nologins = (self.services, self.keeper, self.recorder)
        return (
            *(sql.SQL("CREATE ROLE {} NOLOGIN {}").format(sql.Identifier(name), _POWERLESS) for name in nologins),
            *_create_login(self.owner, sql.SQL("NOBYPASSRLS")),
            # Policies of the submission's must not hide rows from the grader.
            *_create_login(self.reader, sql.SQL("BYPASSRLS")),
            *_create_login(self.author, sql.SQL("BYPASSRLS")),
            *_create_login(self.witness, sql.SQL("NOBYPASSRLS")),
            # For moving timestamps without waking triggers (PostgreSQL 15).
            sql.SQL("GRANT SET ON PARAMETER session_replication_role TO {}").format(
                sql.Identifier(self.author.user)
            ),
        )


def create_service_login(login: Login, group: str) -> tuple[sql.Composed, ...]:
    """The commands that make the role of one scenario's services."""
    options = sql.SQL("NOBYPASSRLS INHERIT CONNECTION LIMIT {} IN ROLE {}").format(
        sql.Literal(SERVICE_CONNECTIONS), sql.Identifier(group)
    )
    return _create_login(login, options)


def _create_login(login: Login, options: sql.Composable) -> tuple[sql.Composed, ...]:
    user = sql.Identifier(login.user)
    return (
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {} {}").format(
            user, sql.Literal(login.password), _POWERLESS, options
        ),
        sql.SQL("ALTER ROLE {} SET temp_file_limit = {}").format(user, sql.Literal(_TEMP_FILE_LIMIT)),
    )


def new_password() -> str:
    """Random, and safe in a URL."""
    return secrets.token_hex(16)
