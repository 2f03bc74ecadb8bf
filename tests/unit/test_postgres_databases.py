"""The connection of a run's databases, when they cannot be prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from grader.errors import EnvironmentFailed
from grader.history.recorder import Clock
from grader.postgres.databases import Databases
from grader.postgres.server import Server
from grader.run_folder import RunFolder


class Answers:
    """A server that answers each command the same, or not at all; and its one connection."""

    def __init__(self, row: tuple[Any, ...], refused: str | None) -> None:
        self.row = row
        self.refused = refused
        self.is_closed = False
        self.description = None

    def connect(self, **_: object) -> Answers:
        return self

    def execute(self, command: object, *_: object) -> Answers:
        if self.refused is not None and self.refused in str(command):
            raise psycopg.OperationalError("no room\nleft")
        return self

    def fetchone(self) -> tuple[Any, ...]:
        return self.row

    def __iter__(self) -> Any:
        return iter(())

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("is_free", "refused", "message"),
    [
        (False, None, "is alive on this server already"),
        (True, "CREATE ROLE", "refuses: no room"),
        (True, "pg_settings", "cannot be prepared: no room"),
    ],
)
def test_they_leave_no_connection_open_when_they_cannot_be_prepared(
    is_free: bool, refused: str | None, message: str
) -> None:
    server = Answers((is_free,), refused)
    databases = Databases(cast(Server, server), RunFolder(Path("/tmp/task-queue-lab-0badcafe")), Clock())
    with pytest.raises(EnvironmentFailed, match=message):
        databases.__enter__()
    assert server.is_closed
