"""A build: run once, logged, bounded, and nothing of it left alive."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from grader.errors import BadSubmission
from grader.services import build
from grader.submission import Submission, load_submission


def submission_with_build(folder: Path, *command: str, worker: str = "worker_service") -> Submission:
    (folder / "api_service").mkdir()
    (folder / "flowforge.toml").write_text(
        f"[build]\ncommand = {json.dumps(command)}\n[worker]\ncommand = [{json.dumps(worker)}]\n"
    )
    return load_submission(folder)


def sh(folder: Path, script: str, worker: str = "/bin/sh") -> Submission:
    return submission_with_build(folder, "sh", "-c", script, worker=worker)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    folder.mkdir()
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "build.log"


def test_a_build_may_make_the_program_of_a_service(folder: Path, log: Path) -> None:
    submission = sh(folder, "mkdir bin && printf '#!/bin/sh\\n' > bin/worker && chmod +x bin/worker", "bin/worker")
    build(submission, log, 20)
    assert (folder / "bin/worker").is_file()


def test_a_build_that_does_not_make_the_program_is_refused(folder: Path, log: Path) -> None:
    with pytest.raises(BadSubmission, match=r"'bin/worker' does not exist"):
        build(sh(folder, "true", "bin/worker"), log, 20)


def test_its_environment_is_the_contracts(
    folder: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    build(submission_with_build(folder, "/usr/bin/env", worker="/bin/sh"), log, 20, cache=tmp_path / "cache")
    variables = dict(line.split("=", 1) for line in log.read_text().splitlines())
    assert variables.keys() == {"PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME"}
    assert variables["LANG"] == "C.UTF-8"
    assert variables["XDG_CACHE_HOME"] == str(tmp_path / "cache")
    assert not Path(variables["TMPDIR"]).exists()


def test_a_failure_names_command_status_and_last_lines(folder: Path, log: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7; do echo line $i; done; printf '\\033[31mred\\n' >&2; exit 3"
    with pytest.raises(BadSubmission) as refused:
        build(sh(folder, script), log, 20)
    message = str(refused.value)
    assert "sh -c" in message
    assert "exited with status 3" in message
    assert "line 7" in message
    assert "line 1 " not in message
    assert str(log) in message
    assert message.isprintable()


@pytest.mark.parametrize(("number", "words"), [(9, r"signal 9 \(SIGKILL\)"), (35, "signal 35")])
def test_an_end_by_signal_is_told_whether_it_has_a_name_or_not(
    folder: Path, log: Path, number: int, words: str
) -> None:
    with pytest.raises(BadSubmission, match=f"failed, ended by {words}; see"):
        build(sh(folder, f"kill -{number} $$"), log, 20)


def test_a_build_that_takes_too_long_is_ended_whole(folder: Path, log: Path) -> None:
    began = time.monotonic()
    with pytest.raises(BadSubmission, match=r"did not end within 0\.5 s.*ready"):
        build(sh(folder, "sleep 600 & echo $! > child; echo ready; wait"), log, 0.5)
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(int((folder / "child").read_text()))


def test_a_child_that_holds_the_pipe_is_not_waited_for(folder: Path, log: Path) -> None:
    build(sh(folder, "sleep 600 & echo done"), log, 20)
    assert log.read_text() == "done\n"


def test_the_log_is_cut(folder: Path, log: Path) -> None:
    build(sh(folder, "head -c 9000000 /dev/zero; echo the end"), log, 20)
    assert log.stat().st_size < 5_000_000
    assert log.read_bytes().endswith(b"cut]\n")


def test_without_a_build_nothing_is_run(folder: Path, log: Path) -> None:
    for package in ("api_service", "worker_service"):
        (folder / package).mkdir()
    build(load_submission(folder), log, 20)
    assert not log.exists()
