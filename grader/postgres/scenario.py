"""One scenario's database: what the grader may do in it and see of it.

Whoever touches a submission's table may run its code: a trigger, a default, a function in an index. So every
method here connects as a role that can do only what it is for, names every function and operator in full, and
trusts nothing that its session may have been turned into. The audit is read on a connection of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Literal

import psycopg
from psycopg import sql

from grader.errors import BadSubmission, EnvironmentFailed, Internal
from grader.history.events import Json, RowChanged
from grader.history.recorder import Clock
from grader.postgres.administration import Administration
from grader.postgres.changes import ChangeReader
from grader.postgres.roles import Roles
from grader.postgres.server import Login, Server, one_line
from grader.postgres.table import TaskTable
from grader.wire.address import ServerAddress

TableLockMode = Literal[
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
]

SESSION_SETTINGS: Mapping[str, str] = {
    "search_path": "pg_catalog",
    "restrict_nonsystem_relation_kind": "view,foreign-table",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "0",
}
"""Settings of the grader's connections; those that a server of an older minor version lacks are left out."""

_KEPT_FROM_OTHERS = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE pid = %s AND locktype <> 'virtualxid'
      AND NOT (locktype = 'relation' AND mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
)
"""

_DISCONNECT_TIMEOUT = 0.5
_LOOK_AGAIN = 0.002

_AGES = {"age": "created_at", "updated_age": "updated_at"}
"""Keys of a row to be inserted that are seconds before now, and the columns they stand for."""

_ID = sql.SQL("pg_catalog.concat(t.id)")
_BEFORE_NOW = sql.SQL("pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => %s)")
_THESE = sql.SQL("pg_catalog.concat(t.id) OPERATOR(pg_catalog.=) ANY (%s::pg_catalog.text[])")


class ScenarioDatabase:
    """A copy of the template. For one thread; connections are opened when first needed, and kept.

    Raises EnvironmentFailed when the server fails or a lock does not come, BadSubmission when the table refuses
    what the contract allows.
    """

    def __init__(
        self,
        *,
        name: str,
        scenario: str,
        server: Server,
        service: Login,
        roles: Roles,
        table: TaskTable,
        clock: Clock,
        administration: Administration,
        settings: Mapping[str, str],
    ) -> None:
        self.name = name
        self.service = service
        self._scenario = scenario
        self._server = server
        self._roles = roles
        self._table = table
        self._clock = clock
        self._administration = administration
        self._settings = settings
        self._connections: dict[str, psycopg.Connection[Any]] = {}
        self._pids: set[int] = set()
        self._changes: ChangeReader | None = None

    @property
    def address(self) -> ServerAddress:
        """Where the server listens, for a relay."""
        return self._server.address

    def service_url(self, host: str, port: int) -> str:
        """The DATABASE_URL of a service that connects by way of this host and port."""
        user = f"{self.service.user}:{self.service.password}"
        return f"postgresql://{user}@{host}:{port}/{self.name}?sslmode=disable"

    def close(self) -> None:
        """Drop the database and the services' role, with whoever is still connected."""
        for connection in self._connections.values():
            connection.close()
        database, user = sql.Identifier(self.name), sql.Identifier(self.service.user)
        self._administration.run(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        self._disconnect_everybody()
        self._administration.run(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database),
            sql.SQL("DROP OWNED BY {}").format(user),
            sql.SQL("DROP ROLE {}").format(user),
        )

    def _disconnect_everybody(self) -> None:
        """End the server processes of this database, or most: the drop sees to the rest, a tenth of a second each
        time that it finds one.
        """
        living = sql.SQL("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
            sql.Literal(self.name)
        )
        deadline = time.monotonic() + _DISCONNECT_TIMEOUT
        while self._administration.run(living) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)

    # ------------------------------------------------------------ rows

    def insert_tasks(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Insert tasks in one transaction; their ids as text, in the same order.

        Keys: ``title`` and other columns of the contract; ``age`` and ``updated_age``, seconds by which
        ``created_at`` and ``updated_at`` lie before now. What is left out takes the column's default.
        """
        with self._speaking("a task cannot be inserted"):
            author = self._session(self._roles.author)
            with author.transaction():
                return [self._insert(author, row) for row in rows]

    def _insert(self, author: psycopg.Connection[Any], row: Mapping[str, Any]) -> str:
        columns, values, parameters = [], [], []
        for key, value in row.items():
            columns.append(sql.Identifier(_AGES.get(key, key)))
            values.append(_BEFORE_NOW if key in _AGES else sql.SQL("%s"))
            parameters.append(json.dumps(value) if key == "payload" else value)
        found = author.execute(
            sql.SQL("INSERT INTO public.tasks AS t ({}) VALUES ({}) RETURNING {}").format(
                sql.SQL(", ").join(columns), sql.SQL(", ").join(values), _ID
            ),
            parameters,
        ).fetchone()
        if found is None:
            raise BadSubmission("the table tasks swallows a task (a trigger or policy of the migrations?)")
        return str(found[0])

    def tasks(self) -> dict[str, dict[str, Json]]:
        """Every committed row by id; values as JSON types, times as ISO 8601 in UTC."""
        query = sql.SQL("SELECT {}, {} FROM ONLY public.tasks AS t").format(_ID, self._table.row("t"))
        with self._speaking("the tasks cannot be read"):
            return {str(task): row for task, row in self._session(self._roles.reader).execute(query)}

    def task(self, task: str) -> dict[str, Json] | None:
        """One committed row; None when there is none with this id."""
        return self.tasks().get(task)

    def read_changes(self) -> list[RowChanged]:
        """The changes of rows that became visible since the last call, in the order in which they were made."""
        with self._speaking("the audit cannot be read"):
            if self._changes is None:
                witness = self._session(self._roles.witness)
                ours = {login.user for login in (self._roles.author, self._roles.reader, self._roles.witness)}
                self._changes = ChangeReader(witness, self._clock, ours, self._pids)
            return self._changes.read()

    # ------------------------------------------------------------ time and place of rows

    def age(self, tasks: Sequence[str] | None, seconds: float, created_seconds: float | None = None) -> None:
        """Move every moment in these rows (None: in all) into the past, with triggers asleep.

        ``created_seconds`` moves ``created_at`` by another amount.
        """
        changes, parameters = [], []
        for column in self._table.columns:
            if column.is_time and not column.is_generated:
                changes.append(
                    sql.SQL("{0} = t.{0} OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => %s)").format(
                        sql.Identifier(column.name)
                    )
                )
                is_other = column.name == "created_at" and created_seconds is not None
                parameters.append(created_seconds if is_other else seconds)
        self._update_asleep(sql.SQL(", ").join(changes), parameters, tasks)

    def finish_tasks(self) -> None:
        """Set every task to ``completed``, with triggers asleep: nobody looks for it any more."""
        self._update_asleep(sql.SQL("status = 'completed'"), [], None)

    def finish_waiting(self, tasks: Sequence[str]) -> None:
        """Set those of these tasks that are pending, and that nobody has locked, to ``completed``, triggers asleep."""
        waiting = sql.SQL(
            "UPDATE ONLY public.tasks AS t SET status = 'completed' WHERE {0} = ANY (ARRAY(SELECT {0} FROM ONLY"
            " public.tasks AS t WHERE {1} AND t.status = 'pending' FOR UPDATE SKIP LOCKED))"
        ).format(_ID, _THESE)
        self._run_asleep(waiting, [list(tasks)])

    def set_values(self, task: str, values: Mapping[str, Json]) -> None:
        """Give columns of a row the values that another row had (as ``tasks`` shows them), with triggers asleep."""
        names = [c.name for c in self._table.columns if c.name in values and not c.is_generated]
        changes = sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in names)
        source = sql.SQL(" FROM pg_catalog.jsonb_populate_record(NULL::public.tasks, %s::pg_catalog.jsonb) AS new")
        given = json.dumps({name: values[name] for name in names})
        self._update_asleep(changes, [], [task], source, [given])

    def rewrite(self, tasks: Sequence[str]) -> None:
        """Move these rows behind all others in the table, in this order; their values stay."""
        for task in tasks:
            self._update_asleep(sql.SQL("title = t.title"), [], [task])

    def touch(self, task: str, seconds: float) -> None:
        """Let a row have been changed so many seconds before now: its ``updated_at`` moves, and it behind all others."""
        self._update_asleep(sql.SQL("updated_at = ") + _BEFORE_NOW, [seconds], [task])

    def _update_asleep(
        self,
        changes: sql.Composable,
        parameters: Sequence[Any],
        tasks: Sequence[str] | None,
        source: sql.SQL | None = None,
        source_parameters: Sequence[Any] = (),
    ) -> None:
        query = sql.SQL("UPDATE ONLY public.tasks AS t SET {}").format(changes)
        if source is not None:
            query += source
            parameters = [*parameters, *source_parameters]
        if tasks is not None:
            query += sql.SQL(" WHERE ") + _THESE
            parameters = [*parameters, list(tasks)]
        self._run_asleep(query, parameters)

    def _run_asleep(self, query: sql.Composed, parameters: Sequence[Any]) -> None:
        with self._speaking("the tasks cannot be changed"):
            author = self._session(self._roles.author)
            with author.transaction():
                author.execute("SET LOCAL session_replication_role = replica")
                author.execute(query, parameters)

    # ------------------------------------------------------------ locks

    @contextmanager
    def hold_row(self, task: str) -> Iterator[None]:
        """Hold the lock of a row (FOR UPDATE) until the context is left."""
        query = sql.SQL("SELECT FROM ONLY public.tasks AS t WHERE {} FOR UPDATE").format(_THESE)
        with self._holding(f"task {task} cannot be locked", query, [[task]]) as rows:
            if rows != 1:
                raise Internal(f"{self._scenario}: task {task} is to be locked, and is not there")
            yield

    @contextmanager
    def hold_table(self, mode: TableLockMode = "ACCESS EXCLUSIVE") -> Iterator[None]:
        """Hold a lock of the whole table until the context is left."""
        query = sql.SQL("LOCK TABLE ONLY public.tasks IN {} MODE").format(sql.SQL(mode))
        with self._holding("the table cannot be locked", query, None):
            yield

    def lockable(self, tasks: Sequence[str]) -> list[str]:
        """Which of these rows somebody else could lock and change now without waiting; none of a locked table's."""
        query = sql.SQL("SELECT {} FROM ONLY public.tasks AS t WHERE {} FOR UPDATE SKIP LOCKED").format(
            _ID, _THESE
        )
        with self._speaking("the tasks cannot be locked"):
            author = self._session(self._roles.author)
            try:
                with author.transaction(force_rollback=True):
                    author.execute("LOCK TABLE ONLY public.tasks IN ROW EXCLUSIVE MODE NOWAIT")
                    return [str(task) for (task,) in author.execute(query, [list(tasks)])]
            except psycopg.errors.LockNotAvailable:
                return []

    @contextmanager
    def _holding(self, failure: str, query: sql.Composed, parameters: Sequence[Any] | None) -> Iterator[int]:
        with self._speaking(failure):
            holder = self._connect(self._roles.author)
        with closing(holder):
            with self._speaking(failure):
                holder.execute("BEGIN")
                rows = holder.execute(query, parameters).rowcount
            yield rows
            with self._speaking(failure):
                holder.execute("ROLLBACK")  # returns when the lock is gone; closing alone would not say when

    # ------------------------------------------------------------ server processes

    def terminate_backends(self, pids: Sequence[int]) -> None:
        """End server processes of this database; returns when they are gone."""
        self._administration.run(
            sql.SQL(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = {} AND pid = ANY ({})"
            ).format(sql.Literal(self.name), sql.Literal(list(pids)))
        )

    def service_backends(self) -> set[int]:
        """The server processes behind the connections that the services have now."""
        with self._speaking("the connections cannot be listed"):
            found = self._session(self._roles.witness).execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = %s", (self.service.user,)
            )
            return {int(pid) for (pid,) in found}

    def blocking_pids(self, pid: int) -> tuple[int, ...]:
        """The server processes that one waits for; empty when it does not wait for a lock."""
        with self._speaking("the locks cannot be read"):
            found = self._session(self._roles.witness).execute("SELECT pg_blocking_pids(%s)", (pid,)).fetchone()
            return tuple(found[0]) if found else ()

    @property
    def own_pids(self) -> frozenset[int]:
        """The server processes of the grader's own connections to this database, past ones included."""
        return frozenset(self._pids)

    def keeps_from_others(self, pid: int) -> bool:
        """Whether a server process has a lock, or a transaction that wrote, which others may have to wait for.

        The locks that every reading or writing statement takes on its table do not count: only somebody who
        wants the whole table has to wait for those, and is seen to wait.
        """
        with self._speaking("the locks cannot be read"):
            found = self._session(self._roles.witness).execute(_KEPT_FROM_OTHERS, (pid,), prepare=True).fetchone()
            return found is not None and bool(found[0])

    def set_for_services(self, name: str, value: str) -> None:
        """Change a setting for every connection that a service makes from now on."""
        self._administration.run(
            sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                sql.Identifier(self.service.user),
                sql.Identifier(self.name),
                sql.Identifier(name),
                sql.Literal(value),
            )
        )

    # ------------------------------------------------------------ connections

    def try_out(self) -> None:
        """See whether the table takes a plain task and gives it back. Raises BadSubmission."""
        title = "A task like any other"
        [task] = self.insert_tasks([{"title": title}])
        row = self.task(task)
        changes = self.read_changes()
        if row is None or row["title"] != title or row["status"] != "pending":
            raise BadSubmission(f"the table tasks does not keep a plain task as it is; it became {row}")
        if [change.task for change in changes] != [task]:
            raise Internal(f"one task was inserted, and the audit holds {changes}")

    def _session(self, login: Login) -> psycopg.Connection[Any]:
        if login.user not in self._connections:
            self._connections[login.user] = self._connect(login)
        return self._connections[login.user]

    def _connect(self, login: Login) -> psycopg.Connection[Any]:
        settings = dict(self._settings)
        if login == self._roles.author:
            # Triggers and defaults of the migrations run in its session. They find there what they find in a
            # service's: the names of their schema, and its zone for columns that are without one. Statements of
            # the grader's own qualify every name.
            settings.pop("search_path", None)
        else:
            settings["timezone"] = "UTC"
        connection = self._server.connect(login, self.name, settings)
        self._pids.add(connection.info.backend_pid)
        return connection

    @contextmanager
    def _speaking(self, failure: str) -> Iterator[None]:
        """Errors of PostgreSQL's as ours, with the scenario and what was to be done."""
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError) as problem:
            raise EnvironmentFailed(f"{self._scenario}: {failure}: {one_line(problem)}") from problem
        except psycopg.Error as problem:
            raise BadSubmission(f"{self._scenario}: {failure}: {one_line(problem)}") from problem
