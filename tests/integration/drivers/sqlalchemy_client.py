"""The acts with SQLAlchemy's engine on psycopg: a pool, and a rollback when a connection goes back to it."""

from __future__ import annotations

from typing import Any

import acts
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError


class SqlAlchemy:
    def __init__(self, url: str) -> None:
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1)
        self.autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def ask(self, sql: str, **parameters: object) -> list[Any]:
        with self.autocommit.connect() as connection:
            result = connection.execute(text(sql), parameters)
            return [list(row) for row in result] if result.returns_rows else []

    def select(self) -> Any:
        return self.ask(acts.SELECT)

    def write(self) -> Any:
        return self.ask(acts.INSERT)

    def commit(self) -> Any:
        with self.engine.begin() as connection:
            connection.execute(text(acts.INSERT))
            connection.execute(text(acts.UPDATE))

    def rollback(self) -> Any:
        with self.engine.connect() as connection:
            connection.execute(text(acts.INSERT))
            connection.rollback()

    def error(self) -> Any:
        try:
            self.ask(acts.FAIL)
        except DBAPIError as problem:
            return [problem.orig.sqlstate, self.ask(acts.SELECT)]

    def failed(self) -> Any:
        try:
            with self.engine.begin() as connection:
                connection.execute(text(acts.INSERT))
                connection.execute(text(acts.FAIL))
        except DBAPIError as problem:
            return problem.orig.sqlstate

    def parameters(self) -> Any:
        sql = "SELECT CAST(:a AS int), CAST(:b AS text), CAST(:c AS text) AS wire"
        return self.ask(sql, a=7, b=None, c="żółw")

    def large(self) -> Any:
        [[value]] = self.ask("/* wire */ SELECT CAST(:a AS text)", a="ż" * (acts.LARGE // 2))
        return [len(value), value == "ż" * (acts.LARGE // 2)]

    def rows(self) -> Any:
        found = self.ask(acts.MANY)
        return [len(found), found[-1]]

    def notify(self) -> Any:
        return None

    def prepared(self) -> Any:
        return [self.ask("SELECT CAST(:a AS int) + 1 AS wire", a=number) for number in range(7)]

    def close(self) -> None:
        self.engine.dispose()


def connect(url: str, flavour: str) -> SqlAlchemy:
    return SqlAlchemy(url)


if __name__ == "__main__":
    acts.main(connect)
