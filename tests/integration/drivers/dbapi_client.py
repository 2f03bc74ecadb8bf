"""The acts with drivers of the DB-API: psycopg (as it comes, and preparing at once), psycopg2, pg8000."""

from __future__ import annotations

import time
import urllib.parse
from typing import Any

import acts


class DbApi:
    """The acts by cursors; subclasses say what is a driver's own. Autocommit unless an act says otherwise."""

    integer, string = "%s::int", "%s::text"

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        connection.autocommit = True

    def ask(self, sql: str, *parameters: object) -> list[Any]:
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters or ())
        found = [list(row) for row in cursor.fetchall()] if cursor.description else []
        cursor.close()
        return found

    def state(self, problem: Exception) -> str:
        raise NotImplementedError

    def notification(self) -> str | None:
        raise NotImplementedError

    def select(self) -> Any:
        return self.ask(acts.SELECT)

    def write(self) -> Any:
        return self.ask(acts.INSERT)

    def commit(self) -> Any:
        self.connection.autocommit = False
        self.ask(acts.INSERT)
        self.ask(acts.UPDATE)
        self.connection.commit()
        self.connection.autocommit = True

    def rollback(self) -> Any:
        self.connection.autocommit = False
        self.ask(acts.INSERT)
        self.connection.rollback()
        self.connection.autocommit = True

    def error(self) -> Any:
        try:
            self.ask(acts.FAIL)
        except Exception as problem:
            return [self.state(problem), self.ask(acts.SELECT)]

    def failed(self) -> Any:
        self.connection.autocommit = False
        self.ask(acts.INSERT)
        try:
            self.ask(acts.FAIL)
        except Exception as problem:
            self.connection.rollback()
            self.connection.autocommit = True
            return self.state(problem)

    def parameters(self) -> Any:
        return self.ask(f"SELECT {self.integer}, {self.string}, {self.string} AS wire", 7, None, "żółw")

    def large(self) -> Any:
        [[text]] = self.ask(f"/* wire */ SELECT {self.string}", "ż" * (acts.LARGE // 2))
        return [len(text), text == "ż" * (acts.LARGE // 2)]

    def rows(self) -> Any:
        found = self.ask(acts.MANY)
        return [len(found), found[-1]]

    def notify(self) -> Any:
        self.ask(acts.LISTEN)
        self.ask(acts.NOTIFY)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if (found := self.notification()) is not None:
                return found
        return "none came"

    def prepared(self) -> Any:
        return [self.ask(f"SELECT {self.integer} + 1 AS wire", number) for number in range(7)]

    def close(self) -> None:
        self.connection.close()


class Psycopg(DbApi):
    integer, string = "%s::int", "%s::text"

    def state(self, problem: Any) -> str:
        return problem.sqlstate

    def notification(self) -> str | None:
        return next((note.payload for note in self.connection.notifies(timeout=1, stop_after=1)), None)


class Psycopg2(DbApi):
    def state(self, problem: Any) -> str:
        return problem.pgcode

    def notification(self) -> str | None:
        self.connection.poll()
        return self.connection.notifies.pop().payload if self.connection.notifies else None


class Pg8000(DbApi):
    def state(self, problem: Any) -> str:
        return problem.args[0]["C"]

    def notification(self) -> str | None:
        self.ask("SELECT 1")  # it looks for notifications only while it waits for an answer
        return self.connection.notifications.popleft()[2] if self.connection.notifications else None


def connect(url: str, flavour: str) -> DbApi:
    if flavour == "psycopg2":
        import psycopg2

        return Psycopg2(psycopg2.connect(url))
    if flavour == "pg8000":
        import pg8000.dbapi

        parts = urllib.parse.urlsplit(url)
        return Pg8000(
            pg8000.dbapi.connect(
                user=parts.username or "",
                password=urllib.parse.unquote(parts.password or ""),
                host=parts.hostname or "",
                port=parts.port or 0,
                database=parts.path[1:],
            )
        )
    import psycopg

    return Psycopg(psycopg.connect(url, prepare_threshold=0 if flavour == "prepared" else 5))


if __name__ == "__main__":
    acts.main(connect)
