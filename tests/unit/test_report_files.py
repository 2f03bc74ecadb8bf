"""Every file of a report: the data first, each whole or not at all, none stopped by another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.files import write_atomically
from grader.model import CheckResult, PostgresInfo, Report, Verdict
from grader.report import FORMATS, read_json, write_all

REPORT = Report(
    "Lab 03",
    "team-7",
    (CheckResult("2.read", "2", "It reads.", Verdict.PASS, 2, 2),),
    "self-check",
    PostgresInfo("given", "17.2", "its URL was given"),
    1,
    "2025-03-04T10:11:12Z",
    3.0,
)


def test_every_format_is_written_and_the_data_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "team-7"
    assert write_all(REPORT, folder) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(FORMATS)
    assert read_json(folder / "report.json") == REPORT
    assert next(iter(FORMATS)) == "report.json"


def test_a_renderer_that_crashes_stops_no_other(tmp_path: Path) -> None:
    def crash(report: Report) -> str:
        raise RuntimeError("broken\nin two lines\x1b[2J")

    problems = write_all(REPORT, tmp_path, {"a.txt": crash, "b.txt": lambda report: report.submission})
    assert problems == ["a.txt was not written: RuntimeError: broken in two lines"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_folder_that_cannot_be_made_is_a_problem_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    problems = write_all(REPORT, tmp_path / "file")
    assert [problem.split()[0] for problem in problems] == list(FORMATS)


def test_a_file_is_replaced_whole_and_its_old_text_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    write_atomically(path, "new\n")
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_files_place_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "report.json").symlink_to(target)
    write_atomically(tmp_path / "report.json", "new")
    assert target.read_text() == "untouched"
    assert not (tmp_path / "report.json").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_report_is_as_readable_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write_atomically(tmp_path / "report.json", "new")
    assert (tmp_path / "report.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_jinja2_is_loaded_for_the_page_alone() -> None:
    code = "import sys, grader.report; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
