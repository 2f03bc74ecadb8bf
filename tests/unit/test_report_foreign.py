"""A report that a stranger may have written is believed only where it is one."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import BadCall
from grader.report import BY_NAME, read_graded, render_json, to_json, write_all, write_refusal
from grader.report.foreign import MOST_CHECKS
from tests.unit.any_report import HOSTILE, ONE_OF_EACH, OURS, REFUSED, SOME, hostile_report, report

WRONG: list[tuple[tuple[str | int, ...], Any]] = [
    (("submission",), 7),
    (("seed",), "4711"),
    (("seed",), 1.5),
    (("seed",), True),
    (("seed",), 10**30),
    (("complete",), "yes"),
    (("duration_s",), None),
    (("duration_s",), 1e300),
    (("notes",), [1]),
    (("notes",), None),
    (("postgres", "version"), []),
    (("postgres",), "18"),
    (("checks",), {"a": 1}),
    (("checks",), "abc"),
    (("checks", 0, "id"), None),
    (("checks", 0, "points"), "4"),
    (("checks", 0, "points"), True),
    (("checks", 0, "verdict"), "excellent"),
    (("checks", 1, "evidence"), [{"at": "now", "text": "", "service": None}]),
    (("checks", 1, "evidence"), [None]),
    (("checks", 1, "counterexample"), []),
    (("checks", 1, "counterexample", "lanes"), [1]),
    (("checks", 1, "counterexample", "steps", 0, "changes"), 3),
]


def changed(path: tuple[str | int, ...], value: Any) -> str:
    fields = to_json(ONE_OF_EACH)
    place: Any = fields
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(fields)


def test_a_report_is_read_from_its_folder_or_its_file(tmp_path: Path) -> None:
    assert write_all(ONE_OF_EACH, tmp_path) == []
    assert read_graded(tmp_path) == read_graded(tmp_path / "report.json") == ONE_OF_EACH


@pytest.mark.parametrize("refusal", [REFUSED, OURS])
def test_where_there_is_no_report_its_reason_is_read(refusal: Any, tmp_path: Path) -> None:
    assert write_refusal(refusal, tmp_path, ()) == []
    assert read_graded(tmp_path) == refusal


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_value_of_another_type_is_refused(path: tuple[str | int, ...], value: Any, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(changed(path, value))
    with pytest.raises(BadCall, match="not a report that can be read") as caught:
        read_graded(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"schema": "grader/report/2"}',
        changed(("seed",), 1).replace("83.4", "NaN"),
        changed(("seed",), 1).replace("83.4", "Infinity"),
        "\xff",
    ],
    ids=range(9),
)
def test_what_is_no_report_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadCall) as caught:
        read_graded(tmp_path)
    assert "\n" not in str(caught.value)


def test_too_many_checks_are_refused(tmp_path: Path) -> None:
    many = report(*ONE_OF_EACH.checks * (MOST_CHECKS // 5 + 1))
    assert write_all(many, tmp_path, {"report.json": render_json}) == []
    with pytest.raises(BadCall, match="more than"):
        read_graded(tmp_path)


def test_no_link_is_followed_and_nothing_waited_for(tmp_path: Path) -> None:
    write_all(ONE_OF_EACH, tmp_path / "other")
    (tmp_path / "report.json").symlink_to(tmp_path / "other" / "report.json")
    with pytest.raises(BadCall):
        read_graded(tmp_path)
    (tmp_path / "report.json").unlink()
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(BadCall, match="not a regular file"):
        read_graded(tmp_path)


def test_a_folder_without_a_report_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="--output"):
        read_graded(tmp_path)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_report_that_is_one_can_be_given_to_every_format(text: str, tmp_path: Path) -> None:
    write_all(hostile_report(text), tmp_path, {"report.json": render_json})
    graded = read_graded(tmp_path)
    assert write_all(graded, tmp_path, {each.file: each.render for each in BY_NAME.values()}) == []  # type: ignore[arg-type]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@SOME
@given(path=st.sampled_from([path for path, _ in WRONG]), value=_JSON)
def test_any_value_anywhere_gives_a_report_for_every_format_or_is_refused(
    path: tuple[str | int, ...], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "report.json").write_text(changed(path, value))
    with suppress(BadCall):
        graded = read_graded(folder)
        for each in BY_NAME.values():
            each.render(graded)  # type: ignore[arg-type]
