"""The report as data: complete, valid, and readable again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grader.model import (
    Attachment,
    CheckResult,
    Counterexample,
    Evidence,
    LaneStep,
    PostgresInfo,
    Report,
    Verdict,
)
from grader.report import from_json, read_json, render_json, schema, to_json, write_all

ORDER = Counterexample(
    lanes=("grader", "worker-A", "worker-B"),
    steps=(
        LaneStep(1, "grader", "SELECT 1 FOR UPDATE", "1 row", "T"),
        LaneStep(2, "worker-A", "UPDATE tasks", waits_for="grader"),
        LaneStep(3, "worker-B", "SIGTERM"),
        LaneStep(4, "worker-A", "UPDATE tasks", "1 row", "I", goes_on=True, changes=("7: a → b", "8: a → b")),
    ),
    setup="one pending task",
    rule="task 7 was claimed twice",
    schedule="G A B A",
    replays=3,
)
FAILED = CheckResult(
    id="3a.sigterm-finishes-task",
    part="3a",
    title="A worker that gets SIGTERM finishes its task.",
    verdict=Verdict.FAIL,
    points=1.5,
    max_points=6.0,
    expected="task 7 completed",
    observed="task 7 processing\nexit status -15",
    hint="Look at the stop flag after the task.",
    read="labs/lab-03-worker-service.md#graceful-shutdown",
    duration_s=2.25,
    scenario="sigterm_mid_task",
    evidence=(Evidence(12.5, "SIGTERM sent", "worker-A"), Evidence(12.75, "task 7 unchanged")),
    attachments=(Attachment("docs/data-flow.md", "client → api"),),
    coverage="412 schedules, all with at most 2 preemptions",
    counterexample=ORDER,
)
UNJUDGED = tuple(
    CheckResult(f"x.{verdict.value}", "x", "A sentence.", verdict, 0, 1, bonus=True, reason="Because.")
    for verdict in (Verdict.SKIPPED, Verdict.INCONCLUSIVE, Verdict.ERROR)
)
PASSED = CheckResult("2.health", "2", "It is healthy.", Verdict.PASS, 1, 1, observed="200, 503, 200")


def report(*checks: CheckResult, **more: Any) -> Report:
    postgres = PostgresInfo("embedded", "18.6", "no Docker engine answers")
    known: dict[str, Any] = {
        "lab": "Lab 03",
        "submission": "team-7",
        "isolation": "self-check",
        "seed": 4711,
        "started_at": "2025-03-04T10:11:12Z",
        "duration_s": 83.4,
        "postgres": postgres,
    }
    return Report(checks=checks, **{**known, **more})


ADDED = {"coverage", "counterexample"}
"""Keys of a check that reports written before may lack."""
FULL = report(
    PASSED,
    FAILED,
    *UNJUDGED,
    notes=("The machine stalled.",),
    complete=False,
    machine="2 cores, as quick as a quiet one",
)


def validate(fields: object) -> None:
    jsonschema.Draft202012Validator(schema()).validate(fields)


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("each", [FULL, report()])
def test_a_report_comes_back_the_same_through_text(each: Report) -> None:
    fields = json.loads(render_json(each))
    validate(fields)
    assert from_json(fields) == each


def test_the_schema_describes_every_key_and_no_other() -> None:
    fields, described = to_json(FULL), schema()
    definitions = described["$defs"]
    for written, known in [
        (fields["postgres"], described["properties"]["postgres"]),
        (fields["checks"][1]["counterexample"], definitions["counterexample"]),
        (fields["checks"][1]["counterexample"]["steps"][0], definitions["step"]),
        (fields["checks"][1]["evidence"][0], definitions["evidence"]),
        (fields["checks"][1]["attachments"][0], definitions["attachment"]),
    ]:
        assert set(written) == set(known["properties"]) == set(known["required"])
    assert set(fields) == set(described["properties"]) == {*described["required"], "machine"}
    check = definitions["check"]
    assert set(fields["checks"][1]) == set(check["properties"]) == {*check["required"], *ADDED}


def test_a_report_of_before_there_were_counterexamples_is_valid_and_read() -> None:
    fields = to_json(FULL)
    del fields["machine"]
    for check in fields["checks"]:
        for key in ADDED:
            del check[key]
    validate(fields)
    before = dataclasses.replace(FAILED, coverage=None, counterexample=None)
    assert from_json(fields) == dataclasses.replace(FULL, checks=(PASSED, before, *UNJUDGED), machine="")


def test_a_counterexample_without_steps_comes_back_the_same() -> None:
    none = dataclasses.replace(FAILED, counterexample=dataclasses.replace(ORDER, lanes=(), steps=(), replays=0))
    fields = json.loads(render_json(report(none)))
    validate(fields)
    assert from_json(fields) == report(none)


def test_the_texts_of_a_counterexample_are_kept_valid_and_bounded() -> None:
    sql = "SELECT '\x1b[31m<script>\ud800\x00'"
    steps = (LaneStep(1, "worker-A", sql, changes=("漢\udfff",)), LaneStep(2, "worker-A", "x" * 3_000_000))
    fields = to_json(report(dataclasses.replace(FAILED, counterexample=dataclasses.replace(ORDER, steps=steps))))
    first, second = fields["checks"][0]["counterexample"]["steps"]
    assert first["text"] == "SELECT '\x1b[31m<script>\ufffd\ufffd'"
    assert first["changes"] == ["漢\ufffd"]
    assert len(second["text"]) < 1_000_100


def test_the_schema_wants_every_verdict_explained() -> None:
    for check in (dataclasses.replace(FAILED, observed=None), dataclasses.replace(UNJUDGED[0], reason=None)):
        with pytest.raises(jsonschema.ValidationError):
            validate(to_json(report(check)))


def test_the_sums_are_in_it() -> None:
    fields = to_json(FULL)
    assert (fields["score"], fields["max_score"], fields["bonus"], fields["max_bonus"]) == (2.5, 7, 0, 3)
    assert fields["outcome"] == "error"


def test_whole_points_are_ints_and_shares_are_not_smeared() -> None:
    shares = [dataclasses.replace(FAILED, points=points) for points in (0.1, 0.2, 5.0)]
    fields = to_json(report(*shares))
    assert repr(fields["score"]) == "5.3"
    assert repr(fields["checks"][2]["points"]) == "5"


def test_nul_and_lone_surrogates_do_not_spoil_the_file(tmp_path: Path) -> None:
    nasty = dataclasses.replace(FAILED, observed="\x00<script>\ud800\x1b[31m")
    assert write_all(report(nasty), tmp_path) == []
    path = tmp_path / "report.json"
    assert b"\\u0000" not in path.read_bytes()
    assert read_json(path).checks[0].observed == "\ufffd<script>\ufffd\x1b[31m"


def test_a_text_without_end_is_cut() -> None:
    observed = to_json(report(dataclasses.replace(FAILED, observed="x" * 3_000_000)))["checks"][0]["observed"]
    assert len(observed) < 1_000_100


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        render_json(report(dataclasses.replace(PASSED, duration_s=float("nan"))))


def test_keys_of_a_later_version_are_ignored() -> None:
    fields = to_json(FULL)
    fields["tomorrow"] = fields["checks"][0]["tomorrow"] = 1
    assert from_json(fields) == FULL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "grader/report/2"}, "schema is not grader/report/1"),
        ({"checks": [{}]}, "'id' is missing"),
        ({"checks": 3}, "not iterable"),
        ({"checks": [{**to_json(FULL)["checks"][1], "counterexample": {"lanes": []}}]}, "'steps' is missing"),
        ({"checks": [{**to_json(FULL)["checks"][1], "counterexample": 3}]}, "not subscriptable"),
        ({"checks": [{**to_json(report(PASSED))["checks"][0], "verdict": "perhaps"}]}, "'perhaps'"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        from_json({**to_json(FULL), **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", [[], "text", None, {}])
def test_other_json_is_no_report(other: Any) -> None:
    with pytest.raises(ValueError, match="no report of this grader"):
        from_json(other)
