"""The starter as it is made from the solution."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.errors import BadCall
from grader.starter import RECORD, differences, generate, starter_text

ROOT = Path(__file__).parents[2]
SOLUTION, STARTER = ROOT / "solution", ROOT / "starter"
_MARKERS = ("lab:", "lab end", "lab 3", "lab beyond")
MARKED = [p for p in sorted(SOLUTION.rglob("*")) if p.suffix in (".py", ".md", ".sql", ".toml")]


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    folder = tmp_path / "solution"
    (folder / "service").mkdir(parents=True)
    (folder / "flowforge.toml").write_text('lab = "lab-03"\n')
    (folder / "service" / "queue.py").write_text(
        "def claim():\n    # lab 3b part 1: Claim.\n    return 1\n    # lab end: raise NotImplementedError\n"
    )
    return folder


def test_the_committed_starter_is_what_the_solution_makes() -> None:
    assert differences(SOLUTION, STARTER) == []


@pytest.mark.parametrize("path", [p for p in MARKED if p.suffix == ".py"], ids=lambda p: p.name)
def test_every_generated_file_is_valid_python(path: Path) -> None:
    compile(starter_text(path.read_text(), str(path)), path.name, "exec")


@pytest.mark.parametrize("path", MARKED, ids=lambda p: p.name)
def test_nothing_of_a_block_and_no_marker_is_left(path: Path) -> None:
    text = path.read_text()
    made = starter_text(text, str(path)).splitlines()
    assert not [line for line in made if line.strip(" #<!-").startswith(_MARKERS)]
    kept, inside = set(), False
    taken = []
    for line in text.splitlines():
        comment = line.strip(" #<!-")
        if comment.startswith(_MARKERS):
            inside = not comment.startswith("lab end")
        elif inside:
            taken.append(line)
        else:
            kept.add(line)
    assert not [line for line in taken if line.strip(" ()`") and line not in kept and line in made]


@pytest.mark.parametrize(
    "part", ["3a part 1", "3a part 2", "3a part 3", "3b part 3", "3b part 4", "beyond the lab"]
)
def test_the_starter_asks_for_every_part(part: str) -> None:
    texts = [p.read_text() for p in STARTER.rglob("*") if p.suffix in (".py", ".md")]
    assert any(f"TODO {part}: " in text for text in texts)


def test_the_answers_keep_their_headings_and_lose_their_text() -> None:
    text = (STARTER / "answers" / "lab-03.md").read_text()
    questions = [f"{exercise}.{number}" for exercise in ("3a", "3b") for number in range(1, 6)]
    assert [line.split()[1] for line in text.splitlines() if line.startswith("## ")] == questions
    bodies = [line for line in text.splitlines()[3:] if line and not line.startswith(("##", ">", "<!--"))]
    assert bodies == []


def test_a_fresh_starter_says_where_to_begin_and_exits() -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "worker_service"],
        cwd=STARTER,
        env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert worker.returncode == 1
    assert len(worker.stderr.splitlines()) == 1
    assert "3a, part 1" in worker.stderr


# ---------------------------------------------------------------- the generator


def test_a_block_becomes_a_todo_and_the_statement_at_its_end() -> None:
    text = (
        "def claim():\n"
        '    """Claims."""\n'
        "    # lab 3a part 2: Claim one.\n"
        "    # lab: 3b part 1: ... safely.\n"
        "    # why it is so\n"
        "    return secret()\n"
        "    # lab end: return None\n"
    )
    assert starter_text(text, "queue.py") == (
        "def claim():\n"
        '    """Claims."""\n'
        "    # TODO 3a part 2: Claim one.\n"
        "    #      3b part 1: ... safely.\n"
        "    return None\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "made"),
    [
        ("a.md", "<!-- lab 3a.1: Say why. -->\nBecause.\n<!-- lab end -->\n", "<!-- TODO 3a.1: Say why. -->\n"),
        ("a.sql", "-- lab 3b part 1: An index.\nCREATE\n-- lab end\n", "-- TODO 3b part 1: An index.\n"),
        ("a.txt", "# lab 3a.1: no marker here\n", "# lab 3a.1: no marker here\n"),
        ("a.py", "x = 1  # lab 3a.1: no line of its own\n", "x = 1  # lab 3a.1: no line of its own\n"),
    ],
)
def test_a_marker_is_a_comment_of_the_files_language(name: str, text: str, made: str) -> None:
    assert starter_text(text, name) == made


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("\n# lab 3a part 1: A.\nx\n", 2, "no end"),
        ("# lab 3a part 1: A.\n# lab end\n# lab end\n", 3, "no beginning"),
        ("# lab 3a part 1: A.\nx\n# lab 3a part 2: B.\n# lab end\n", 3, "begins in line 1 has no end"),
        ("# lab: A.\n", 1, "first line"),
        ("# lab 3a part 1: A.\nx\n# lab: B.\n# lab end\n", 3, "first line"),
        ("# lab 3a part 1\nx\n# lab end\n", 1, "what is asked"),
    ],
)
def test_markers_that_do_not_fit_together_are_refused_with_file_and_line(
    text: str, line: int, problem: str
) -> None:
    with pytest.raises(BadCall, match=rf"^folder/a\.py, line {line}: .*{problem}"):
        starter_text(text, "folder/a.py")


def test_generating_twice_changes_nothing(solution: Path, tmp_path: Path) -> None:
    starter = tmp_path / "starter"
    generate(solution, starter)
    before = {p: p.read_bytes() for p in starter.rglob("*") if p.is_file()}
    generate(solution, starter)
    assert {p: p.read_bytes() for p in starter.rglob("*") if p.is_file()} == before
    assert differences(solution, starter) == []


def test_what_the_solution_has_no_more_is_removed_and_what_others_added_stays(
    solution: Path, tmp_path: Path
) -> None:
    starter = tmp_path / "starter"
    generate(solution, starter)
    (starter / "notes.txt").write_text("mine")
    (solution / "service" / "queue.py").rename(solution / "queue.py")
    assert differences(solution, starter) == [
        f"{starter / RECORD} differs from what the solution makes of it",
        f"{starter / 'queue.py'} is missing",
        f"{starter / 'service/queue.py'} is not in the solution any more",
    ]
    generate(solution, starter)
    assert sorted(p.name for p in starter.iterdir()) == [RECORD, "flowforge.toml", "notes.txt", "queue.py"]


@pytest.mark.parametrize("name", ["flowforge.toml", "service/queue.py"])
def test_a_file_that_somebody_changed_is_not_overwritten(solution: Path, tmp_path: Path, name: str) -> None:
    starter = tmp_path / "starter"
    generate(solution, starter)
    (starter / name).write_text("my work\n")
    (solution / "service" / "queue.py").unlink()
    (solution / "flowforge.toml").write_text("# new\n")
    with pytest.raises(BadCall, match=f"{name} is not as it was generated"):
        generate(solution, starter)
    assert (starter / name).read_text() == "my work\n"


def test_a_record_that_names_files_elsewhere_removes_nothing(solution: Path, tmp_path: Path) -> None:
    starter = tmp_path / "starter"
    generate(solution, starter)
    victim = tmp_path / "victim"
    victim.write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (starter / RECORD).write_text(f"{empty}  ../victim\n{empty}  {victim}\n" + (starter / RECORD).read_text())
    generate(solution, starter)
    assert victim.exists()


def test_a_folder_that_is_no_solution_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match=r"flowforge\.toml"):
        generate(tmp_path / "nowhere", tmp_path / "starter")
