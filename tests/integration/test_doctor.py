"""``grader doctor`` on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cli import main


def test_the_doctor_starts_the_server_that_a_grade_would_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--postgres", "embedded", "--output", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()
    subjects = [row[8:20].strip() for row in rows[:-1]]
    assert len(subjects) == len(set(subjects)) == 13
    [server] = [row for row in rows if "PostgreSQL" in row[8:20]]
    assert "embedded: as asked" in server
    assert rows[-1] == "a grade works here"
