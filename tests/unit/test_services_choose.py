"""Which level of isolation a run gets, and that it was tried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.errors import EnvironmentFailed
from grader.services import bubblewrap
from grader.services.choose import IsolationChoice, Wanted, choose, plain
from grader.services.isolation import Level
from grader.services.limits import Limits
from grader.services.plain import Plain
from grader.services.probe import probe


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for step in (tmp_path, *tmp_path.parents[:2]):
        step.chmod(0o711)
    return tmp_path


@contextmanager
def chosen(choice: IsolationChoice, place: Path) -> Iterator[tuple[Level, list[str]]]:
    told: list[str] = []
    isolation = choose(choice, place, told.append)
    try:
        yield isolation.level, told
    finally:
        isolation.sweep()
    assert list(place.iterdir()) == []


@pytest.fixture
def without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_TOOLS", ("bwrap-that-is-not-there",))


def test_the_strongest_that_works_is_taken(place: Path) -> None:
    with chosen(IsolationChoice(), place) as (level, told):
        assert level is Level.BUBBLEWRAP
        assert told == []


@pytest.mark.usefixtures("without_bubblewrap")
def test_a_weaker_one_is_taken_aloud(place: Path) -> None:
    with chosen(IsolationChoice(), place) as (level, told):
        assert level is Level.SELF_CHECK
        assert len(told) == 1
        assert "self-check only" in told[0]
        assert "is not installed" in told[0]


@pytest.mark.usefixtures("without_bubblewrap")
@pytest.mark.parametrize("wanted", ["auto", "bubblewrap", "self-check"])
def test_less_than_what_is_required_is_refused_with_what_to_do(wanted: Wanted, place: Path) -> None:
    with pytest.raises(EnvironmentFailed) as refused:
        choose(IsolationChoice(wanted, required=Level.BUBBLEWRAP), place, lambda _line: None)
    assert refused.value.exit_status == 3
    assert "\n" not in str(refused.value)
    assert "install" in str(refused.value)


@pytest.mark.usefixtures("without_bubblewrap")
def test_what_was_asked_for_is_not_replaced(place: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="bubblewrap does not work here"):
        choose(IsolationChoice("bubblewrap"), place, lambda _line: None)


def test_more_than_what_is_required_is_taken(place: Path) -> None:
    with chosen(IsolationChoice("bubblewrap", required=Level.SELF_CHECK), place) as (level, _):
        assert level is Level.BUBBLEWRAP


def test_a_level_that_does_not_hold_what_it_promises_is_found_out(place: Path) -> None:
    class Pretender(Plain):
        level = Level.BUBBLEWRAP

    with pytest.raises(EnvironmentFailed, match="bubblewrap does not hold on this machine: it "):
        probe(Pretender(Limits()), place)


def test_the_weakest_level_is_tried_as_well(place: Path) -> None:
    isolation = plain(Limits())
    probe(isolation, place)
    isolation.sweep()
