"""A class in one table: CSV, one row a submission, one column a check.

A cell of a check holds its points where it was judged; ``skipped``, ``inconclusive`` and ``error`` stand as words, which
spreadsheets leave out of sums. A cell that a spreadsheet would run as a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from grader.model import CheckResult, Outcome, Refusal, Report, Verdict
from grader.report import account, outline
from grader.report.text import Limits, cleaned, line

COLUMNS = (
    "folder",
    "submission",
    "outcome",
    "score",
    "max_score",
    "bonus",
    "max_bonus",
    *(verdict.value for verdict in Verdict),
    "run",
    "duration_s",
    "remark",
)
"""What stands before the checks."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_JUDGED = frozenset({Verdict.PASS, Verdict.FAIL})


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: the folder of a run, and what it holds; or a line that says why neither could be read."""

    folder: str
    graded: Report | Refusal | str


def render_gradebook(entries: Sequence[Entry]) -> str:
    """The text of ``gradebook.csv``: rows in the order of the folders' names."""
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: entry.folder)]
    names = [*COLUMNS, *dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in names])
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in names])
    return file.getvalue()


def render_row(graded: Report | Refusal) -> str:
    """A table of one submission."""
    return render_gradebook([Entry(graded.submission, graded)])


def _row(entry: Entry) -> dict[str, str]:
    match entry.graded:
        case Report():
            return {"folder": entry.folder, **_report(cleaned(entry.graded, Limits()))}
        case Refusal(submission=submission, reason=reason, ours=ours):
            outcome = "error" if ours else "not graded"
            return {"folder": entry.folder, "submission": submission, "outcome": outcome, "remark": reason}
        case str(problem):
            return {"folder": entry.folder, "outcome": "not graded", "remark": problem}
    assert_never(entry.graded)


def _report(report: Report) -> dict[str, str]:
    return {
        # A check must not take the place of a column, whatever its name is.
        **{check.id: _points(check) for check in report.checks if check.id not in COLUMNS},
        **{verdict.value: str(len(outline.of(report, verdict))) for verdict in Verdict},
        "submission": report.submission,
        "outcome": report.outcome.value,
        # A score that is not to be used must not find its way into a sum.
        "score": "" if report.outcome is Outcome.ERROR else outline.number(report.score),
        "max_score": outline.number(report.max_score),
        "bonus": "" if report.outcome is Outcome.ERROR else outline.number(report.bonus),
        "max_bonus": outline.number(report.max_bonus),
        "run": f"{report.started_at} seed {report.seed}",
        "duration_s": outline.number(report.duration_s),
        "remark": " ".join(account.caveats(report)),
    }


def _points(check: CheckResult) -> str:
    return outline.number(check.points) if check.verdict in _JUDGED else check.verdict.value


def _cell(text: str) -> str:
    shown = line(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
