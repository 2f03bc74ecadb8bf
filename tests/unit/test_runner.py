"""Which scenarios a run drives, how often, and what comes of checks that build on others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grader.declare import Check, Scenario, check, scenario
from grader.history.events import Moment
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Verdict
from grader.runner import Runner
from grader.saved import Recording

READ = "labs/lab-03-worker-service.md#configuration-at-start"


@scenario(seconds=2)
def first(lab: Lab) -> None:
    """The first."""


@scenario(seconds=1)
def second(lab: Lab) -> None:
    """The second."""


@check("3a.first", points=1, on=first, hint="A hint.", read=READ)
def seen(history: History) -> Judgement:
    """It was seen.

    It matters.
    """
    need(history.moment("seen"), "it was not seen")
    return holds("seen")


@check("3a.second", points=1, on=second, after=seen, hint="A hint.", read=READ)
def seen_again(history: History) -> Judgement:
    """It was seen again.

    It matters.
    """
    need(history.moment("seen"), "it was not seen")
    return holds("seen")


@check("3a.early", points=1, on=first, hint="A hint.", read=READ)
def seen_early(history: History) -> Judgement:
    """It was seen early.

    It matters.
    """
    return holds("seen") if history.moment("seen") else broken(expected="to see it", observed="it was not seen")


class Silent:
    """A progress that nobody looks at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: None


def run(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    checks: tuple[Check, ...],
    seen_in: dict[str, list[bool]],
    jobs: int,
    patience: float = 1.0,
) -> tuple[dict[str, Verdict], list[str]]:
    """The verdicts, and the scenarios in the order in which they were driven.

    ``seen_in``: for each time that a scenario is driven whether what its check needs is seen. ``patience`` is what
    the machine needs after the first times.
    """
    driven: list[str] = []

    def record(self: Runner, each: Scenario) -> Recording:
        times = driven.count(each.name)
        driven.append(each.name)
        events = [Moment(at=1.0, name="seen", detail={})] if seen_in[each.name][times] else []
        return Recording(each.name, tuple(events), 1.0, None, self.around.patience)

    monkeypatch.setattr(Runner, "_record", record)
    around: Any = SimpleNamespace(submission=SimpleNamespace(folder=folder), patience=1.0)
    monkeypatch.setattr(
        "grader.runner.replace", lambda around, **changed: SimpleNamespace(**{**vars(around), **changed})
    )
    nothing: Any = None
    runner = Runner(
        checks=checks,
        around=around,
        databases=nothing,
        clock=nothing,
        stalls=nothing,
        seed=1,
        jobs=jobs,
        progress=Silent(),
        measure_patience=lambda: patience,
    )
    return {name: result.verdict for name, result in runner.run().items()}, driven


CHECKS = (seen, seen_again)


def test_each_scenario_is_driven_once_where_all_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    verdicts, driven = run(monkeypatch, tmp_path, CHECKS, {"first": [True], "second": [True]}, jobs=1)
    assert verdicts == {"3a.first": Verdict.PASS, "3a.second": Verdict.PASS}
    assert driven == ["first", "second"]


def test_what_is_inconclusive_is_driven_once_more_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verdicts, driven = run(monkeypatch, tmp_path, CHECKS, {"first": [False, False], "second": [True]}, jobs=1)
    assert verdicts == {"3a.first": Verdict.INCONCLUSIVE, "3a.second": Verdict.SKIPPED}
    assert driven == ["first", "first"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_builds_on_a_check_that_came_out_well_the_second_time_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: int
) -> None:
    times = {"first": [False, True], "second": [True, True]}
    verdicts, driven = run(monkeypatch, tmp_path, CHECKS, times, jobs)
    assert verdicts == {"3a.first": Verdict.PASS, "3a.second": Verdict.PASS}
    assert driven.count("first") == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_turns_out_to_be_unclear_only_then_is_driven_once_more_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: int
) -> None:
    times = {"first": [False, True], "second": [False, True]}
    verdicts, driven = run(monkeypatch, tmp_path, CHECKS, times, jobs)
    assert verdicts == {"3a.first": Verdict.PASS, "3a.second": Verdict.PASS}
    assert sorted(driven) == ["first", "first", "second", "second"]


@pytest.mark.parametrize(
    ("patience", "again", "verdict"),
    [
        (1.9, [True], Verdict.FAIL),
        (2.0, [True], Verdict.INCONCLUSIVE),
        (2.0, [False], Verdict.FAIL),
    ],
)
def test_what_failed_is_driven_again_where_a_load_has_come_since(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, patience: float, again: list[bool], verdict: Verdict
) -> None:
    verdicts, driven = run(monkeypatch, tmp_path, (seen_early,), {"first": [False, *again]}, 1, patience)
    assert verdicts == {"3a.early": verdict}
    assert len(driven) == (1 if patience < 2 else 2)
