"""A server that somebody else runs: what it must offer, and that the run leaves nothing on it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from grader.errors import BadCall, EnvironmentFailed
from grader.history.recorder import Clock
from grader.postgres import Databases, Login, Server, start_server
from grader.postgres.template import FIRST_ID
from grader.run_folder import RunFolder, run_folder


def url_of(server: Server, login: Login | None = None) -> str:
    login = login or server.admin
    host = quote(server.address.host, safe="")
    return f"postgresql://{login.user}:{login.password}@/postgres?host={host}&port={server.address.port}"


def names_of_runs(server: Server) -> set[str]:
    """The ids of runs that have a database or a role on the server."""
    with server.connect() as admin:
        names = admin.execute("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles").fetchall()
    return {name[4:12] for (name,) in names if name.startswith("tql_")}


def test_a_given_server_is_used_and_left_as_it_was(embedded_server: Server, run: RunFolder) -> None:
    url = url_of(embedded_server)
    with run_folder() as own:
        with start_server(own, provider="auto", url=url) as server:
            assert server.address == embedded_server.address
            assert (server.info.provider, server.info.reason) == ("given", "a database URL is set")
            with Databases(server, own, Clock()) as databases:
                databases.prepare(own.path, [])
                with closing(databases.create("x")) as database:
                    assert database.insert_tasks([{"title": "x"}]) == [str(FIRST_ID)]
                databases.create("left open")
        assert own.id not in names_of_runs(embedded_server)


KILLED = """
import os, signal, sys
from pathlib import Path
from grader.history.recorder import Clock
from grader.postgres import Databases, start_server
from grader.run_folder import run_folder
with run_folder(Path(sys.argv[1])) as run, start_server(run, provider="given", url=sys.argv[2]) as server:
    with Databases(server, run, Clock()) as databases:
        databases.prepare(run.path, [])
        databases.create("x").insert_tasks([{"title": "x"}])
        print(run.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_grader_left_is_dropped_by_the_next_and_living_runs_are_spared(
    embedded_server: Server, databases: Databases, run: RunFolder, tmp_path: object, clock: Clock
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), url_of(embedded_server)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    dead = done.stdout.strip()
    assert {dead, run.id} <= names_of_runs(embedded_server)
    with run_folder() as own, Databases(embedded_server, own, clock):
        assert {run.id, own.id} <= names_of_runs(embedded_server)
        assert dead not in names_of_runs(embedded_server)
    with closing(databases.create("still works")) as database:
        assert database.insert_tasks([{"title": "x"}]) == [str(FIRST_ID)]


def test_a_role_without_power_is_refused_by_name(embedded_server: Server) -> None:
    login = Login("weak_for_given", "pw")
    with embedded_server.connect() as admin:
        admin.execute(f"CREATE ROLE {login.user} LOGIN CREATEDB CREATEROLE PASSWORD '{login.password}'".encode())
        admin.execute(f"GRANT CONNECT ON DATABASE postgres TO {login.user}".encode())
        try:
            with run_folder() as own, pytest.raises(EnvironmentFailed, match=r"weak_for_given is no superuser"):
                with start_server(own, provider="given", url=url_of(embedded_server, login)):
                    pass
        finally:
            admin.execute(f"DROP OWNED BY {login.user}; DROP ROLE {login.user}".encode())


@pytest.mark.parametrize(
    ("url", "problem", "message"),
    [
        ("nonsense", BadCall, "cannot be read"),
        ("postgresql://u:topsecret@h:port/x", BadCall, "port"),
        ("postgresql://u:topsecret@a,b/x", BadCall, "one host"),
        ("postgresql://u:topsecret@/x", BadCall, "one host"),
        ("mysql://u:topsecret@h/x", BadCall, "cannot be read"),
        ("postgresql://u:topsecret@127.0.0.1:1/x", EnvironmentFailed, "cannot be used"),
        (None, BadCall, "GRADER_DATABASE_URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_password(
    url: str | None, problem: type[Exception], message: str, tmp_path: object
) -> None:
    with run_folder() as own, pytest.raises(problem, match=message) as caught:
        with start_server(own, provider="given", url=url):
            pass
    assert "topsecret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_commit_times_a_change_counts_from_when_it_was_first_seen(
    embedded_server: Server, databases: Databases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = psycopg.Connection.execute

    def off(self: psycopg.Connection[Any], query: Any, *rest: Any, **more: Any) -> Any:
        is_asked = query == "SHOW track_commit_timestamp"
        return show(self, "SELECT 'off'" if is_asked else query, *rest, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", off)
    with closing(databases.create("x")) as database:
        database.insert_tasks([{"title": "x"}])
        before = clock.now()
        [change] = database.read_changes()
        assert before <= change.committed_at <= clock.now()
        assert change.at < before
