"""Whole grades of the solution and of the starter: their points, and their reports in every format."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from grader.report import BY_NAME, read_graded, read_json, schema
from tests.unit import retold

ROOT = Path(__file__).parents[2]

Whole = tuple[Path, subprocess.CompletedProcess[str]]
"""The folder of a whole grade with every format in it, and what the command said."""


def graded(target: str, folder: Path) -> Whole:
    command = [sys.executable, "-m", "grader", "grade", target, "--output", str(folder)]
    done = subprocess.run(
        [*command, "--postgres", "embedded", "--format", ",".join(BY_NAME)],
        cwd=ROOT,
        timeout=240,
        capture_output=True,
        text=True,
        check=False,
    )
    return folder, done


@pytest.fixture(scope="module")
def solution(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return graded("solution", tmp_path_factory.mktemp("runs") / "solution")


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return graded("starter", tmp_path_factory.mktemp("runs") / "starter")


@pytest.fixture(params=["solution", "starter"])
def run(request: pytest.FixtureRequest) -> Path:
    """The folder of one of them."""
    whole: Whole = request.getfixturevalue(request.param)
    return whole[0]


def test_the_solution_reaches_every_point_and_is_judged_again_alike(solution: Whole) -> None:
    folder, done = solution
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((folder / "report.json").read_text())
    jsonschema.validate(report, schema())
    assert report["postgres"]["provider"] == "embedded"
    assert {check["verdict"] for check in report["checks"]} == {"pass"}
    assert (report["score"], report["bonus"]) == (report["max_score"], report["max_bonus"])
    again = judged(folder)
    assert again.returncode == 0, again.stdout[-3000:]
    assert json.loads((folder / "report.json").read_text()) == report


def test_the_starter_has_the_points_of_lab_02_and_a_first_step(starter: Whole) -> None:
    folder, done = starter
    assert done.returncode == 1
    report = json.loads((folder / "report.json").read_text())
    jsonschema.validate(report, schema())
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert {verdict for name, verdict in verdicts.items() if name.startswith("2.")} == {"pass"}
    assert verdicts["3a.starts"] == "fail"
    assert not {"inconclusive", "error"} & set(verdicts.values())
    first = done.stdout.index("✗ 3a.starts ")
    assert first < done.stdout.index("Score ")


def judged(run: Path) -> subprocess.CompletedProcess[str]:
    """Judge a run again."""
    command = [sys.executable, "-m", "grader", "judge", str(run)]
    return subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True, check=False)


def test_every_format_is_there_and_made_from_the_report_beside_it(run: Path) -> None:
    report = read_json(run / "report.json")
    for each in BY_NAME.values():
        assert (run / each.file).read_bytes().decode() == each.render(report), each.file


def test_every_format_tells_the_same_verdicts_and_points(run: Path) -> None:
    report = read_json(run / "report.json")
    assert retold.differing(report) == []
    for name, read in retold.READERS.items():
        file = "report.json" if name == "json" else BY_NAME[name].file
        told = read((run / file).read_bytes().decode())
        assert retold.close(told, retold.as_told_by(name, retold.of_report(report))), name


def test_a_real_report_is_believed_as_a_strangers(run: Path) -> None:
    assert read_graded(run) == read_json(run / "report.json")


def test_judging_again_leaves_no_format_behind(run: Path) -> None:
    for name in ("junit", "gradescope"):
        (run / BY_NAME[name].file).write_text("old")
    judged(run)
    report = read_json(run / "report.json")
    assert json.loads((run / "gradescope.json").read_text()) == json.loads(BY_NAME["gradescope"].render(report))
    assert (run / "junit.xml").read_text() == BY_NAME["junit"].render(report)
