"""``grader explain``, and the page of all checkpoints that is made from the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.checkpoints import all_checks
from grader.checkpoints.explanation import explain
from grader.cli import main
from tests.zoo.submissions import all_wrong
from tests.zoo.typical import FILE, typical

PAGE = Path(__file__).parents[2] / "labs" / "checkpoints.md"


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_check_is_explained_within_eighty_columns(check: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", check.id]) == 0  # type: ignore[attr-defined]
    page = capsys.readouterr().out
    words = " ".join(page.split())
    each = explain(check)  # type: ignore[arg-type]
    for text in (
        each.check.sentence,
        each.check.why,
        each.check.hint,
        each.check.read,
        *each.scenarios,
        *each.faults,
    ):
        assert " ".join(text.split()) in words
    assert max(map(len, page.splitlines())) <= 80


def test_every_check_has_typical_faults_that_differ() -> None:
    for check in all_checks():
        faults = explain(check).faults
        assert 3 <= len(faults) <= 5, check.id
        assert len(set(faults)) == len(faults), check.id


def test_a_check_that_is_not_there_is_refused_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "3a.sigterm-finishes-tasks"]) == 2
    assert "did you mean 3a.sigterm-finishes-task?" in capsys.readouterr().err


def test_the_page_of_the_checkpoints_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8"), "run make checkpoints"


def test_the_typical_faults_are_those_of_the_zoo() -> None:
    assert FILE.read_text(encoding="utf-8") == typical(all_wrong()), "run make checkpoints"
