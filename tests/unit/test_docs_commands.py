"""Every command that the docs show can be called: what is quick is run, what is long is parsed and planned."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import cli
from grader.checkpoints import all_checks
from grader.commands.teaching import EXAMPLES
from grader.report import BY_NAME, write_all
from tests.unit.any_report import ONE_OF_EACH

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "labs").glob("*.md"))]

_BLOCK = re.compile(r"^( *)```(?:sh|console)?\n(.*?)^\1```$|((?:^ {4,}\S.*\n)+)", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:make|grader)\s[^`]+)`")
_CALL = re.compile(rf"make\s|(\.venv/bin/)?grader\s+(--help|({'|'.join(EXAMPLES)})(\s|$))")
_LOOP = re.compile(r"for \w+ in [^;]+; do (.*); done")

STAND_INS = {
    "FOLDER": "starter",
    "DIR": "reports",
    "CHECK": "3a.starts",
    "COMMAND": "grade",
    "URL": "x",
    "…": "solution",
}
"""Words of a sentence that stand for something."""

EXAMPLE = "3a.example"
"""The check that CONTRIBUTING.md shows how to write."""

QUICK = {"checks", "explain", "completion"}
"""Commands of the grader that only print."""


def commands(page: Path) -> Iterator[str]:
    """Every call of make and of the grader on a page, in blocks and in sentences, each once."""
    text = page.read_text(encoding="utf-8")
    found = [row for match in _BLOCK.finditer(text) for row in (match[2] or match[3]).splitlines()]
    found += [" ".join(match[1].split()) for match in _INLINE.finditer(text)]
    seen = set()
    for row in found:
        call = row.split("#")[0].split("  ")[0].strip() if not row.startswith(" ") else row.split("#")[0].strip()
        call = re.sub(r"^\$ |^again +", "", call)
        if loop := _LOOP.fullmatch(call):
            call = loop[1]
        if _CALL.match(call) and call not in seen:
            seen.add(call)
            yield call


def words_of(call: str) -> list[str]:
    """The words of a call, with something real for what stands for it."""
    for word, real in STAND_INS.items():
        call = re.sub(rf"(?<![\w-]){word}(?![\w=-])", real, call)
    return [word for word in shlex.split(call) if word != "&&"]


ALL = [(page, call) for page in PAGES for call in commands(page)]
MAKE = [pytest.param(call, id=f"{page.name}: {call}") for page, call in ALL if call.startswith("make ")]
GRADER = [pytest.param(call, id=f"{page.name}: {call}") for page, call in ALL if not call.startswith("make ")]


def test_the_docs_show_commands_and_each_page_for_people_does() -> None:
    assert len(MAKE) > 30
    assert len(GRADER) > 6
    for name in ("README.md", "instructors.md", "lab-03-worker-service.md"):
        assert any(page.name == name for page, _ in ALL)


@pytest.mark.parametrize("call", MAKE)
def test_make_knows_the_target_and_would_call_what_there_is(call: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--directory", ROOT, *words_of(call)[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row in re.findall(r"-m grader (.*?)(?:;|\|\||$|>)", done.stdout, re.MULTILINE):
        planned = [word.replace("$folder", "starter").replace("$name", "starter") for word in shlex.split(row)]
        options = cli._parser().parse_args(planned)
        assert_exists(options)


@pytest.mark.parametrize("call", GRADER)
def test_the_grader_takes_the_call(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(call)[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 0
        return
    if len(words) == 1 and words[0] not in {"checks", "doctor"}:
        return  # the bare name of a command, in a sentence
    options = cli._parser().parse_args(words)
    assert_exists(options)
    if options.command in QUICK:
        assert cli.main(words) == 0
        assert capsys.readouterr().out


def assert_exists(options: object) -> None:
    """What a call names of ours is there: checks, parts, formats."""
    known = {check.id for check in all_checks()} | {EXAMPLE}
    named = [*(getattr(options, "only", None) or ()), *(getattr(options, "checks", None) or ())]
    named += [check] if isinstance(check := getattr(options, "check", None), str) else []
    assert set(named) <= known


def test_what_the_docs_say_of_converting_a_report_and_a_class_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ada", "ben"):
        assert write_all(ONE_OF_EACH, tmp_path / "reports" / "class" / name) == []
    calls = [words_of(str(each.values[0]))[1:] for each in GRADER]
    made = {}
    for words in calls:
        if words[0] in ("convert", "gradebook") and len(words) > 1:
            assert cli.main(words) == 0, words
            made[words[0]] = True
    assert made == {"convert": True, "gradebook": True}
    assert (tmp_path / "results.json").is_file()
    assert len((tmp_path / "reports" / "grades.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("target", ["help", "workflows", "gradescope", "prairielearn"])
def test_quick_targets_do_what_they_say(target: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "--directory",
            ROOT,
            target,
            f"BUILD={tmp_path}",
            f"PYTHON={sys.executable}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    if target == "help":
        assert all(f"make {name}" in done.stdout for name in ("grade", "doctor", "explain", "gradescope"))
        assert max(map(len, done.stdout.splitlines())) <= 80
    else:
        assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("class", "name the folder of the submissions: make class CLASS=path/to/submissions"),
        ("explain", "name a check: make explain CHECK=3a.starts (make checks lists them all)"),
        ("replay", "name the check that broke: make replay CHECK=3b.interleavings"),
    ],
)
def test_a_target_without_what_it_cannot_do_without_says_what_to_name(target: str, said: str) -> None:
    done = make(target)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", said)


def test_a_class_is_every_folder_and_archive_in_its_folder_and_nothing_is_passed_over(tmp_path: Path) -> None:
    submissions, reports = tmp_path / "the class", tmp_path / "reports"
    (submissions / "ada lovelace").mkdir(parents=True)
    for name in ("ben.zip", "cyd.rar"):
        (submissions / name).write_text("no archive")
    done = make("class", f"CLASS={submissions}", f"REPORTS={reports}")
    assert done.returncode == 0
    with (reports / "grades.csv").open(newline="") as table:
        rows = {row["folder"]: row for row in csv.DictReader(table)}
    assert {name: row["outcome"] for name, row in rows.items()} == dict.fromkeys(
        ("ada lovelace", "ben.zip", "cyd.rar"), "not graded"
    )
    assert "not an archive that can be read" in rows["ben.zip"]["remark"]
    assert "not a folder" in rows["cyd.rar"]["remark"]


def test_a_class_is_graded_with_the_least_isolation_that_was_asked_for() -> None:
    planned = make("--dry-run", "class", "CLASS=path", "ISOLATION=bubblewrap").stdout
    assert '"reports/class/$name" --require-isolation bubblewrap ||' in planned
    assert "--require-isolation" not in make("--dry-run", "class", "CLASS=path").stdout


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """A call of make in the project's folder, that installs nothing."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CLASS", "CHECK", "ISOLATION")
    }
    return subprocess.run(
        [
            "make",
            "--no-print-directory",
            "--directory",
            ROOT,
            "--old-file=.venv/.installed-for-use",
            f"BIN={Path(sys.executable).parent}",
            *words,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_formats_that_the_docs_name_are_those_that_there_are() -> None:
    for page in PAGES:
        for names in re.findall(r"--format ([a-z,]+)", page.read_text(encoding="utf-8")):
            assert set(names.split(",")) <= set(BY_NAME)
