"""What of a submission's migrations reaches the server, whatever its build has put in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from grader.errors import BadSubmission
from grader.postgres.migrations import apply_migrations
from grader.postgres.server import Login


class Connection:
    """Takes every script, and says that it left no transaction open."""

    info = SimpleNamespace(transaction_status=psycopg.pq.TransactionStatus.IDLE)

    def __init__(self) -> None:
        self.sent: list[str] = []

    def execute(self, script: bytes) -> None:
        self.sent.append(script.decode())

    def close(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission with two migrations."""
    made = tmp_path / "ada"
    (made / "migrations").mkdir(parents=True)
    (made / "migrations" / "0001_a.up.sql").write_text("SELECT 1")
    (made / "migrations" / "0002_b.up.sql").write_text("SELECT 2")
    return made


def sent(folder: Path, *names: str) -> list[str]:
    """What the server gets of these migrations."""
    connection = Connection()
    server: Any = SimpleNamespace(connect=lambda *_: connection)
    apply_migrations(server, Login("owner", ""), "template", folder, [folder / "migrations" / n for n in names])
    return connection.sent


def test_every_migration_is_sent_whole_in_the_order_of_the_names(folder: Path) -> None:
    assert sent(folder, "0002_b.up.sql", "0001_a.up.sql") == ["SELECT 1", "SELECT 2"]


def test_without_migrations_the_contracts_own_table_is_made(folder: Path) -> None:
    [script] = sent(folder)
    assert "CREATE TABLE" in script


def link(path: Path) -> None:
    secret = path.parents[2] / "secret"
    secret.write_text("SELECT 'the secret'")
    path.symlink_to(secret)


def link_of_the_folder(path: Path) -> None:
    elsewhere = path.parents[2] / "elsewhere"
    path.parent.rename(elsewhere)
    (elsewhere / path.name).write_text("SELECT 'the secret'")
    path.parent.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("put", "told"),
    [
        (link, "it is a link"),
        (link_of_the_folder, "it is a link, or behind one"),
        (os.mkfifo, "it is not a regular file"),
        (Path.mkdir, "it is not a regular file"),
        (lambda path: path.write_text("-" * (1024 * 1024 + 1)), "larger than 1024 KiB"),
        (lambda path: path.write_bytes(b"SELECT 1;\n-- \xe9"), "not UTF-8 in line 2"),
        (lambda path: path.write_text("SELECT \0"), "holds a NUL byte"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_a_build_put_in_a_migrations_place_is_refused_and_neither_followed_nor_waited_for(
    folder: Path, put: Callable[[Path], object], told: str
) -> None:
    path = folder / "migrations" / "0001_a.up.sql"
    path.unlink()
    put(path)
    with pytest.raises(BadSubmission, match=told) as refused:
        sent(folder, path.name)
    assert str(refused.value).startswith("migrations/0001_a.up.sql")
