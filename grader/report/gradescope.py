"""Gradescope's ``results.json``.

A test that failed has its points and ``failed``; one that could not be judged has no score and no status, which
Gradescope shows as a remark and not in red. The score of the whole is always given, bonus included, so that it does
not hang on such tests. Texts are plain: no HTML, no Markdown, no colours.
"""

from __future__ import annotations

import json
from typing import Any

from grader.model import CheckResult, Outcome, Refusal, Report, Verdict
from grader.report import account, outline

MOST_BYTES = 2_000_000


def render_gradescope(report: Report) -> str:
    """The text of ``gradescope.json``, to be ``/autograder/results/results.json``.

    When the grader failed somewhere there is no score, so that nobody is given a wrong one: Gradescope then asks for
    another run.
    """
    return account.fitted(report, _render, MOST_BYTES)


def refuse_gradescope(refusal: Refusal) -> str:
    """No points, and why; no score at all when it is the grader's fault."""
    refusal = account.cleaned_refusal(refusal)
    fields: dict[str, Any] = {
        "output": f"{account.whose(refusal)}\n{refusal.reason}",
        "output_format": "text",
        "visibility": "visible",
    }
    if not refusal.ours:
        fields["score"] = 0
    return _text(fields)


def _render(report: Report) -> str:
    fields: dict[str, Any] = {
        "execution_time": account.plain(report.duration_s),
        "output": "\n".join([outline.score(report), outline.tally(report), *account.caveats(report)]),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "outcome": report.outcome.value,
            "seed": report.seed,
            "isolation": report.isolation,
            "submission": report.submission,
        },
        "tests": [_test(check) for part in outline.parts(report) for check in part.checks],
    }
    if report.outcome is not Outcome.ERROR:
        fields["score"] = account.plain(report.score + report.bonus)
    return _text(fields)


def _test(check: CheckResult) -> dict[str, Any]:
    test: dict[str, Any] = {
        "number": check.id,
        "name": check.title,
        "name_format": "text",
        "output": f"{account.headline(check)}\n{account.explanation(check)}".rstrip(),
        "output_format": "text",
        "tags": [check.part, check.verdict.value],
        "visibility": "visible",
        "extra_data": {
            "id": check.id,
            "verdict": check.verdict.value,
            "points": account.plain(check.points),
            "max_points": account.plain(check.max_points),
            "bonus": check.bonus,
        },
    }
    if check.verdict in (Verdict.PASS, Verdict.FAIL):
        test["score"] = account.plain(check.points)
        test["max_score"] = account.plain(check.max_points)
        test["status"] = "passed" if check.verdict is Verdict.PASS else "failed"
    return test


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
