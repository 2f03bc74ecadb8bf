"""One real server for each test process, a database of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from grader.history.recorder import Clock
from grader.postgres import Databases, ScenarioDatabase, Server
from grader.postgres.embedded import start_embedded
from grader.run_folder import RunFolder, run_folder

MakeDatabases = Callable[..., Databases]
"""Takes the texts of migrations."""


@pytest.fixture(scope="session")
def run() -> Iterator[RunFolder]:
    """The folder of this test process."""
    with run_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def clock() -> Clock:
    """The clock that all times of ``databases`` are on."""
    return Clock()


@pytest.fixture(scope="session")
def embedded_server(run: RunFolder) -> Iterator[Server]:
    """A server of our own, empty."""
    with start_embedded(run, "tests") as server:
        yield server


@pytest.fixture(scope="session")
def databases(embedded_server: Server, run: RunFolder, clock: Clock) -> Iterator[Databases]:
    """Databases with the contract's table."""
    with Databases(embedded_server, run, clock) as databases:
        databases.prepare(run.path, [])
        yield databases


@pytest.fixture
def database(databases: Databases) -> Iterator[ScenarioDatabase]:
    """A fresh copy of the contract's table."""
    with closing(databases.create("test")) as database:
        yield database


@pytest.fixture
def databases_of(embedded_server: Server, clock: Clock, tmp_path: Path) -> Iterator[MakeDatabases]:
    """Makes databases from migrations, given as SQL."""
    with ExitStack() as stack:

        def make(*migrations: str) -> Databases:
            files = []
            for number, text in enumerate(migrations, start=1):
                files.append(tmp_path / f"{number:04}_step.up.sql")
                files[-1].write_text(text)
            folder = stack.enter_context(run_folder())
            databases = stack.enter_context(Databases(embedded_server, folder, clock))
            databases.prepare(tmp_path, files)
            return databases

        yield make


@pytest.fixture
def service(database: ScenarioDatabase, embedded_server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the services have it, in autocommit mode."""
    with closing(embedded_server.connect(database.service, database.name)) as connection:
        yield connection
