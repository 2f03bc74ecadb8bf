"""Faults put into a copy of the solution's claim, and another right way to claim: the verdicts must tell them apart."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = "FOR UPDATE SKIP LOCKED"
ONE_STATEMENT = '''    return (
        connection.cursor(row_factory=class_row(Task))
        .execute(
            """UPDATE tasks SET status = 'processing', assigned_worker = %s, attempts = attempts + 1,
                      updated_at = now()
               WHERE id = (SELECT id FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 1
                           FOR UPDATE SKIP LOCKED)
               RETURNING id, title, type, payload, attempts AS attempt""",
            (worker_id,),
        )
        .fetchone()
    )
'''


def graded(submission: Path, output: Path, *checks: str) -> dict[str, str]:
    """Check id to verdict."""
    command = [sys.executable, "-m", "grader", "grade", str(submission), "--postgres", "embedded"]
    subprocess.run(
        [*command, "--output", str(output), "--only", *checks], cwd=ROOT, timeout=120, stdout=subprocess.DEVNULL
    )
    report = json.loads((output / "report.json").read_text())
    return {check["id"]: check["verdict"] for check in report["checks"]}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(ROOT / "solution", tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    )


@pytest.mark.parametrize(
    ("before", "after", "verdicts"),
    [
        pytest.param(LOCK, "", {"3b.atomic-claim": "fail"}, id="no lock"),
        pytest.param(
            "    with connection.transaction():\n        task = (",
            "    if True:\n        task = (",
            {"3b.atomic-claim": "fail", "3b.skip-locked": "pass"},
            id="a lock that ends with its statement",
        ),
        pytest.param(
            LOCK,
            "FOR UPDATE",
            {"3b.atomic-claim": "pass", "3b.skip-locked": "fail"},
            id="a lock that is waited for",
        ),
        pytest.param("ORDER BY created_at, id LIMIT 1", "LIMIT 1", {"3b.oldest-first": "fail"}, id="in no order"),
        pytest.param(
            "ORDER BY created_at, id LIMIT 1",
            "ORDER BY created_at DESC LIMIT 1",
            {"3b.oldest-first": "fail"},
            id="newest first",
        ),
        pytest.param(
            "AND attempts = %(attempt)s AND status IN ('processing', %(status)s)",
            "",
            {"x.fencing": "fail"},
            id="a completion without a fence",
        ),
    ],
)
def test_a_fault_fails_its_check(
    copy: Path, tmp_path: Path, before: str, after: str, verdicts: dict[str, str]
) -> None:
    queue = copy / "worker_service" / "queue.py"
    text = queue.read_text()
    assert before in text
    queue.write_text(text.replace(before, after))
    assert graded(copy, tmp_path / "reports", *verdicts) == verdicts


def test_a_claim_in_one_statement_is_as_good(copy: Path, tmp_path: Path) -> None:
    queue = copy / "worker_service" / "queue.py"
    text = queue.read_text()
    start, end = (
        text.index("    with connection.transaction():\n        task = ("),
        text.index("    return task\n"),
    )
    queue.write_text(text[:start] + ONE_STATEMENT + text[end + len("    return task\n") :])
    wanted = ("3b.atomic-claim", "3b.skip-locked", "3b.two-workers", "3b.oldest-first", "x.fencing")
    assert graded(copy, tmp_path / "reports", *wanted) == dict.fromkeys(wanted, "pass")
