"""The result of a GitHub Classroom runner, as its reporter reads it.

The reporter takes it, in base64, from a variable ``<RUNNER-ID>_RESULTS``. A test without a score would count as NaN
there, so that each has one. ``error`` is what could not be judged: the reporter shows its message.
"""

from __future__ import annotations

import json
from typing import Any, assert_never

from grader.model import CheckResult, Refusal, Report, Verdict
from grader.report import account
from grader.report.account import Standing

MOST_BYTES = 700_000
"""A step's outputs may be 1 MiB in all; base64 adds a third."""


def render_classroom(report: Report) -> str:
    """The text of ``classroom.json``."""
    return account.fitted(report, _render, MOST_BYTES)


def refuse_classroom(refusal: Refusal) -> str:
    """One test without points, which says why there are no others."""
    refusal = account.cleaned_refusal(refusal)
    message = f"{account.whose(refusal)} {refusal.reason}"
    status = "error" if refusal.ours else "fail"
    return _document("error", 0, [_test("can be graded", status, 0, message, "", 0)])


def _render(report: Report) -> str:
    status = {Standing.PASS: "pass", Standing.FAIL: "fail", Standing.UNJUDGED: "error"}[account.standing(report)]
    tests = [
        _test(check.id, _status(check), check.points, _message(check), check.title, check.duration_s)
        for check in report.checks
    ]
    return _document(status, account.plain(report.max_score), tests)


def _status(check: CheckResult) -> str:
    match check.verdict:
        case Verdict.PASS:
            return "pass"
        case Verdict.FAIL:
            return "fail"
        case Verdict.SKIPPED | Verdict.INCONCLUSIVE | Verdict.ERROR:
            return "error"
    assert_never(check.verdict)


def _message(check: CheckResult) -> str:
    return f"{account.headline(check)}\n{account.explanation(check)}".rstrip()


def _test(name: str, status: str, score: float, message: str, code: str, seconds: float) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "score": account.plain(score),
        "message": message,
        "test_code": code,
        "filename": "",
        "line_no": 0,
        "duration": account.plain(seconds),
    }


def _document(status: str, max_score: float, tests: list[dict[str, Any]]) -> str:
    document = {"version": 1, "status": status, "max_score": max_score, "tests": tests}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
