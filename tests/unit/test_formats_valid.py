"""Each format is what the platform that reads it takes: its keys, its types, its limits."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from hypothesis import given
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from grader.model import Refusal, Report
from grader.report import BY_NAME
from tests.unit.any_report import (
    BROKEN,
    FAILED,
    HOSTILE,
    ONE_OF_EACH,
    OURS,
    PASSED,
    REFUSED,
    SOME,
    UNJUDGED,
    any_report,
    check,
    hostile_report,
    report,
)

SCHEMAS = Path(__file__).parents[1] / "schemas"
CTRF = json.loads((SCHEMAS / "ctrf.schema.json").read_text())

KNOWN = [PASSED, FAILED, UNJUDGED, BROKEN, ONE_OF_EACH, report(), *map(hostile_report, HOSTILE)]


def render(name: str, graded: Report | Refusal) -> str:
    each = BY_NAME[name]
    return each.render(graded) if isinstance(graded, Report) else each.refuse(graded)


# ---------------------------------------------------------------- the platforms, as models


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Points = Annotated[float, Field(ge=0)]


class ClassroomTest(Strict):
    name: str
    status: Literal["pass", "fail", "error"]
    score: Points
    message: str
    test_code: str
    filename: str
    line_no: int
    duration: float


class Classroom(Strict):
    version: Literal[1]
    status: Literal["pass", "fail", "error"]
    max_score: Points
    tests: list[ClassroomTest]


class GradescopeTest(Strict):
    score: Points | None = None
    max_score: Points | None = None
    status: Literal["passed", "failed"] | None = None
    name: str
    name_format: Literal["text"]
    number: str
    output: str
    output_format: Literal["text"]
    tags: list[str]
    visibility: Literal["visible"]
    extra_data: dict[str, Any]


class Gradescope(Strict):
    score: Points | None = None
    execution_time: float | None = None
    output: str
    output_format: Literal["text"]
    visibility: Literal["visible"]
    stdout_visibility: Literal["hidden"] = "hidden"
    extra_data: dict[str, Any] = {}
    tests: list[GradescopeTest] = []


class PrairieLearnTest(Strict):
    name: str
    description: str
    points: Points | None = None
    max_points: Points | None = None
    message: str
    output: str


class PrairieLearn(Strict):
    gradable: bool
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    format_errors: list[str] = []
    message: str
    output: str = ""
    tests: list[PrairieLearnTest] = []


class ExercismTest(Strict):
    name: str
    status: Literal["pass", "fail", "error"]
    message: Annotated[str, Field(max_length=65_535)] | None = None
    task_id: int


class Exercism(Strict):
    version: Literal[3]
    status: Literal["pass", "fail", "error"]
    message: Annotated[str, Field(max_length=65_535)] | None = None
    tests: list[ExercismTest] | None = None


MODELS: dict[str, TypeAdapter[Any]] = {
    "classroom": TypeAdapter(Classroom),
    "gradescope": TypeAdapter(Gradescope),
    "prairielearn": TypeAdapter(PrairieLearn),
    "exercism": TypeAdapter(Exercism),
}
MOST_BYTES = {
    "classroom": 700_000,
    "prairielearn": 2**20,
    "exercism": 500_000,
    "summary": 2**20,
    "comment": 65_536,
}


def read(name: str, graded: Report | Refusal) -> Any:
    """The platform's view of it, after a strict reading."""
    text = render(name, graded)
    assert json.loads(text, parse_constant=pytest.fail)
    return MODELS[name].validate_json(text)


@pytest.mark.parametrize("graded", [*KNOWN, REFUSED, OURS])
@pytest.mark.parametrize("name", MODELS)
def test_a_platform_takes_what_is_written_for_it(name: str, graded: Report | Refusal) -> None:
    read(name, graded)


@SOME
@given(each=any_report())
@pytest.mark.parametrize("name", MODELS)
def test_a_platform_takes_any_report(name: str, each: Report) -> None:
    read(name, each)


@pytest.mark.parametrize("graded", [*KNOWN, REFUSED, OURS])
def test_ctrf_follows_its_schema(graded: Report | Refusal) -> None:
    fields = json.loads(render("ctrf", graded))
    jsonschema.Draft7Validator(CTRF).validate(fields)
    summary = fields["results"]["summary"]
    assert sum(summary[s] for s in ("passed", "failed", "skipped", "pending", "other")) == summary["tests"]
    assert len(fields["results"]["tests"]) == summary["tests"]


@SOME
@given(each=any_report())
def test_ctrf_follows_its_schema_for_any_report(each: Report) -> None:
    jsonschema.Draft7Validator(CTRF).validate(json.loads(render("ctrf", each)))


def test_ctrf_counts_milliseconds_since_the_epoch() -> None:
    summary = json.loads(render("ctrf", ONE_OF_EACH))["results"]["summary"]
    assert (summary["start"], summary["stop"] - summary["start"]) == (1741083072000, 83400)


@pytest.mark.parametrize("graded", [*KNOWN, REFUSED, OURS])
def test_junit_has_the_elements_attributes_and_order_that_its_schemas_ask_for(graded: Report | Refusal) -> None:
    root = Xml.fromstring(render("junit", graded).encode())
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        required = {"name", "package", "id", "hostname", "timestamp", "tests", "failures", "errors", "time"}
        assert required <= set(suite.attrib) <= required | {"skipped"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert re.fullmatch(r"properties(,testcase)+,system-out,system-err", ",".join(e.tag for e in suite))
        cases = suite.findall("testcase")
        for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.get(count, "0")) == len(suite.findall(f"testcase/{tag}"))
        assert int(suite.attrib["tests"]) == len(cases)
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert re.fullmatch(r"\d+\.?\d*", case.attrib["time"])
            assert len(case) <= 1
            assert all(child.tag in ("failure", "error", "skipped") for child in case)
        for property in suite.iterfind("properties/property"):
            assert set(property.attrib) == {"name", "value"}


@SOME
@given(each=any_report())
def test_junit_of_any_report_is_xml(each: Report) -> None:
    Xml.fromstring(render("junit", each).encode())


# ---------------------------------------------------------------- whose fault it is


@pytest.mark.parametrize(
    ("each", "classroom", "exercism"),
    [
        (PASSED, "pass", "pass"),
        (FAILED, "fail", "fail"),
        (UNJUDGED, "error", "error"),
        (BROKEN, "error", "error"),
    ],
)
def test_what_could_not_be_judged_is_no_failure_of_the_whole(each: Report, classroom: str, exercism: str) -> None:
    assert read("classroom", each).status == classroom
    assert read("exercism", each).status == exercism


def test_a_score_that_is_not_to_be_used_is_not_given() -> None:
    assert read("gradescope", BROKEN).score is None
    assert read("gradescope", UNJUDGED).score == 4
    assert read("prairielearn", BROKEN).gradable is False
    assert read("prairielearn", UNJUDGED).gradable is True


@pytest.mark.parametrize("name", ["junit", "ctrf", "summary", "comment", "annotations", "classroom", "gradescope"])
def test_every_format_says_why_there_is_no_report_and_whose_fault_it_is(name: str) -> None:
    theirs, ours = render(name, REFUSED), render(name, OURS)
    assert "did you mean" in theirs
    assert "not your fault" not in theirs
    assert "start Docker" in ours
    assert "not your fault" in ours


def test_a_submission_that_cannot_be_graded_gets_no_points_and_the_graders_own_failure_no_score() -> None:
    assert read("gradescope", REFUSED).score == 0
    assert read("gradescope", OURS).score is None
    assert read("prairielearn", REFUSED).format_errors == [REFUSED.reason]
    assert (read("exercism", REFUSED).status, read("exercism", OURS).status) == ("error", "error")
    assert Xml.fromstring(render("junit", REFUSED)).find(".//failure") is not None
    assert Xml.fromstring(render("junit", OURS)).find(".//failure") is None
    assert render("annotations", REFUSED).startswith("::error ")
    assert render("annotations", OURS).startswith("::warning ")


def test_exercism_leaves_out_a_bonus_that_was_not_reached() -> None:
    assert [test.name for test in read("exercism", PASSED).tests] == ["2.health: This is what health is about."]


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("name", BY_NAME)
def test_a_flood_of_text_fits_the_platforms_limit(name: str) -> None:
    text = "漢" * 30_000
    [*each] = hostile_report(text).checks
    flood = report(*(c for _ in range(40) for c in each))
    size = len(render(name, flood).encode())
    if name in MOST_BYTES:
        assert size <= MOST_BYTES[name]


def test_at_most_ten_errors_and_ten_warnings_are_annotated_and_the_last_says_how_many_more() -> None:
    many = [
        check(f"2.a{'b' * n}", verdict)
        for verdict in (BROKEN.checks[0].verdict, BROKEN.checks[1].verdict)
        for n in range(25)
    ]
    rows = render("annotations", report(*many)).splitlines()
    errors = [row for row in rows if row.startswith("::error ")]
    assert len(errors) == 10
    assert len(rows) == 20
    assert "16 more" in errors[-1]


@SOME
@given(each=any_report())
@pytest.mark.parametrize("name", MOST_BYTES)
def test_any_report_fits_the_platforms_limit(name: str, each: Report) -> None:
    assert len(render(name, each).encode()) <= MOST_BYTES[name]


def test_a_gradebook_is_one_row_a_submission() -> None:
    rows = list(csv.reader(io.StringIO(render("csv", ONE_OF_EACH), newline="")))
    assert len(rows) == 2
    assert rows[0][-5:] == ["2.health", "3a.processes", "3a.sigint", "3b.burst", "x.fencing"]
    assert rows[1][-5:] == ["4", "1.5", "skipped", "inconclusive", "error"]
