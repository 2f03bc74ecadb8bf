"""Reading a submission's files."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from grader.errors import BadSubmission
from grader.submission_files import Document, read_document, read_migration


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
