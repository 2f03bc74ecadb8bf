"""What ``grader grade`` leaves behind where there is nothing to report on, and what it prints where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from grader.cli import main
from grader.commands import grade
from grader.report import write_all
from tests.unit.any_report import PASSED


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """One whose manifest cannot be read."""
    folder = tmp_path / "team-7"
    folder.mkdir()
    (folder / "flowforge.toml").write_text('wroker = "x"')
    return folder


def test_a_submission_that_cannot_be_graded_has_its_reason_in_every_format_and_no_old_report(
    submission: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    write_all(PASSED, output)
    assert main(["grade", str(submission), "--output", str(output), "--format", "gradescope,junit"]) == 2
    assert {path.name for path in output.iterdir()} == {"refused.json", "gradescope.json", "junit.xml"}
    refused = json.loads((output / "refused.json").read_text())
    assert refused["ours"] is False
    assert refused["reason"] in capsys.readouterr().err
    assert json.loads((output / "gradescope.json").read_text())["score"] == 0


def test_a_folder_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    assert main(["grade", str(tmp_path / "taem-7"), "--output", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_bad_call_touches_no_report(submission: Path, tmp_path: Path) -> None:
    (submission / "flowforge.toml").write_text('[api]\ncommand = ["true"]\n[worker]\ncommand = ["true"]\n')
    write_all(PASSED, tmp_path / "out")
    assert main(["grade", str(submission), "--output", str(tmp_path / "out"), "--only", "9.none"]) == 2
    assert (tmp_path / "out" / "report.json").exists()


def test_a_bug_of_the_grader_is_never_the_status_of_a_failed_submission(
    submission: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> int:
        raise KeyError("surprise")

    monkeypatch.setattr(grade, "grade", broken)
    assert main(["grade", str(submission)]) == 3
    assert "nothing of it counts against the submission" in capsys.readouterr().err


def test_github_takes_nothing_of_what_is_printed_for_a_command(
    submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    tokens = set()
    for _ in range(2):
        assert main(["grade", str(submission), "--output", str(tmp_path / "out")]) == 2
        first, *_between, last = capsys.readouterr().out.splitlines()
        stopped = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", first)
        assert stopped
        assert last == f"::{stopped[1]}::"
        tokens.add(stopped[1])
    assert len(tokens) == 2


def test_elsewhere_nothing_is_printed_for_github(
    submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    main(["grade", str(submission), "--output", str(tmp_path / "out")])
    assert "::" not in capsys.readouterr().out
