"""``grader convert`` and ``grader gradebook``, as people call them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from grader.cli import main
from grader.report import BY_NAME, FORMATS, write_all, write_refusal
from tests.unit.any_report import HOSTILE, ONE_OF_EACH, OURS, PASSED, REFUSED


@pytest.fixture
def run(tmp_path: Path) -> Path:
    assert write_all(ONE_OF_EACH, tmp_path / "team-7") == []
    return tmp_path / "team-7"


def test_each_format_is_written_beside_the_report(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(run), "--format", ",".join(BY_NAME)]) == 0
    assert {path.name for path in run.iterdir()} == {*FORMATS, *(each.file for each in BY_NAME.values())}
    assert capsys.readouterr().out.splitlines() == [str(run / each.file) for each in BY_NAME.values()]


def test_one_format_goes_where_it_is_wanted(
    run: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["convert", str(run), "--format", "gradescope", "--output", str(tmp_path / "results.json")]) == 0
    assert main(["convert", str(run), "--format", "gradescope", "--output", "-"]) == 0
    assert capsysbinary.readouterr().out == (tmp_path / "results.json").read_bytes()
    assert not (run / "gradescope.json").exists()


def test_two_formats_do_not_fit_one_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(run), "--format", "ctrf,junit", "--output", "x"]) == 2
    assert "one format" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["jnuit", "", ",", "junit,jnuit", "html"])
def test_an_unknown_format_is_refused_with_those_that_there_are(
    wrong: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", str(run), "--format", wrong])
    assert ended.value.code == 2
    assert "gradescope" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_failure_of_the_environment(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "no" / "results.json"
    assert main(["convert", str(run), "--format", "ctrf", "--output", str(nowhere)]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_a_refusal_is_converted_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_refusal(REFUSED, tmp_path, ())
    assert main(["convert", str(tmp_path), "--format", "prairielearn", "--output", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["gradable"] is False


def test_a_class_is_one_table_with_a_row_for_everybody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = dataclasses.replace(PASSED, submission="starter")
    write_all(same, tmp_path / "ada")
    write_all(ONE_OF_EACH, tmp_path / "ben")
    write_refusal(REFUSED, tmp_path / "cyd", ())
    write_refusal(OURS, tmp_path / "dan", ())
    (tmp_path / "eve").mkdir()
    (tmp_path / "fay").mkdir()
    (tmp_path / "fay" / "report.json").write_text("{")
    (tmp_path / "notes.txt").write_text("not a run")
    assert main(["gradebook", str(tmp_path)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    seen = [(row["folder"], row["submission"], row["outcome"], row["score"]) for row in rows]
    assert seen == [
        ("ada", "starter", "pass", "4"),
        ("ben", "team-7", "error", ""),
        ("cyd", "team-7", "not graded", ""),
        ("dan", "team-7", "error", ""),
        ("eve", "", "not graded", ""),
        ("fay", "", "not graded", ""),
    ]
    assert rows[1]["2.health"] == "4"
    assert rows[0]["3b.burst"] == ""
    assert "did you mean" in rows[2]["remark"]
    assert [rows[1][word] for word in ("pass", "fail", "skipped", "inconclusive", "error")] == ["1"] * 5


def test_a_gradebook_goes_to_a_file_and_takes_single_runs(run: Path, tmp_path: Path) -> None:
    assert main(["gradebook", str(run), str(run), "--output", str(tmp_path / "grades.csv")]) == 0
    assert len((tmp_path / "grades.csv").read_text().splitlines()) == 2


def test_a_folder_without_runs_is_a_bad_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradebook", str(tmp_path)]) == 2
    assert main(["gradebook", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_folder_name_stays_a_cell(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "".join(letter for letter in text if letter not in "/\x00" and not "\ud800" <= letter <= "\udfff")[:50]
    write_all(PASSED, tmp_path / f"{name}-")
    assert main(["gradebook", str(tmp_path)]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""), strict=True)
    assert not row["folder"].startswith(("=", "+", "-", "@"))
