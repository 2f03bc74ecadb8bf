"""The acts with psycopg in pipeline mode: several statements under one Sync."""

from __future__ import annotations

from typing import Any

import acts
import psycopg
from dbapi_client import Psycopg


class Pipeline(Psycopg):
    def ask(self, sql: str, *parameters: object) -> list[Any]:
        with self.connection.pipeline():
            cursor = self.connection.execute(sql, parameters or None)
            return [list(row) for row in cursor.fetchall()] if "SELECT" in sql else []

    def write(self) -> Any:
        with self.connection.pipeline():
            self.connection.execute(acts.INSERT)

    def commit(self) -> Any:
        self.connection.autocommit = False
        with self.connection.pipeline():
            self.connection.execute(acts.INSERT)
            self.connection.execute(acts.UPDATE)
            self.connection.commit()
        self.connection.autocommit = True

    def prepared(self) -> Any:
        with self.connection.pipeline():
            cursors = [self.connection.execute("SELECT %s::int + 1 AS wire", (number,)) for number in range(7)]
            return [[list(row) for row in cursor.fetchall()] for cursor in cursors]


def connect(url: str, flavour: str) -> Pipeline:
    return Pipeline(psycopg.connect(url))


if __name__ == "__main__":
    acts.main(connect)
