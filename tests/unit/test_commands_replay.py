"""Where ``grader replay`` takes the submission from: from where it came from when it was graded, or from elsewhere."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from grader.checkpoints import all_checks, select
from grader.cli import main
from grader.commands import replay
from grader.errors import BadCall
from grader.saved import Recording, save
from grader.submission import Submission
from tests.unit.histories import Story
from tests.unit.test_saved import RUN

CHECK = "3b.interleavings"
MANIFEST = '[api]\ncommand = ["true"]\n[worker]\ncommand = ["true"]\n'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A saved run of ``smith.zip``, in which a schedule broke the check."""
    [check] = select(all_checks(), only=[CHECK])
    broken = Story().note("counterexample", 1.0, recipe={}).events
    graded = replace(RUN, source="smith.zip", folder=str(zipped(tmp_path / "smith.zip")))
    save(tmp_path / "run", graded, [Recording(scenario.name, broken, 1.0, None) for scenario in check.on])
    return tmp_path / "run"


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flowforge.toml", MANIFEST)
    return path


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[Submission]:
    """The submissions that were set up; nothing of them is run."""
    seen: list[Submission] = []

    @contextmanager
    def stage(submission: Submission, *_arguments: object) -> Iterator[None]:
        assert (submission.folder / "flowforge.toml").is_file()
        seen.append(submission)
        raise BadCall("enough")
        yield

    monkeypatch.setattr(replay, "stage", stage)
    return seen


def test_an_archive_is_unpacked_again_and_gone_afterwards(run: Path, staged: list[Submission]) -> None:
    assert main(["replay", str(run), CHECK]) == 2
    [submission] = staged
    assert submission.name == "smith"
    assert not submission.folder.exists()


def test_the_submission_may_be_an_archive_elsewhere(run: Path, tmp_path: Path, staged: list[Submission]) -> None:
    assert main(["replay", str(run), CHECK, "--folder", str(zipped(tmp_path / "mended.zip"))]) == 2
    assert [submission.name for submission in staged] == ["mended"]


def test_an_archive_that_is_gone_is_named_in_one_line(
    run: Path, tmp_path: Path, staged: list[Submission], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "smith.zip").unlink()
    assert main(["replay", str(run), CHECK]) == 2
    told = capsys.readouterr().err
    assert told == f"grader: {tmp_path}/smith.zip: cannot be read: No such file or directory\n"
    assert staged == []
