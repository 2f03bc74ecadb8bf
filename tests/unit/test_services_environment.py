"""What reaches a service, and a port for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.services import service_environment


def test_nothing_of_the_grader_but_its_path_reaches_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    url = "postgresql://u:p@h:1/d"
    assert service_environment(Path("/scratch"), database_url=url, settings={"WORKER_ID": "worker-A"}) == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TMPDIR": "/scratch",
        "DATABASE_URL": url,
        "WORKER_ID": "worker-A",
    }


def test_without_a_url_there_is_no_such_variable() -> None:
    environment = service_environment(Path("/scratch"), database_url=None, settings={})
    assert environment.keys() == {"PATH", "LANG", "TMPDIR"}
