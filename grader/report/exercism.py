"""Exercism's ``results.json``, version 3.

It knows no points and no bonus. A bonus check that did not pass is left out, so that it does not fail an exercise that
is solved. What was skipped or could not be judged is ``error``, with a message that says whose fault it is; the whole
is ``error`` only where nothing failed. The runner that writes it ends with status 0.
"""

from __future__ import annotations

import json
from typing import Any, assert_never

from grader.model import CheckResult, Refusal, Report, Verdict
from grader.report import account, outline
from grader.report.account import Standing

MOST_BYTES = 500_000
LONGEST_MESSAGE = 65_535
"""Characters; of several bytes each, fewer fit."""

_CUT = " ... (cut)"


def render_exercism(report: Report) -> str:
    """The text of ``exercism.json``, to be ``results.json``."""
    return account.fitted(report, _render, MOST_BYTES)


def refuse_exercism(refusal: Refusal) -> str:
    """An error, and why."""
    refusal = account.cleaned_refusal(refusal)
    return _text({"version": 3, "status": "error", "message": f"{account.whose(refusal)}\n{refusal.reason}"})


def _render(report: Report) -> str:
    tests = [
        _test(check, number)
        for number, part in enumerate(outline.parts(report), start=1)
        for check in part.checks
        if not check.bonus or check.verdict is Verdict.PASS
    ]
    fields: dict[str, Any] = {"version": 3}
    match account.standing(report):
        case Standing.PASS:
            fields["status"] = "pass"
        case Standing.FAIL:
            fields["status"] = "fail"
        case Standing.UNJUDGED:
            fields["status"] = "error"
            fields["message"] = _bounded("\n".join([outline.tally(report), *account.caveats(report)]))
    return _text({**fields, "tests": tests})


def _test(check: CheckResult, task: int) -> dict[str, Any]:
    test: dict[str, Any] = {"name": f"{check.id}: {check.title}", "status": _status(check), "task_id": task}
    if check.verdict is not Verdict.PASS:
        test["message"] = _bounded(f"{account.headline(check)}\n{account.explanation(check)}")
    return test


def _status(check: CheckResult) -> str:
    match check.verdict:
        case Verdict.PASS:
            return "pass"
        case Verdict.FAIL:
            return "fail"
        case Verdict.SKIPPED | Verdict.INCONCLUSIVE | Verdict.ERROR:
            return "error"
    assert_never(check.verdict)


def _bounded(text: str) -> str:
    kept = text.encode()[: LONGEST_MESSAGE - len(_CUT)]
    return text if len(text.encode()) <= LONGEST_MESSAGE else kept.decode(errors="ignore") + _CUT


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
