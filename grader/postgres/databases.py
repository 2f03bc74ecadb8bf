"""The databases of a run: one template from the submission's migrations, one copy of it for each scenario."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql

from grader.errors import EnvironmentFailed, Internal
from grader.history.recorder import Clock
from grader.postgres.administration import Administration
from grader.postgres.lease import hold_lease, release_lease, remove_abandoned, remove_all
from grader.postgres.migrations import apply_migrations, clear_tasks
from grader.postgres.roles import NAME, Roles, create_service_login, new_password
from grader.postgres.scenario import SESSION_SETTINGS, ScenarioDatabase
from grader.postgres.server import Login, Server, one_line
from grader.postgres.table import TaskTable
from grader.postgres.template import create_empty, open_schema, retire_owner, seal
from grader.run_folder import RunFolder


class Databases:
    """A context: entering makes the run's roles, leaving drops everything of the run.

    Databases and roles of runs that died are dropped first. After ``prepare`` all methods may be called from any
    thread.
    """

    def __init__(self, server: Server, run: RunFolder, clock: Clock) -> None:
        self.service_password = new_password()
        """The password of the services, in every scenario: it must not appear in a log."""
        self._server = server
        self._run_id = run.id
        self._clock = clock
        self._roles = Roles.of_run(run.id)
        self._template = NAME.format(run=run.id, part="template")
        self._table: TaskTable | None = None
        self._administration = Administration(server)
        self._admin = self._administration.connection
        self._settings: dict[str, str] = {}

    def __enter__(self) -> Databases:
        with ExitStack() as stack:
            stack.callback(self._administration.close)
            try:
                hold_lease(self._admin, self._run_id)
                remove_abandoned(self._admin)
                self._administration.run(*self._roles.create())
                known = {name for (name,) in self._admin.execute("SELECT name FROM pg_settings")}
                self._settings = {name: value for name, value in SESSION_SETTINGS.items() if name in known}
            except psycopg.Error as problem:
                raise EnvironmentFailed(
                    f"the PostgreSQL server cannot be prepared: {one_line(problem)}"
                ) from problem
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            remove_all(self._admin, self._run_id)
            release_lease(self._admin, self._run_id)
        except psycopg.Error:
            pass  # the server is gone, or somebody holds on to something: the next run drops it
        finally:
            self._administration.close()

    def prepare(self, folder: Path, migrations: Sequence[Path]) -> None:
        """Make the template, once, from migrations below ``folder``; without any with the contract's own table.

        Raises BadSubmission for a migration that fails, a table that the grader cannot use, and one that
        refuses a plain task.
        """
        if self._table is not None:
            raise Internal("the databases are prepared already")
        try:
            create_empty(self._admin, self._template, self._roles)
            open_schema(self._server, self._template, self._roles)
            try:
                apply_migrations(self._server, self._roles.owner, self._template, folder, migrations)
                clear_tasks(self._server, self._roles.owner, self._template)
            finally:
                retire_owner(self._admin, self._template, self._roles)
            self._table = seal(self._server, self._template, self._roles)
            self._admin.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(self._template))
            )
        except psycopg.Error as problem:
            raise EnvironmentFailed(f"the databases cannot be prepared: {one_line(problem)}") from problem
        with closing(self.create("trial")) as trial:
            trial.try_out()

    def create(self, scenario: str) -> ScenarioDatabase:
        """A new database from the template; its ``close`` drops it. ``scenario`` appears in messages only.

        What the services see of its name is random.
        """
        if self._table is None:
            raise Internal("the databases are not prepared yet")
        token = secrets.token_hex(4)
        name = NAME.format(run=self._run_id, part=token)
        service = Login(NAME.format(run=self._run_id, part=f"service_{token}"), self.service_password)
        self._administration.run(
            *create_service_login(service, self._roles.services), *self._copy_template(name, service)
        )
        return ScenarioDatabase(
            name=name,
            scenario=scenario,
            server=self._server,
            service=service,
            roles=self._roles,
            table=self._table,
            clock=self._clock,
            administration=self._administration,
            settings=self._settings,
        )

    def _copy_template(self, name: str, service: Login) -> tuple[sql.Composed, ...]:
        """Closed until the rights are set: a new database lets anybody connect."""
        database, user = sql.Identifier(name), sql.Identifier(service.user)
        logins = sql.SQL(", ").join(
            sql.Identifier(login.user) for login in (self._roles.witness, self._roles.reader, self._roles.author)
        )
        return (
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ALLOW_CONNECTIONS false").format(
                database, sql.Identifier(self._template)
            ),
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, logins),
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, user),
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database),
        )
