"""The server from the embedded binaries: its life, and who can reach it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from grader.errors import EnvironmentFailed
from grader.leftovers import remove_leftovers
from grader.postgres import Login, Server, embedded, start_server
from grader.postgres.embedded import start_embedded
from grader.run_folder import RunFolder, run_folder


def server_processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            pass
    return found


def test_nobody_gets_in_without_the_password(embedded_server: Server) -> None:
    for login in (Login("grader", ""), Login("grader", "wrong"), Login("postgres", "")):
        with pytest.raises(psycopg.OperationalError):
            embedded_server.connect(login)


def test_the_password_is_in_no_file_command_line_or_representation(embedded_server: Server) -> None:
    password = embedded_server.admin.password
    assert password not in repr(embedded_server)
    for process in psutil.process_iter(["cmdline"]):
        assert password not in " ".join(process.info["cmdline"] or ())
    folder = Path(embedded_server.address.host).parent
    for path in folder.rglob("*"):
        if path.is_file() and "base" not in path.parts and path.stat().st_size < 1 << 20:
            assert password.encode() not in path.read_bytes()


def test_it_listens_on_its_socket_only(embedded_server: Server) -> None:
    assert embedded_server.address.socket_path is not None
    assert embedded_server.address.socket_path.is_socket()
    with embedded_server.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("track_commit_timestamp", "on"),
        ("fsync", "off"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
        ("autovacuum", "off"),
        ("TimeZone", "UTC"),
    ],
)
def test_it_is_set_up_for_grading(setting: str, value: str, embedded_server: Server) -> None:
    with embedded_server.connect() as connection:
        assert connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() == (value,)


def test_text_is_compared_as_unicode(embedded_server: Server) -> None:
    with embedded_server.connect() as connection:
        assert connection.execute("SELECT lower('ÄÖ'), upper('é')").fetchone() == ("äö", "É")


def test_libpqs_variables_do_not_lead_the_grader_elsewhere(
    embedded_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "203.0.113.1",
        "PGHOSTADDR": "203.0.113.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGOPTIONS": "-c search_path=elsewhere",
        "PGSSLMODE": "require",
        "PGREQUIREAUTH": "none",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "standby",
        "HOME": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    with embedded_server.connect() as connection:
        row = connection.execute("SELECT current_user, current_setting('search_path')").fetchone()
    assert row == ("grader", '"$user", public')


def test_nothing_of_it_is_left_when_the_context_ends() -> None:
    with run_folder() as run:
        with start_embedded(run, "test") as server:
            assert server.info.provider == "embedded"
            assert server_processes(run.path)
        assert server_processes(run.path) == []
        assert not (run.path / "pg").exists()


def test_an_error_inside_the_context_passes_through_and_ends_the_server() -> None:
    with run_folder() as run:
        with pytest.raises(OSError, match="of the body"), start_server(run, provider="embedded"):
            raise OSError("of the body")
        assert server_processes(run.path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from grader.run_folder import run_folder
from grader.postgres import start_server
with run_folder(Path(sys.argv[1])) as run, start_server(run, provider="embedded") as server:
    with server.connect() as connection:
        print(run.path, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_server_of_a_killed_grader_is_ended_by_the_next_run(run: RunFolder) -> None:
    parent = run.path / "k"  # short, for the socket's sake; and nobody else's runs are in it
    parent.mkdir()
    parent.chmod(0o711)
    killed = subprocess.run([sys.executable, "-c", KILLED, parent], stdout=subprocess.PIPE, text=True, timeout=60)
    folder = Path(killed.stdout.strip())
    assert server_processes(folder)
    told = remove_leftovers(parent)
    assert server_processes(folder) == []
    assert not folder.exists()
    assert any("ended postgres" in line for line in told)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as another user")
def test_binaries_that_the_other_user_cannot_reach_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_can_run", lambda binary, user: False)
    with run_folder() as run, start_embedded(run, "test") as server, server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        [postmaster] = [p for p in server_processes(run.path) if "-D" in p.cmdline()]
        assert postmaster.exe().startswith(str(run.path))
        assert postmaster.uids().real != 0


def test_a_server_that_does_not_start_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SETTINGS", {"max_connections": "many"})
    with run_folder() as run:
        with pytest.raises(EnvironmentFailed, match=r"did not start: exit status 1.*max_connections"):
            with start_embedded(run, "test"):
                pass
        assert server_processes(run.path) == []


def test_a_wheel_without_binaries_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with run_folder() as run, pytest.raises(EnvironmentFailed, match="--postgres docker"):
        with start_embedded(run, "test"):
            pass
