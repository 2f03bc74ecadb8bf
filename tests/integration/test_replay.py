"""What broke a check, run again; and the schedules of a submission: whole commands on submissions of the zoo."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.zoo.submissions import all_wrong, make_wrong

ROOT = Path(__file__).parents[2]


def grader(*arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *map(str, arguments)],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
    )


def graded(name: str, check: str, place: Path) -> tuple[Path, Path]:
    """The folder of a wrong submission, and that of a run in which it failed a check."""
    folder = make_wrong(next(entry for entry in all_wrong() if entry.name == name), place)
    done = grader("grade", folder, "--postgres", "embedded", "--output", place / "run", "--only", check)
    assert result(place / "run")["verdict"] == "fail", done.stdout + done.stderr
    return folder, place / "run"


def result(run: Path) -> dict[str, object]:
    [check] = json.loads((run / "report.json").read_text())["checks"]
    assert isinstance(check, dict)
    return check


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return graded("rescue-by-id", "3b.interleavings", tmp_path_factory.mktemp("race"))


def test_a_schedule_that_broke_a_rule_breaks_it_again_and_is_shown_step_by_step(race: tuple[Path, Path]) -> None:
    done = grader("replay", race[1], "3b.interleavings", "--postgres", "embedded")
    assert done.returncode == 1, done.stderr
    assert "completed → pending" in done.stdout
    assert "It broke again" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout


def test_with_pause_every_step_waits_for_enter(race: tuple[Path, Path]) -> None:
    done = grader("replay", race[1], "3b.interleavings", "--pause", "--postgres", "embedded", typed="\n" * 40)
    example = result(race[1])["counterexample"]
    assert isinstance(example, dict)
    assert done.stdout.count("next: ") == len(example["schedule"].split())


def test_a_mended_submission_holds_when_the_schedule_is_replayed_on_it(
    race: tuple[Path, Path], tmp_path: Path
) -> None:
    done = grader("replay", race[1], "3b.interleavings", "--folder", ROOT / "solution", "--postgres", "embedded")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every rule held" in done.stdout


def test_judging_the_saved_run_again_finds_the_same_counterexample(
    race: tuple[Path, Path], tmp_path: Path
) -> None:
    grader("judge", race[1], "--output", tmp_path)
    again, before = result(tmp_path), result(race[1])
    assert again["verdict"] == "fail"
    assert again["counterexample"] == before["counterexample"]
    assert before["counterexample"]["replays"] == 3  # type: ignore[index]
    assert "preemption" in str(before["coverage"])


def test_a_signal_at_a_point_is_replayed_too(tmp_path: Path) -> None:
    _, run = graded("busy-flag-set-late", "x.signal-points", tmp_path)
    done = grader("replay", run, "x.signal-points", "--postgres", "embedded")
    assert done.returncode == 1, done.stderr
    assert "SIGTERM" in done.stdout
    assert "is left processing" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("3b.two-workers",), "nothing broke 3b.two-workers"),
        (("3b.interleaving",), "did you mean 3b.interleavings"),
        (("3b.interleavings", "--folder", "/nowhere/at/all"), "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_one_line(
    race: tuple[Path, Path], arguments: tuple[str, ...], says: str
) -> None:
    done = grader("replay", race[1], *arguments, "--postgres", "embedded")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_submission_that_is_gone_is_named(race: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(race[1], tmp_path / "run"))
    fields = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**fields, "folder": str(tmp_path / "gone")}))
    done = grader("replay", run, "3b.interleavings")
    assert done.returncode == 2
    assert str(tmp_path / "gone") in done.stderr


def test_the_steps_and_the_schedules_of_a_submission_are_printed() -> None:
    done = grader("schedules", "solution", "--postgres", "embedded")
    assert done.returncode == 0, done.stderr
    assert "SKIP LOCKED" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if line.startswith("   "))
    assert "   1  A A A A A A A A B B" in done.stdout
    assert "8 schedules; " in done.stdout


def test_a_submission_that_cannot_be_walked_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "flowforge.toml").write_text("[api]\ncommand = ['true']\n[worker]\ncommand = ['true']\n")
    done = grader("schedules", tmp_path, "--postgres", "embedded")
    assert done.returncode == 2
    assert "sent no statement" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
