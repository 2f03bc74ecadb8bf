"""The sample of a report in README.md is what a fresh starter gets from the checks as they are."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

from rich.console import Console

from grader.checkpoints import all_checks
from grader.checkpoints.documents import documents
from grader.checkpoints.starting import three_tasks
from grader.history.events import DocumentRead
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Report, Verdict
from grader.report import render_terminal
from tests.unit.any_report import POSTGRES
from tests.unit.histories import Story

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "starter"

DOCUMENTS = {"data-flow": "docs/data-flow.md", "answers": "answers/lab-03.md"}


def results() -> dict[str, CheckResult]:
    """What is judged of the starter: its api-service works, its worker ends at once, its documents are to be written."""
    read = [
        DocumentRead(at=0.1, name=name, path=path, text=(STARTER / path).read_text(encoding="utf-8"), problem=None)
        for name, path in DOCUMENTS.items()
    ]
    recorded = {
        three_tasks.name: Story().start("worker-A").exit("worker-A", 0.5, 1).history(),
        documents.name: History(read),
    }
    checks = [check for check in all_checks() if check.part != "2"]
    takes = {s.name: [Take(recorded.get(s.name, History([])), 0.1)] for check in checks for s in check.on}
    return Judge(checks, takes).results() | {
        check.id: CheckResult(check.id, "2", check.sentence, Verdict.PASS, check.points, check.points)
        for check in all_checks()
        if check.part == "2"
    }


def test_the_sample_of_a_report_is_what_a_fresh_starter_gets() -> None:
    found = results()
    report = Report(
        lab="lab-03",
        submission="starter",
        checks=tuple(found[check.id] for check in all_checks()),
        isolation="bubblewrap",
        postgres=POSTGRES,
        seed=1,
        started_at="2026-11-29T12:00:00+00:00",
        duration_s=6.3,
    )
    page = io.StringIO()
    render_terminal(
        report,
        Console(file=page, width=80, _environ={}),
        where="reports/starter",
        again=lambda check: f"make grade CHECK={check}",
    )
    sample = textwrap.indent("\n".join(line.rstrip() for line in page.getvalue().strip("\n").splitlines()), "    ")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sample in readme, f"the sample in README.md is to be\n{sample}"
