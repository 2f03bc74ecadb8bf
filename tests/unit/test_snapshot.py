from __future__ import annotations

import shutil
from pathlib import Path

from grader.snapshot import Snapshot


def submission(folder: Path) -> Path:
    made = folder / "smith"
    for name in ("api/main.py", "worker/main.py", "worker/__pycache__/main.pyc", "flowforge.toml"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("x")
    return made


def test_nothing_is_missing_of_what_is_there(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    snapshot = Snapshot(folder)
    (folder / "new.txt").write_text("x")
    (folder / "flowforge.toml").write_text("changed")
    assert snapshot.missing() is None


def test_a_file_that_was_taken_away_is_named(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    snapshot = Snapshot(folder)
    (folder / "worker/main.py").unlink()
    assert snapshot.missing() == "worker/main.py"


def test_what_tools_remove_is_not_missed(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    snapshot = Snapshot(folder)
    shutil.rmtree(folder / "worker/__pycache__")
    assert snapshot.missing() is None


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    snapshot = Snapshot(folder)
    shutil.rmtree(folder)
    assert snapshot.missing() == str(folder)


def test_a_very_large_folder_is_looked_at_in_part(tmp_path: Path) -> None:
    for number in range(2100):
        (tmp_path / f"{number:04}").touch()
    snapshot = Snapshot(tmp_path)
    (tmp_path / "2099").unlink()
    assert snapshot.missing() is None
    (tmp_path / "0000").unlink()
    assert snapshot.missing() == "0000"
