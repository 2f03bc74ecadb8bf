"""Which checks a fault can reach, and what the others come out as."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from grader.checkpoints import all_checks, select
from grader.declare import Check
from grader.history.timeline import History
from grader.judging import Take
from grader.model import PostgresInfo, Verdict
from grader.saved import Recording, Run, save
from tests.unit.histories import Story
from tests.zoo.reach import Base, base_of
from tests.zoo.submissions import SOLUTION, all_wrong, make_wrong

CHECKS = select(all_checks(), only=("2.health", "3a.starts", "3b.answers"))


def recorded(stories: Mapping[str, Story]) -> dict[str, Sequence[Take]]:
    """The story of each check, as the recording of each of its scenarios."""
    return {s.name: [Take(stories[c.id].history(), 1.0)] for c in CHECKS if c.id in stories for s in c.on}


TAKES = recorded({"2.health": Story().start("api"), "3a.starts": Story().start("worker-A")})
BASE = Base(SOLUTION, TAKES)


def reached(name: str, folder: Path, base: Base = BASE) -> list[str]:
    """The ids of the checks that the fault with this name can reach."""
    [entry] = [entry for entry in all_wrong() if entry.name == name]
    return [check.id for check in base.reached(make_wrong(entry, folder), CHECKS)]


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("blank-title-accepted", ["2.health", "3b.answers"]),  # of 3b.answers nothing is recorded here
        ("busy-flag-set-late", ["3a.starts", "3b.answers"]),
    ],
)
def test_a_fault_in_one_service_reaches_what_starts_that_service(
    name: str, checks: list[str], tmp_path: Path
) -> None:
    assert reached(name, tmp_path) == checks


def test_nothing_has_to_be_graded_again_for_a_copy_of_the_solution(tmp_path: Path) -> None:
    copy = shutil.copytree(SOLUTION, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    assert BASE.reached(Path(copy), CHECKS[:2]) == ()


def test_what_cannot_be_loaded_is_graded_whole(tmp_path: Path) -> None:
    assert BASE.reached(tmp_path, CHECKS) == CHECKS


def test_all_is_judged_from_the_faults_recordings_and_else_from_the_solutions(tmp_path: Path) -> None:
    checks: tuple[Check, ...] = select(all_checks(), only=["3a.starts", "3a.poll-interval"])
    whole = {s.name: [Take(History([]), 1.0)] for check in checks for s in check.on}
    # A worker that ends at once with status 3: judged from this run, and nothing can be said of how it shuts down.
    events = Story().start("worker-A").exit("worker-A", 0.5, status=3).events
    postgres = PostgresInfo("embedded", "18", "as asked")
    run = Run(
        lab="lab-03",
        submission="x",
        source=str(tmp_path),
        folder=str(tmp_path),
        isolation="self-check",
        postgres=postgres,
        seed=1,
        patience=1.0,
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=1.0,
        checks=("3a.starts",),
        complete=False,
        notes=(),
    )
    save(
        tmp_path, run, [Recording(s.name, events, 1.0, None) for c in checks if c.id == "3a.starts" for s in c.on]
    )
    results = Base(SOLUTION, whole).judged(tmp_path, checks)
    assert results["3a.starts"].verdict is Verdict.FAIL
    assert results["3a.poll-interval"].verdict is Verdict.SKIPPED
    assert set(base_of(SOLUTION, tmp_path).takes) == {s.name for s in checks[0].on}
