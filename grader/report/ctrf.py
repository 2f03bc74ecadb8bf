"""CTRF, the Common Test Report Format: JSON for the dashboards and comment actions that take it.

``inconclusive`` and ``error`` are ``other``, which is no failure; ``rawStatus`` keeps the verdict. Keys that the format
does not know are refused by its schema, so that points go into ``extra``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from grader.model import CheckResult, Refusal, Report, Verdict
from grader.report import account, outline

SPEC_VERSION = "0.0.0"
MOST_BYTES = 8_000_000

_STATUS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.PASS: "passed",
        Verdict.FAIL: "failed",
        Verdict.SKIPPED: "skipped",
        Verdict.INCONCLUSIVE: "other",
        Verdict.ERROR: "other",
    }
)
_STATUSES = ("passed", "failed", "skipped", "pending", "other")


def render_ctrf(report: Report) -> str:
    """The text of ``ctrf.json``."""
    return account.fitted(report, _render, MOST_BYTES)


def refuse_ctrf(refusal: Refusal) -> str:
    """One test, which says why there are no others."""
    refusal = account.cleaned_refusal(refusal)
    test = {
        "name": "can be graded",
        "status": "other" if refusal.ours else "failed",
        "duration": 0,
        "message": f"{account.whose(refusal)} {refusal.reason}",
    }
    return _document([test], 0, 0, {"submission": refusal.submission})


def _render(report: Report) -> str:
    start = _milliseconds_of(report.started_at)
    stop = start + _milliseconds(report.duration_s)
    extra = {
        "lab": report.lab,
        "submission": report.submission,
        "outcome": report.outcome.value,
        "score": account.plain(report.score),
        "max_score": account.plain(report.max_score),
        "bonus": account.plain(report.bonus),
        "max_bonus": account.plain(report.max_bonus),
        "seed": report.seed,
        "isolation": report.isolation,
        "notes": account.caveats(report),
    }
    tests = [_test(check, part.heading) for part in outline.parts(report) for check in part.checks]
    return _document(tests, start, stop, extra)


def _test(check: CheckResult, heading: str) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": check.id or "a check",
        "status": _STATUS[check.verdict],
        "rawStatus": check.verdict.value,
        "duration": _milliseconds(check.duration_s),
        "suite": [heading],
        "extra": {
            "title": check.title,
            "points": account.plain(check.points),
            "max_points": account.plain(check.max_points),
            "bonus": check.bonus,
        },
    }
    if check.verdict is not Verdict.PASS:
        test["message"] = f"{account.headline(check)}\n{account.explanation(check)}"
    return test


def _document(tests: list[dict[str, Any]], start: int, stop: int, extra: dict[str, Any]) -> str:
    counts = {status: sum(test["status"] == status for test in tests) for status in _STATUSES}
    document = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "generatedBy": "grader",
        "results": {
            "tool": {"name": "grader"},
            "summary": {"tests": len(tests), **counts, "start": start, "stop": stop, "extra": extra},
            "tests": tests,
        },
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _milliseconds_of(started_at: str) -> int:
    try:
        moment = datetime.fromisoformat(started_at)
        return max(round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        return 0


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 0)
