"""Reports of real runs, of the solution and of the starter, in every format."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.report import BY_NAME, read_graded, read_json
from tests.unit import retold

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["solution", "starter"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole grade, with every format in it."""
    target: str = request.param
    folder = tmp_path_factory.mktemp("runs") / target
    command = [sys.executable, "-m", "grader", "grade", target, "--output", str(folder)]
    subprocess.run(
        [*command, "--postgres", "embedded", "--format", ",".join(BY_NAME)],
        cwd=ROOT,
        timeout=240,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return folder


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
    subprocess.run(
        [sys.executable, "-m", "grader", "judge", str(run)],
        cwd=ROOT,
        timeout=120,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    report = read_json(run / "report.json")
    assert json.loads((run / "gradescope.json").read_text()) == json.loads(BY_NAME["gradescope"].render(report))
    assert (run / "junit.xml").read_text() == BY_NAME["junit"].render(report)
