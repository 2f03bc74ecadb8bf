"""JUnit XML, for CI systems and test viewers. There is no official schema; this fits the ones in use.

One ``testsuite`` a part, one ``testcase`` a check. ``failure`` is a check that failed, ``error`` the grader's own
fault; what was skipped, and what could not be judged, is ``skipped`` with its reason. JUnit knows no points and three
verdicts: ``NAME.verdict``, ``NAME.points`` and ``NAME.max_points`` stand among the suite's properties, which every
schema has room for (those of a single test are not read everywhere).
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from xml.etree import ElementTree as Xml

from grader.model import CheckResult, Refusal, Report, Verdict
from grader.report import account, outline

MOST_BYTES = 8_000_000
"""More than that some viewers refuse to read."""


def render_junit(report: Report) -> str:
    """The text of ``junit.xml``."""
    return account.fitted(report, _render, MOST_BYTES)


def refuse_junit(refusal: Refusal) -> str:
    """One test, which says why there are no others: a failure if the submission is to blame, else an error."""
    refusal = account.cleaned_refusal(refusal)
    kind = "error" if refusal.ours else "failure"
    counts = {"tests": "1", "failures": str(int(not refusal.ours)), "errors": str(int(refusal.ours)), "time": "0"}
    root = Xml.Element("testsuites", {"name": refusal.submission, **counts})
    suite = Xml.SubElement(root, "testsuite", _suite("grading", "grading", 0, "", counts))
    Xml.SubElement(suite, "properties")
    case = Xml.SubElement(suite, "testcase", {"name": "can be graded", "classname": "grading", "time": "0"})
    Xml.SubElement(case, kind, {"message": refusal.reason, "type": kind}).text = account.whose(refusal)
    _ends(suite, "")
    return _text(root)


def _render(report: Report) -> str:
    root = Xml.Element("testsuites", {"name": f"{report.lab} {report.submission}", **_counts(report.checks)})
    root.set("time", _seconds(report.duration_s))
    for number, part in enumerate(outline.parts(report)):
        name = f"{report.lab}.{part.name}"
        suite = Xml.SubElement(
            root, "testsuite", _suite(name, part.heading, number, report.started_at, _counts(part.checks))
        )
        properties = Xml.SubElement(suite, "properties")
        for check in part.checks:
            for key, value in (
                ("verdict", check.verdict.value),
                ("points", outline.number(check.points)),
                ("max_points", outline.number(check.max_points)),
            ):
                Xml.SubElement(properties, "property", {"name": f"{check.id}.{key}", "value": value})
        for check in part.checks:
            suite.append(_case(check, name))
        _ends(suite, "\n".join([outline.score(report), *account.caveats(report)]))
    return _text(root)


def _case(check: CheckResult, suite: str) -> Xml.Element:
    case = Xml.Element("testcase", {"name": check.id, "classname": suite, "time": _seconds(check.duration_s)})
    said = account.explanation(check)
    match check.verdict:
        case Verdict.PASS:
            return case
        case Verdict.FAIL:
            found = Xml.SubElement(case, "failure", {"type": "fail"})
        case Verdict.ERROR:
            found = Xml.SubElement(case, "error", {"type": "error"})
        case Verdict.SKIPPED | Verdict.INCONCLUSIVE:
            found = Xml.SubElement(case, "skipped")
            said = f"{account.headline(check)}\n{said}"
            found.set("message", f"{check.verdict.value}: {check.reason or outline.excuse(check.verdict)}")
            found.text = said
            return case
        case _:
            assert_never(check.verdict)
    found.set("message", f"{account.headline(check)}: {check.title}")
    found.text = said
    return case


def _counts(checks: tuple[CheckResult, ...]) -> dict[str, str]:
    def of(*verdicts: Verdict) -> str:
        return str(sum(check.verdict in verdicts for check in checks))

    return {
        "tests": str(len(checks)),
        "failures": of(Verdict.FAIL),
        "errors": of(Verdict.ERROR),
        "skipped": of(Verdict.SKIPPED, Verdict.INCONCLUSIVE),
        "time": _seconds(sum(check.duration_s for check in checks)),
    }


def _suite(name: str, heading: str, number: int, started_at: str, counts: dict[str, str]) -> dict[str, str]:
    return {
        "name": heading,
        "package": name,
        "id": str(number),
        "hostname": "localhost",
        "timestamp": _timestamp(started_at),
        **counts,
    }


def _ends(suite: Xml.Element, output: str) -> None:
    Xml.SubElement(suite, "system-out").text = output
    Xml.SubElement(suite, "system-err")


def _timestamp(started_at: str) -> str:
    """Without a zone and to the second, which is all that the stricter schemas take."""
    try:
        return datetime.fromisoformat(started_at).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return "1970-01-01T00:00:00"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0):.3f}"


def _text(root: Xml.Element) -> str:
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'
