"""Reading a submission's files, and writing its durations."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from grader.errors import BadSubmission
from grader.submission import Document, DurationForm, format_duration, read_document, read_migration


def test_a_document_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"caf\xe9 and more")
    assert read_document(tmp_path, tmp_path / "a.md", 100) == Document(
        "caf\N{REPLACEMENT CHARACTER} and more", None
    )
    assert read_document(tmp_path, tmp_path / "a.md", 3) == Document("caf", None)


def test_what_cannot_be_read_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("secret")
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "link.md").symlink_to(outside / "a.md")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "fifo")
    assert "no such file" in str(read_document(folder, folder / "none.md", 9).problem)
    assert "no such file" in str(read_document(folder, folder / "none/none.md", 9).problem)
    assert "link" in str(read_document(folder, folder / "link.md", 9).problem)
    assert "link" in str(read_document(folder, folder / "linked/a.md", 9).problem)
    assert "not a regular file" in str(read_document(folder, folder, 9).problem)
    assert "not a regular file" in str(read_document(folder, folder / "fifo", 9).problem)
    assert "not a regular file" in str(read_document(Path("/dev"), Path(os.devnull), 9).problem)
    assert read_document(folder, folder / ("x" * 300), 9).problem


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    before = psutil.Process().num_fds()
    for name in ("none", "link", "link/hostname", "."):
        read_document(tmp_path, tmp_path / name, 9)
    assert psutil.Process().num_fds() == before


def test_a_migration_is_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "0001_a.up.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT 1;")
    assert read_migration(tmp_path, path) == "SELECT 1;"
    path.write_bytes(b"SELECT 1;\n-- \xe9")
    with pytest.raises(BadSubmission, match="not UTF-8 in line 2"):
        read_migration(tmp_path, path)
    path.write_bytes(b"-" * (1024 * 1024 + 1))
    with pytest.raises(BadSubmission, match="larger than"):
        read_migration(tmp_path, path)


@pytest.mark.parametrize(
    ("seconds", "form", "written"),
    [
        (0.25, "seconds", "0.25"),
        (0, "seconds", "0"),
        (0.0, "seconds", "0"),
        (2.0, "seconds", "2"),
        (300, "seconds", "300"),
        (0.00001, "seconds", "0.00001"),
        (1e16, "seconds", "10000000000000000"),
        (0.25, "go", "250ms"),
        (0.0005, "go", "0.5ms"),
        (0, "go", "0s"),
        (0.0, "go", "0s"),
        (2, "go", "2s"),
        (1.5, "go", "1.5s"),
        (60, "go", "1m"),
        (90, "go", "1m30s"),
        (3600, "go", "1h"),
        (3661.25, "go", "1h1m1.25s"),
        (-0.25, "go", "-250ms"),
    ],
)
def test_durations_are_exact(seconds: float, form: DurationForm, written: str) -> None:
    assert format_duration(seconds, form) == written


@pytest.mark.parametrize("form", ["seconds", "go"])
@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_what_is_no_duration_is_not_written(seconds: float, form: DurationForm) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        format_duration(seconds, form)
