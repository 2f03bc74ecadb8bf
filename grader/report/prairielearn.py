"""PrairieLearn's ``results.json``.

Its score is a share between 0 and 1. A test that could not be judged has no points, neither reached nor to be had, so
that it is not shown as wrong. A file over 1 MiB is refused there, and so is one of a job that ends with another status
than 0: that is how the grader's own failure is told.
"""

from __future__ import annotations

import json
from typing import Any

from grader.model import CheckResult, Outcome, Refusal, Report
from grader.report import account, outline

MOST_BYTES = 1_000_000


def render_prairielearn(report: Report) -> str:
    """The text of ``prairielearn.json``, to be ``/grade/results/results.json``."""
    return account.fitted(report, _render, MOST_BYTES)


def refuse_prairielearn(refusal: Refusal) -> str:
    """Not gradable, and why: the student's attempt is given back."""
    refusal = account.cleaned_refusal(refusal)
    return _text({"gradable": False, "message": account.whose(refusal), "format_errors": [refusal.reason]})


def _render(report: Report) -> str:
    fields: dict[str, Any] = {
        "gradable": report.outcome is not Outcome.ERROR,
        "score": _share(report),
        "message": f"{outline.score(report)}: {outline.tally(report)}",
        "output": "\n".join(account.caveats(report)),
        "tests": [_test(check) for part in outline.parts(report) for check in part.checks],
    }
    if report.outcome is Outcome.ERROR:
        fields["format_errors"] = account.caveats(report)[:1]
    return _text(fields)


def _share(report: Report) -> float:
    reached, most = report.score, report.max_score
    if not most:  # bonus checks alone were asked for
        reached, most = report.bonus, report.max_bonus
    return account.plain(min(max(reached / most, 0), 1)) if most else 0


def _test(check: CheckResult) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": check.id,
        "description": check.title,
        "message": account.headline(check),
        "output": account.explanation(check),
    }
    if check.verdict not in account.UNJUDGED:
        test["points"] = account.plain(check.points)
        test["max_points"] = account.plain(check.max_points)
    return test


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
