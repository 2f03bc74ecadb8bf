"""The script that comments: what a stranger's artifact and names can make it do, with a stand-in for GitHub."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.report import BY_NAME, read_json, render_json
from tests.unit.any_report import HOSTILE, ONE_OF_EACH, hostile_report

SCRIPT = Path(__file__).parents[2] / ".github" / "actions" / "comment" / "comment.sh"
REVISION = "0123456789012345678901234567890123456789"

GH = f"""#!{sys.executable}
import json, os, pathlib, sys
place = pathlib.Path(os.environ["PLACE"])
words = sys.argv[1:]
with (place / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
answers = json.loads((place / "answers").read_text())
path = next(word for word in words if word.startswith("repos/"))
if path.endswith("/zip"):
    sys.stdout.buffer.write((place / "zip").read_bytes())
for word in words:
    if word.startswith("body=@"):
        (place / "posted").write_bytes(pathlib.Path(word[6:]).read_bytes())
print(next((answer for end, answer in answers.items() if path.endswith(end)), ""), end="")
"""


class GitHub:
    """What the script meets: programs and answers in a folder of the test's own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.answers = {"/pulls": "7", "/artifacts": "12", "/comments": ""}
        (place / "bin").mkdir()
        (place / "venv" / "bin").mkdir(parents=True)
        self._script(place / "bin" / "gh", GH)
        self._script(place / "venv" / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def comment(self, entries: Mapping[str, str | bytes], **settings: str) -> subprocess.CompletedProcess[str]:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as zipped:
            for name, content in entries.items():
                zipped.writestr(name, content)
        (self.place / "zip").write_bytes(archive.getvalue())
        (self.place / "answers").write_text(json.dumps(self.answers))
        environment = {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(SCRIPT.parents[3]),
            "PLACE": str(self.place),
            "GRADER_HOME": str(self.place),
            "GITHUB_REPOSITORY": "course/lab",
            "GH_TOKEN": "swordfish",
            "RUN": "99",
            "OWNER": "ada",
            "BRANCH": "work",
            "REVISION": REVISION,
            "ARTIFACT": "grader-report",
            **settings,
        }
        return subprocess.run(
            ["bash", SCRIPT],
            env=environment,
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def posted(self) -> str | None:
        path = self.place / "posted"
        return path.read_text() if path.exists() else None

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(row) for row in (self.place / "calls").read_text().splitlines()]


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    return GitHub(tmp_path)


def test_the_report_is_posted_as_a_new_comment(github: GitHub) -> None:
    done = github.comment({"report.json": render_json(ONE_OF_EACH)})
    assert done.returncode == 0, done.stderr
    assert github.posted is not None
    assert github.posted.startswith("<!-- grader: report -->\n## `team-7`")
    assert github.calls[-1][1:4] == ["--method", "POST", "repos/course/lab/issues/7/comments"]


def test_a_comment_that_is_there_is_replaced(github: GitHub) -> None:
    github.answers["/comments"] = "31\n"
    assert github.comment({"report.json": render_json(ONE_OF_EACH)}).returncode == 0
    assert github.calls[-1][1:4] == ["--method", "PATCH", "repos/course/lab/issues/comments/31"]


def test_no_word_of_the_artifact_but_the_report_is_taken(github: GitHub) -> None:
    entries = {
        "../escaped": "out",
        "comment.md": "forged",
        "run/../../x": "out",
        "report.json": render_json(ONE_OF_EACH),
    }
    assert github.comment(entries).returncode == 0
    assert github.posted is not None
    assert "forged" not in github.posted
    assert not list(github.place.glob("**/escaped"))
    assert {path.name for path in github.place.iterdir()} == {"bin", "venv", "zip", "answers", "calls", "posted"}


@pytest.mark.parametrize("text", HOSTILE[:9])
def test_a_hostile_report_is_posted_as_it_is_rendered_and_no_other_way(
    text: str, github: GitHub, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(written := render_json(hostile_report(text)))
    assert github.comment({"report.json": written}).returncode == 0
    assert github.posted is not None
    # That what is rendered is inert is shown by test_formats_hostile.py.
    assert github.posted.strip() == BY_NAME["comment"].render(read_json(tmp_path / "report.json")).strip()
    assert len(github.posted) <= 65_536


@pytest.mark.parametrize("content", ["", "{", '{"schema": "grader/report/1"}', b"\xff"])
def test_what_is_no_report_is_not_posted(content: str | bytes, github: GitHub) -> None:
    assert github.comment({"report.json": content}).returncode == 2
    assert github.posted is None


@pytest.mark.parametrize(
    "name", ["$(touch pwned)", "`touch pwned`", "a b; touch pwned", '"; touch pwned; "', "-x", "--jq"]
)
def test_names_from_a_pull_request_are_arguments_and_no_commands(name: str, github: GitHub) -> None:
    assert github.comment({"report.json": render_json(ONE_OF_EACH)}, BRANCH=name, OWNER=name).returncode == 0
    assert not (github.place / "pwned").exists()
    assert f"head={name}:{name}" in github.calls[0]


@pytest.mark.parametrize(
    "wrong", [{"RUN": "1; x"}, {"REVISION": "main"}, {"REVISION": f'{REVISION}" or true or "'}]
)
def test_a_run_or_revision_that_is_none_ends_it(wrong: dict[str, str], github: GitHub) -> None:
    assert github.comment({}, **wrong).returncode == 2
    assert not (github.place / "calls").exists()


@pytest.mark.parametrize("missing", ["/pulls", "/artifacts"])
def test_without_a_pull_request_or_a_report_nothing_is_posted(missing: str, github: GitHub) -> None:
    github.answers[missing] = ""
    assert github.comment({"report.json": render_json(ONE_OF_EACH)}).returncode == 0
    assert github.posted is None
