"""What ``grader grade`` leaves behind where there is nothing to report on, and what it prints where."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grader.cli import main
from grader.commands import grade
from grader.model import CheckResult, Verdict
from grader.report import read_json, write_all
from grader.saved import load
from tests.unit.any_report import PASSED, POSTGRES
from tests.unit.test_saved import recordings


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


# ---------------------------------------------------------------- once it was run


@pytest.fixture
def run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Every check passes, without a server or services; what is added to the list happens while they run."""
    meanwhile: list[Callable[[], object]] = []

    @contextmanager
    def stage(*_arguments: Any, **_more: Any) -> Iterator[SimpleNamespace]:
        around = SimpleNamespace(patience=1.0)
        yield SimpleNamespace(around=around, databases=None, isolation="self-check", postgres=POSTGRES)

    class Runner:
        def __init__(self, *, checks: Any, around: Any, stalls: Any, seed: int, **_more: Any) -> None:
            self.checks, self.around, self.stalls, self.seed = checks, around, stalls, seed
            self.recordings, self.takes = recordings(), dict[str, Any]()

        def run(self) -> dict[str, CheckResult]:
            for happens in meanwhile:
                happens()
            return {c.id: CheckResult(c.id, c.part, c.sentence, Verdict.PASS, 1, 1) for c in self.checks}

    monkeypatch.setattr(grade, "stage", stage)
    monkeypatch.setattr(grade, "Runner", Runner)
    return meanwhile


@pytest.fixture
def sound(submission: Path) -> Path:
    """A submission with services."""
    (submission / "flowforge.toml").write_text('[api]\ncommand = ["true"]\n[worker]\ncommand = ["true"]\n')
    return submission


def test_a_run_that_cannot_be_saved_loses_no_verdict_and_ends_with_three(
    sound: Path, tmp_path: Path, run_meanwhile: list[Callable[[], object]], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    run_meanwhile.append(lambda: (output / "history").write_text("in the way"))
    assert main(["grade", str(sound), "--output", str(output)]) == 3
    assert {check.verdict for check in read_json(output / "report.json").checks} == {Verdict.PASS}
    assert not (output / "run.json").exists()
    assert "the run was not saved: " in " ".join(capsys.readouterr().out.split())


def test_an_output_folder_that_goes_away_meanwhile_is_made_again(
    sound: Path, tmp_path: Path, run_meanwhile: list[Callable[[], object]]
) -> None:
    output = tmp_path / "out"
    run_meanwhile.append(output.rmdir)
    assert main(["grade", str(sound), "--output", str(output)]) == 0
    assert load(output)[0].submission == "team-7"


@pytest.mark.usefixtures("run_meanwhile")
def test_a_run_knows_the_archive_that_it_came_from_and_not_where_that_was_unpacked(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "smith.zip", "w") as archive:
        archive.write(sound / "flowforge.toml", "flowforge.toml")
    monkeypatch.chdir(tmp_path)
    assert main(["grade", "smith.zip", "--output", "out"]) == 0
    run, _takes = load(tmp_path / "out")
    assert (run.submission, run.source, run.folder) == ("smith", "smith.zip", str(tmp_path / "smith.zip"))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".zip"])
def test_a_submission_whose_name_is_too_long_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1
