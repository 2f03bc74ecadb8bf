"""What scenarios note, in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from grader.history.timeline import SCENARIO_OVER
from grader.report.chart.moments import WORDS, moment_words


def test_the_words_of_a_moment_fit_wherever_it_is_noted() -> None:
    noted = list(_noted())
    assert {name for name, _ in noted} >= set(WORDS) - {SCENARIO_OVER}
    fit = {name: {field for _, field, _, _ in Formatter().parse(words) if field} for name, words in WORDS.items()}
    assert not [(name, keys) for name, keys in noted if None not in keys and not fit.get(name, set()) <= keys]


def _noted() -> Iterator[tuple[str, set[str | None]]]:
    """Every moment that the grader's source notes by name, with its details; None among them for ``**``."""
    for path in (Path(__file__).parents[2] / "grader").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(attr="note"), [ast.Constant(str(name))], keywords):
                    yield name, {keyword.arg for keyword in keywords}


def test_what_was_held_of_a_worker_that_works_on_is_not_called_a_claim() -> None:
    assert moment_words("let-go", {}) == "the grader lets what it held back go on"


def test_a_moment_of_another_version_is_told_with_what_it_says() -> None:
    assert moment_words("aged", {"task": "1", "seconds": None}) == "aged: task 1"
