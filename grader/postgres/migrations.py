"""Applying a submission's migrations, as a role that can do no harm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from grader.errors import BadSubmission
from grader.postgres.server import Login, Server, one_line
from grader.submission_files import read_migration

_TIMEOUT = "60s"


def apply_migrations(server: Server, owner: Login, database: str, folder: Path, files: Sequence[Path]) -> None:
    """Run the files below ``folder`` in name order; without any, make the contract's table.

    Each file is sent as a whole, which PostgreSQL runs as one transaction unless the file says otherwise.
    Raises BadSubmission with the file, the line, and PostgreSQL's own message.
    """
    with closing(server.connect(owner, database, {"statement_timeout": _TIMEOUT})) as connection:
        for name, text in _scripts(folder, files):
            _apply(connection, name, text)


def clear_tasks(server: Server, owner: Login, database: str) -> None:
    """Remove tasks that the migrations inserted: a scenario begins with none. Their role does it, not ours."""
    with closing(server.connect(owner, database, {"statement_timeout": _TIMEOUT})) as connection:
        try:
            found = connection.execute("SELECT EXISTS (SELECT FROM public.tasks)").fetchone()
            if found is not None and found[0]:
                connection.execute("TRUNCATE public.tasks RESTART IDENTITY CASCADE")
        except psycopg.errors.UndefinedTable:
            pass  # told in better words when the table is looked at
        except psycopg.Error as problem:
            raise BadSubmission(
                f"the tasks that the migrations insert cannot be cleared: {one_line(problem)}"
            ) from problem


def _scripts(folder: Path, files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Name and text of each. A build ran since they were looked at: they may be anything by now."""
    if not files:
        yield "tasks.sql", resources.files(__package__).joinpath("tasks.sql").read_text(encoding="utf-8")
    for path in sorted(files, key=lambda path: path.name):
        text = read_migration(folder, path)
        if "\0" in text:
            raise BadSubmission(f"{path.relative_to(folder)} holds a NUL byte; save it as plain text")
        yield path.name, text


def _apply(connection: psycopg.Connection[TupleRow], name: str, text: str) -> None:
    try:
        connection.execute(text.encode())
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raise BadSubmission(f"migration {name} leaves a transaction open; end it with COMMIT")
    except psycopg.Error as problem:
        position = problem.diag.statement_position
        line = f", line {text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
        raise BadSubmission(f"migration {name}{line}: {one_line(problem)}") from problem
