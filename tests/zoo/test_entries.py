"""Every entry of the zoo is complete, says what can be true, and can be made into a folder that runs."""

from __future__ import annotations

import compileall
import re
import sys
from pathlib import Path

import pytest

from grader.checkpoints import all_checks
from grader.checkpoints.documents import QUESTIONS, STATES, answers
from grader.submission import load_submission
from tests.zoo import grading
from tests.zoo.submissions import (
    SOLUTION,
    ZOO,
    Need,
    Right,
    Wrong,
    all_right,
    all_wrong,
    make_right,
    make_wrong,
    missing,
)

CHECKS = {check.id for check in all_checks()} | {"3b.interleavings", "3b.crash-points", "x.signal-points"}

WRONG = [pytest.param(entry, id=entry.name) for entry in all_wrong()]
RIGHT = [pytest.param(entry, id=entry.name) for entry in all_right()]


def test_each_fault_is_there_once() -> None:
    ids = [entry.id for entry in all_wrong()]
    assert sorted(set(ids)) == sorted(ids)
    assert ids, "no faults at all"


@pytest.mark.parametrize("entry", WRONG)
def test_a_fault_is_expected_to_fail_checks_that_exist(entry: Wrong) -> None:
    assert re.fullmatch(r"[A-Z]\d\d", entry.id)
    assert entry.must_fail, "it must fail something"
    assert entry.must_fail | entry.may_fail <= CHECKS
    assert not entry.must_fail & entry.may_fail
    assert entry.why.endswith(".")


@pytest.mark.parametrize("entry", WRONG)
def test_a_fault_fits_the_solution_and_changes_it(entry: Wrong, tmp_path: Path) -> None:
    made = make_wrong(entry, tmp_path)
    assert load_submission(made).worker
    assert compileall.compile_dir(made, quiet=1)
    assert _sources(made) != _sources(SOLUTION)
    assert not list(made.rglob("*.rej"))


@pytest.mark.parametrize("entry", RIGHT)
def test_a_right_submission_can_be_loaded(entry: Right, tmp_path: Path) -> None:
    if (absent := missing(entry.needs)) is not None:
        pytest.skip(absent)
    made = make_right(entry, tmp_path)
    submission = load_submission(made)
    assert submission.worker
    assert submission.api
    assert compileall.compile_dir(made, quiet=1)
    assert not (made / "expected.toml").exists()


@pytest.mark.parametrize("entry", RIGHT)
def test_a_right_submission_forgoes_checks_that_exist_and_says_why(entry: Right) -> None:
    assert entry.api in ("solution", "own")
    assert set(entry.forgoes) <= CHECKS
    assert all(len(reason) > 20 for reason in entry.forgoes.values())


@pytest.mark.parametrize("entry", RIGHT)
def test_a_right_submission_has_documents_of_its_own(entry: Right) -> None:
    answered = answers((entry.folder / "answers" / "lab-03.md").read_text())
    assert set(answered) == set(QUESTIONS)
    copied = answers((SOLUTION / "answers" / "lab-03.md").read_text())
    assert not set(answered.values()) & set(copied.values())
    flow = (entry.folder / "docs" / "data-flow.md").read_text()
    assert all(re.search(pattern, flow) for pattern in STATES.values())


def test_what_the_machine_lacks_is_told_with_the_packages_that_have_it() -> None:
    there = Need((sys.executable, "-c", ""), "python3")
    absent = Need(("no-such-program", "--version"), "no-such-package")
    broken = Need((sys.executable, "-c", "raise SystemExit(1)"), "another-package")
    assert missing([]) is missing([there]) is None
    assert missing([there, absent]) == "'no-such-program --version' does not run here; install no-such-package"
    told = missing([absent, broken])
    assert told is not None
    assert told.endswith("does not run here; install no-such-package, another-package")


def test_no_grade_is_begun_without_what_the_submission_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(grading, "missing", lambda _: "'go version' does not run here; install golang-go")
    [subject] = grading.named(["held-transaction"], grading.subjects())
    found = grading.graded(subject, tmp_path / "output", grading.Call(), grading.Processes(), fresh=True)
    assert found.problem == "'go version' does not run here; install golang-go"
    assert not (tmp_path / "output").exists()


def test_nothing_else_is_in_the_zoo() -> None:
    expected = {"fault.patch", "expected.toml"}
    for folder in (ZOO / "wrong").iterdir():
        assert {path.name for path in folder.iterdir()} == expected, folder.name


def _sources(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.suffix in (".md", ".py", ".sql"))
    return {str(path.relative_to(folder)): path.read_text() for path in files}
