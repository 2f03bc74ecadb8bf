"""The superuser's one connection, in a database where no code of a submission's can be."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg import sql

from grader.errors import EnvironmentFailed
from grader.postgres.server import Server, one_line


class Administration:
    """Runs commands in the maintenance database, one list of them at a time. From any thread."""

    def __init__(self, server: Server) -> None:
        self._one_at_a_time = threading.Lock()
        try:
            self.connection = server.connect(settings={"search_path": "pg_catalog"})
        except psycopg.Error as problem:
            raise EnvironmentFailed(f"the PostgreSQL server does not answer: {one_line(problem)}") from problem

    def run(self, *commands: sql.Composed) -> list[tuple[Any, ...]]:
        """Run commands, each in a transaction of its own; the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        try:
            with self._one_at_a_time:
                for command in commands:
                    cursor = self.connection.execute(command)
                    rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as problem:
            raise EnvironmentFailed(f"the PostgreSQL server refuses: {one_line(problem)}") from problem
        return rows

    def close(self) -> None:
        """Disconnect."""
        self.connection.close()
