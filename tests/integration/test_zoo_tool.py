"""The tools of the zoo, on two entries and the checks of the documents, which need no worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.zoo import flaky, run
from tests.zoo.grading import subjects
from tests.zoo.matrix import Subject

ROOT = Path(__file__).parents[2]
NAMES = ("solution", "flow-without-states")
CHECKS = ("--checks", "3b.data-flow", "3b.answers")


def command(output: Path, tool: str = "run") -> list[str]:
    return [sys.executable, "-m", f"tests.zoo.{tool}", *NAMES, *CHECKS, "--output", str(output), "--jobs", "1"]


def matrix(output: Path) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads((output / "matrix.json").read_text())["rows"]}


def test_a_zoo_that_is_ended_goes_on_where_it_was_and_tells_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Ended by Ctrl-C when one of two is graded: that one is kept, and no process is left.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command(tmp_path), cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert "solution: as expected" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "what was graded is kept" in said
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert (tmp_path / "entries" / "solution" / "result.json").exists()
    assert not (tmp_path / "entries" / "flow-without-states" / "result.json").exists()

    # The next call grades the other one alone.
    assert run.main(command(tmp_path)[3:]) == 0
    rows = matrix(tmp_path)
    assert [rows[name]["reused"] for name in NAMES] == [True, False]
    assert [rows[name]["outcomes"] for name in NAMES] == [["as expected"], ["as expected"]]
    assert "All 2 submissions as expected" in (tmp_path / "matrix.html").read_text()

    # An expectation that does not hold is found, and needs no new grade.
    monkeypatch.setattr(run, "subjects", _with_a_wrong_expectation)
    capsys.readouterr()
    assert run.main(command(tmp_path)[3:]) == 1
    assert "missed 3b.answers: expected fail, seen pass" in capsys.readouterr().out
    rows = matrix(tmp_path)
    assert [rows[name]["reused"] for name in NAMES] == [True, True]
    assert rows["flow-without-states"]["outcomes"] == ["missed"]


def _with_a_wrong_expectation() -> tuple[Subject, ...]:
    return tuple(
        replace(s, must_fail=s.must_fail | {"3b.answers"}) if s.name == "flow-without-states" else s
        for s in subjects()
    )


def test_what_is_not_in_the_zoo_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["no-such-entry", "--output", str(tmp_path)]) == 2
    assert "not in the zoo: no-such-entry" in capsys.readouterr().err
    assert run.main(["solution", "--checks", "3b.answer", "--output", str(tmp_path)]) == 2
    assert "did you mean 3b.answers?" in capsys.readouterr().err


def test_verdicts_that_stay_are_bounded_and_their_histories_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(psutil.Process().children())
    arguments = ["--runs", "2", "--entries", "flow-without-states", *CHECKS, "--busy", "1"]
    assert flaky.main([*arguments, "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "each of the 2 verdicts that never changed: 0 of 2: below 1 at 95% (rule of three: 3/2)" in said
    assert "overall, grades with a changed verdict: 0 of 2" in said
    folder = tmp_path / "flow-without-states"
    assert (folder / "run-01" / "history").is_dir()
    assert (folder / "run-02" / "report.json").is_file()
    assert not (folder / "run-02" / "history").exists()
    assert json.loads((tmp_path / "flaky.json").read_text())["changed"] == []
    assert set(psutil.Process().children()) <= before
