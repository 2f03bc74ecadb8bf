"""From a run to its reports: the ways on from there work, and a run that cannot be saved is told all the same."""

from __future__ import annotations

import io
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from grader.checkpoints import all_checks, select
from grader.commands.reporting import again, keep, publish, replay
from grader.model import CheckResult, Counterexample, Verdict
from grader.report import read_json
from grader.saved import Run, load
from tests.unit.test_saved import RUN, recordings

CHECK = "3b.interleavings"
ROOT = Path(__file__).parents[2]
FAILED = CheckResult(
    CHECK, "3b", "It holds.", Verdict.FAIL, 0, 4, counterexample=Counterexample(("A",), (), "", "it broke", "A", 3)
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the grader is called, and not by make."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    return tmp_path


@pytest.fixture
def by_make(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")


# ---------------------------------------------------------------- the commands that are printed


@pytest.mark.parametrize(
    "source",
    ["ada", "path/to/ada", "../our class/ada's", "smith.tar.gz", "https://host/ada.git#final", "x/$HOME;ls"],
)
@pytest.mark.usefixtures("place")
def test_the_command_that_runs_a_check_again_names_the_submission_as_the_call_did(source: str) -> None:
    words = shlex.split(again(source, CHECK))
    assert words == ["grader", "grade", source, "--only", CHECK]


@pytest.mark.usefixtures("place")
def test_the_command_that_replays_names_the_folder_of_the_run() -> None:
    words = shlex.split(replay(Path("our class/ada"), "3b.interleavings"))
    assert words == ["grader", "replay", "our class/ada", "3b.interleavings", "--pause"]


@pytest.mark.usefixtures("by_make")
def test_who_called_make_is_told_to_call_make() -> None:
    assert again("starter", CHECK) == "make grade CHECK=3b.interleavings"
    assert again("path/to/ada/", CHECK) == "make grade CHECK=3b.interleavings TARGET=path/to/ada/"
    assert replay(Path("reports/starter"), CHECK) == "make replay CHECK=3b.interleavings"
    assert (
        replay(Path("reports/class/ada"), CHECK) == "make replay CHECK=3b.interleavings OUTPUT=reports/class/ada"
    )


@pytest.mark.usefixtures("by_make")
def test_what_make_cannot_pass_on_is_for_the_grader_where_make_has_put_it() -> None:
    assert again("our class/ada", CHECK) == ".venv/bin/grader grade 'our class/ada' --only 3b.interleavings"
    assert (
        replay(Path("our class/ada"), CHECK) == ".venv/bin/grader replay 'our class/ada' 3b.interleavings --pause"
    )


@pytest.mark.parametrize("run", ["reports/starter", "reports/solution", "reports/class/ada"])
def test_make_replays_the_run_that_it_was_told_of(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    words = shlex.split(replay(Path(run), CHECK))
    done = subprocess.run(
        [*words, "--dry-run", "--no-print-directory", "--directory", ROOT],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert f"-m grader replay {run} {CHECK}" in done.stdout


# ---------------------------------------------------------------- reports


def published(
    run: Run, output: Path, *, saved: Path | None, problems: tuple[str, ...] = ()
) -> tuple[int, str, str]:
    """The exit status, what the terminal shows, and the page, of a run in which the one check failed."""
    screen = io.StringIO()
    console = Console(file=screen, width=200)
    checks = select(all_checks(), only=[CHECK])
    status = publish(run, checks, {CHECK: FAILED}, {}, output, console, saved=saved, problems=problems)
    return status, screen.getvalue(), (output / "report.html").read_text()


def test_the_ways_on_are_those_of_the_call_where_they_lead_there_from_here(place: Path) -> None:
    run = replace(RUN, source="path/to/ada", folder=str(place / "path/to/ada"))
    _status, screen, page = published(run, Path("out"), saved=Path("out"))
    for told in (screen, page):
        assert f"grader grade path/to/ada --only {CHECK}" in told
        assert f"grader replay out {CHECK} --pause" in told


def test_from_another_folder_the_whole_path_leads_to_the_submission(place: Path) -> None:
    run = replace(RUN, source="path/to/ada", folder="/elsewhere/path/to/ada")
    assert f"grader grade /elsewhere/path/to/ada --only {CHECK}" in published(run, place, saved=place)[1]


def test_what_was_judged_again_is_replayed_from_the_run_and_not_from_its_new_reports(place: Path) -> None:
    _status, screen, page = published(RUN, place / "new", saved=Path("old"))
    for told in (screen, page):
        assert f"grader replay old {CHECK} --pause" in told


def test_a_run_that_cannot_be_saved_is_told_with_every_verdict_and_ends_with_three(place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / "history").write_text("in the way")
    problems = keep(RUN, recordings(), Path("out"))
    assert len(problems) == 1
    status, screen, page = published(RUN, Path("out"), saved=None, problems=tuple(problems))
    assert status == 3
    assert problems[0].startswith("out: the run was not saved: ")
    assert problems[0] in " ".join(screen.split())
    assert [check.verdict for check in read_json(place / "out" / "report.json").checks] == [Verdict.FAIL]
    assert "grader replay" not in screen + page
    assert "grader grade" in screen


def test_a_run_that_is_saved_is_no_problem(place: Path) -> None:
    assert keep(RUN, recordings(), place) == []
    assert load(place)[0] == RUN
