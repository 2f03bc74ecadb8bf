"""The packages for other platforms, built by ``make`` and run in folders as those platforms have them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.platform_layout import Layout, is_possible

ROOT = Path(__file__).parents[2]
FEW = "2.read 3b.data-flow"
"""Checks that take a second or two."""

pytestmark = pytest.mark.skipif(not is_possible(), reason="only root can make a root folder of its own")


def make(target: str, build: Path) -> None:
    """Build a package into ``build``."""
    subprocess.run(
        ["make", "--no-print-directory", target, f"BUILD={build}", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def gradescope(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A container of Gradescope's, after setup.sh."""
    build = tmp_path_factory.mktemp("build")
    make("gradescope", build)
    layout = Layout(tmp_path_factory.mktemp("gradescope"))
    # extractall leaves out the right to execute; Gradescope's unzip does not.
    subprocess.run(
        [sys.executable, "-c", "import shutil, sys; shutil.unpack_archive(*sys.argv[1:])", build / "gradescope.zip",
         layout.inside("/autograder/source")],
        check=True,
    )  # fmt: skip
    with zipfile.ZipFile(build / "gradescope.zip") as archive:
        for entry in archive.infolist():
            if (mode := entry.external_attr >> 16) & 0o777:
                layout.inside(f"/autograder/source/{entry.filename}").chmod(mode & 0o777)
    layout.place(layout.inside("/autograder/source/run_autograder"), "/autograder/run_autograder")
    # What it would install of Debian's is in this layout already.
    for name in ("apt-get",):
        layout.script(f"/opt/stands-in/{name}", "#!/bin/sh\n")
    done = layout.run(
        "/bin/bash", "/autograder/source/setup.sh", PATH="/opt/stands-in:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert done.returncode == 0, done.stderr
    return layout


def grade_at_gradescope(layout: Layout, submission: Path | None, **settings: str) -> tuple[int, str]:
    shutil.rmtree(layout.inside("/autograder/submission"), ignore_errors=True)
    shutil.rmtree(layout.inside("/autograder/results"), ignore_errors=True)
    layout.inside("/autograder/results").mkdir()
    if submission is None:
        layout.inside("/autograder/submission").mkdir()
    else:
        layout.place(submission, "/autograder/submission")
    done = layout.run("/autograder/run_autograder", **{"CHECKS": FEW, **settings})
    return done.returncode, done.stdout + done.stderr


def test_gradescope_gets_results_of_what_was_handed_in(gradescope: Layout) -> None:
    status, said = grade_at_gradescope(gradescope, ROOT / "solution")
    assert status == 0, said
    results = json.loads(gradescope.inside("/autograder/results/results.json").read_text())
    assert results["score"] == 4
    assert {test["number"]: test["status"] for test in results["tests"]} == {
        "2.read": "passed",
        "3b.data-flow": "passed",
    }


def test_gradescope_finds_a_submission_in_a_folder_of_its_own(gradescope: Layout, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "starter", tmp_path / "repository" / "starter")
    status, said = grade_at_gradescope(gradescope, tmp_path)
    assert status == 0, said
    results = json.loads(gradescope.inside("/autograder/results/results.json").read_text())
    assert {test["number"]: test["status"] for test in results["tests"]} == {
        "2.read": "passed",
        "3b.data-flow": "failed",
    }


def test_gradescope_is_told_why_nothing_could_be_graded(gradescope: Layout) -> None:
    status, said = grade_at_gradescope(gradescope, None)
    assert status == 0, said
    results = json.loads(gradescope.inside("/autograder/results/results.json").read_text())
    assert results["score"] == 0
    assert "cannot be graded" in results["output"]


def test_gradescope_gets_no_results_when_the_grader_fails(gradescope: Layout) -> None:
    """The database cannot start: nobody may be given a score."""
    hidden = gradescope.inside("/opt/task-queue-grader/source/grader/postgres/embedded.py")
    text = hidden.read_text()
    hidden.write_text(text.replace("def start_embedded", "def start_nothing"))
    try:
        status, _said = grade_at_gradescope(gradescope, ROOT / "solution")
    finally:
        hidden.write_text(text)
    assert status >= 3
    assert not gradescope.inside("/autograder/results/results.json").exists()


def test_services_run_as_nobody_and_see_no_variable_of_the_job(gradescope: Layout, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    shutil.copytree(ROOT / "solution", spy)
    (spy / "spy.py").write_text(
        "import os, pathlib, sys\n"
        "seen = [str(os.getuid()), *os.environ, *(p.name for p in pathlib.Path('/proc').iterdir())]\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: seen.append(pathlib.Path('/proc', pid, 'environ').read_text())\n"
        "    except OSError: pass\n"
        "print('the spy saw', 'SECRET' if 'swordfish' in ' '.join(seen) else 'nothing', 'as', os.getuid(),\n"
        "      pathlib.Path('/proc/self/status').read_text().split('NoNewPrivs:')[1].split()[0])\n"
        "sys.exit(3)\n"
    )
    (spy / "flowforge.toml").write_text('[build]\ncommand = ["python3", "spy.py"]\n')
    _status, said = grade_at_gradescope(gradescope, spy, TOKEN="swordfish")
    assert "the spy saw nothing as 65534 1" in said


# ---------------------------------------------------------------- PrairieLearn


@pytest.fixture(scope="module")
def prairielearn(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A container of PrairieLearn's, made as the Dockerfile says."""
    build = tmp_path_factory.mktemp("build")
    make("prairielearn", build)
    image = build / "prairielearn" / "image"
    layout = Layout(tmp_path_factory.mktemp("prairielearn"))
    for row in (image / "Dockerfile").read_text().splitlines():
        match row.split():
            case ["COPY", *files, target]:
                for file in files:
                    layout.place(image / file, f"{target}{file}" if target.endswith("/") else target)
            case ["RUN", "PYTHON=python3", command]:
                done = layout.run(command)
                assert done.returncode == 0, done.stderr
            case [("FROM" | "#"), *_] | []:
                pass
            case other:
                pytest.fail(f"not tried here: {other}")
    return layout


def grade_at_prairielearn(layout: Layout, archive: Path) -> dict[str, object]:
    shutil.rmtree(layout.inside("/grade"), ignore_errors=True)
    layout.place(archive, "/grade/student/starter.tar.gz")
    info = json.loads((ROOT / "labs" / "ci" / "prairielearn" / "info.json").read_text())
    done = layout.run(info["externalGradingOptions"]["entrypoint"], CHECKS=FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    results = layout.inside("/grade/results/results.json").read_bytes()
    assert len(results) < 2**20
    found: dict[str, object] = json.loads(results)
    return found


def test_prairielearn_gets_results_of_an_archive(prairielearn: Layout, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "starter"), "gztar", ROOT, "starter")
    results = grade_at_prairielearn(prairielearn, Path(archive))
    assert results["gradable"] is True
    assert results["score"] == 0.5
    assert [test["points"] for test in results["tests"]] == [2, 0]  # type: ignore[attr-defined]


def test_prairielearn_gives_the_attempt_back_for_what_is_no_archive(prairielearn: Layout, tmp_path: Path) -> None:
    (tmp_path / "no").write_text("no archive")
    results = grade_at_prairielearn(prairielearn, tmp_path / "no")
    assert results["gradable"] is False
    assert "cannot be unpacked" in str(results["format_errors"])


# ---------------------------------------------------------------- the action


def grade_by_the_action(layout: Layout, **settings: str) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(layout.inside("/github"), ignore_errors=True)
    layout.place(ROOT / "starter", "/github/repository/starter")
    for name in ("summary", "output"):
        layout.inside(f"/github/{name}").write_text("")
    return layout.run(
        "/autograder/source/grader/.github/actions/grade/grade.sh",
        SUBMISSION="/github/repository/starter",
        OUTPUT="/github/report",
        CHECKS=FEW,
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY="/github/summary",
        GITHUB_OUTPUT="/github/output",
        **settings,
    )


def test_the_action_grades_and_tells_github_without_a_way_to_forge_it(gradescope: Layout) -> None:
    done = grade_by_the_action(gradescope)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    stopped, ended = lines[0], next(n for n, row in enumerate(lines) if row == f"::{lines[0].split('::')[-1]}::")
    assert stopped.startswith("::stop-commands::")
    assert [row.split()[0] for row in lines[ended + 1 :] if row] == ["::error"]
    assert "`starter`: Score 2/4" in gradescope.inside("/github/summary").read_text()
    outputs = dict(row.split("=", 1) for row in gradescope.inside("/github/output").read_text().splitlines())
    assert outputs["status"] == "1"
    assert json.loads(base64.b64decode(outputs["result"]))["status"] == "fail"
    assert {path.name for path in gradescope.inside("/github/report").iterdir()} == {
        "report.json",
        "report.html",
        "run.json",
    }


def test_the_action_grades_at_the_isolation_that_is_asked_for(gradescope: Layout) -> None:
    done = grade_by_the_action(gradescope, ISOLATION="bubblewrap")
    assert done.returncode == 1, done.stderr
    assert json.loads(gradescope.inside("/github/report/report.json").read_text())["isolation"] == "bubblewrap"


def test_the_action_grades_nothing_where_the_isolation_cannot_be_had(gradescope: Layout) -> None:
    done = grade_by_the_action(gradescope, ISOLATION="container")
    assert done.returncode == 3, done.stdout
    assert "isolation container does not work here" in done.stdout + done.stderr
    assert not gradescope.inside("/github/report/report.json").exists()
