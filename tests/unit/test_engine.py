"""Whether a Docker engine is there, asked quickly; and what is taken when none is."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.engine import find_engine
from grader.errors import EnvironmentFailed
from grader.postgres import start_server
from grader.run_folder import run_folder


@pytest.fixture
def engine() -> Iterator[str]:
    """The URL of something that answers like an engine."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "docker.sock"
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nOK")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"unix://{path}"


def test_the_engine_that_docker_host_names_is_found(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)
    assert find_engine() == engine


def test_a_missing_engine_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    took = []
    for _ in range(5):  # the least of them: the machine may have something else to do in any one
        start = time.perf_counter()
        assert find_engine() is None
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


@pytest.mark.parametrize("url", ["unix://", "tcp://127.0.0.1:1", "tcp://", "nonsense", "tcp://h:port"])
def test_a_url_that_leads_nowhere_is_no_engine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    assert find_engine() is None


def test_asking_for_docker_without_an_engine_tells_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with run_folder(tmp_path) as run, pytest.raises(EnvironmentFailed, match="no Docker engine answers"):
        with start_server(run, provider="docker"):
            pass


def test_the_docker_library_is_not_loaded_before_it_is_needed() -> None:
    loaded = "import sys, grader.postgres; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], timeout=30).returncode == 0
