"""Reading each format back: what it says of every check, so that formats can be compared."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree as Xml

from grader.model import Report, Verdict
from grader.report import BY_NAME, render_json
from grader.report.gradebook import COLUMNS


class Told(NamedTuple):
    """What a format says of one check."""

    verdict: str
    points: float
    max_points: float


Story = dict[str, Told]

_HEADLINE = re.compile(r"(\w+), ([\d.]+)/([\d.]+) points")


def of_report(report: Report) -> Story:
    return {c.id: Told(c.verdict.value, c.points, c.max_points) for c in report.checks}


def headline(text: str) -> Told:
    """What the first line of a message says."""
    found = _HEADLINE.match(text)
    assert found, text[:200]
    return Told(found[1], float(found[2]), float(found[3]))


def _json(text: str) -> Story:
    return {c["id"]: Told(c["verdict"], c["points"], c["max_points"]) for c in json.loads(text)["checks"]}


def _junit(text: str) -> Story:
    root = Xml.fromstring(text)
    facts = {p.attrib["name"]: p.attrib["value"] for p in root.iter("property")}
    story = {}
    for case in root.iter("testcase"):
        name = case.attrib["name"]
        told = Told(facts[f"{name}.verdict"], float(facts[f"{name}.points"]), float(facts[f"{name}.max_points"]))
        shown = {child.tag for child in case}
        expected = {"pass": set(), "fail": {"failure"}, "error": {"error"}}.get(told.verdict, {"skipped"})
        assert shown == expected, (name, told, shown)
        story[name] = told
    return story


def _ctrf(text: str) -> Story:
    story = {}
    for test in json.loads(text)["results"]["tests"]:
        status = {"pass": "passed", "fail": "failed", "skipped": "skipped"}.get(test["rawStatus"], "other")
        assert test["status"] == status
        story[test["name"]] = Told(test["rawStatus"], test["extra"]["points"], test["extra"]["max_points"])
    return story


def _summary(text: str) -> Story:
    rows = re.findall(r"^\| \S+ (\w+) \| `([^`]+)` \| ([\d.]+)/([\d.]+) \|", text, re.MULTILINE)
    return {id: Told(verdict, float(points), float(most)) for verdict, id, points, most in rows}


def _classroom(text: str) -> Story:
    story = {}
    for test in json.loads(text)["tests"]:
        told = headline(test["message"])
        assert test["status"] == (told.verdict if told.verdict in ("pass", "fail") else "error")
        story[test["name"]] = told._replace(points=test["score"])
    return story


def _gradescope(text: str) -> Story:
    story = {}
    for test in json.loads(text)["tests"]:
        extra = test["extra_data"]
        told = Told(extra["verdict"], extra["points"], extra["max_points"])
        assert headline(test["output"]).verdict == told.verdict
        if told.verdict in ("pass", "fail"):
            assert (test["score"], test["max_score"]) == told[1:]
            assert test["status"] == f"{told.verdict}ed"
        else:
            assert not {"score", "max_score", "status"} & set(test)
        story[test["number"]] = told
    return story


def _prairielearn(text: str) -> Story:
    story = {}
    for test in json.loads(text)["tests"]:
        told = headline(test["message"])
        if told.verdict in ("inconclusive", "error"):
            assert not {"points", "max_points"} & set(test)
        else:
            told = Told(told.verdict, test["points"], test["max_points"])
        story[test["name"]] = told
    return story


def _exercism(text: str) -> Story:
    """Without points for what passed: there are none in it."""
    story = {}
    for test in json.loads(text)["tests"]:
        told = headline(test["message"]) if "message" in test else Told("pass", -1, -1)
        assert test["status"] == (told.verdict if told.verdict in ("pass", "fail") else "error")
        story[test["name"].partition(":")[0]] = told
    return story


def _csv(text: str) -> Story:
    """Without the most points, and pass and fail in one: a cell has points or a word."""
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    words = {verdict.value for verdict in Verdict}
    story = {}
    for name, cell in row.items():
        if name not in COLUMNS:
            story[name] = Told(cell, 0, -1) if cell in words else Told("judged", float(cell), -1)
    return story


READERS: Mapping[str, Callable[[str], Story]] = {
    "json": _json,
    "junit": _junit,
    "ctrf": _ctrf,
    "summary": _summary,
    "classroom": _classroom,
    "gradescope": _gradescope,
    "prairielearn": _prairielearn,
    "exercism": _exercism,
    "csv": _csv,
}
"""The formats that tell of every check."""


def as_told_by(name: str, story: Story) -> Story:
    """``story`` as far as the format can tell it."""

    def cut(told: Told) -> Told:
        if name == "exercism" and told.verdict == "pass":
            return Told("pass", -1, -1)
        if name == "csv":
            judged = told.verdict in ("pass", "fail")
            return Told("judged" if judged else told.verdict, told.points, -1)
        return told

    def is_told(id: str, told: Told) -> bool:
        return name != "exercism" or not id.startswith("x.") or told.verdict == "pass"

    return {id: cut(told) for id, told in story.items() if is_told(id, told)}


def close(one: Story, other: Story) -> bool:
    """The same checks and verdicts, and points that differ by their rounding alone."""
    return one.keys() == other.keys() and all(
        one[id].verdict == other[id].verdict
        and abs(one[id].points - other[id].points) < 0.006
        and abs(one[id].max_points - other[id].max_points) < 0.006
        for id in one
    )


def differing(report: Report) -> list[str]:
    """The formats that do not tell the story of this report; none, it is to be hoped."""
    story = of_report(report)
    found = []
    for name, read in READERS.items():
        text = render_json(report) if name == "json" else BY_NAME[name].render(report)
        try:
            agrees = close(read(text), as_told_by(name, story))
        except (AssertionError, ValueError, KeyError):  # what is written there cannot be read back
            agrees = False
        if not agrees:
            found.append(name)
    return found


def total(name: str, text: str) -> Any:
    """Points of the lab and of the bonus as the whole of a format says them; None where it has no such sum."""
    match name:
        case "json":
            fields = json.loads(text)
            return fields["score"] + fields["bonus"]
        case "ctrf":
            extra = json.loads(text)["results"]["summary"]["extra"]
            return extra["score"] + extra["bonus"]
        case "gradescope":
            return json.loads(text).get("score")
        case "classroom":
            return sum(test["score"] for test in json.loads(text)["tests"])
        case "csv":
            [row] = csv.DictReader(io.StringIO(text, newline=""))
            return float(row["score"]) + float(row["bonus"]) if row["score"] else None
        case _:
            return None
