"""The report as data, ``report.json``: what every other format and every later reading is made from.

``report.schema.json`` beside this file describes it. A key that is there keeps its meaning for as long as
``schema`` says the same; keys may be added, and readers ignore those they do not know.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any

from grader.model import (
    Attachment,
    CheckResult,
    Counterexample,
    Evidence,
    PostgresInfo,
    Report,
    Verdict,
    known,
)
from grader.report import text

Json = Any
"""Whatever ``json.loads`` may return."""

SCHEMA = "grader/report/1"


def schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) that every report follows."""
    found: dict[str, Json] = json.loads(
        resources.files("grader.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    )
    return found


def to_json(report: Report) -> dict[str, Json]:
    """The report as a dict of JSON types. Whole numbers are ints; texts hold no NUL and no lone surrogate."""
    fields: dict[str, Json] = {
        "schema": SCHEMA,
        "lab": report.lab,
        "submission": report.submission,
        "outcome": report.outcome,
        # Sums of shares: 0.1 + 0.2 is to read 0.3.
        "score": round(report.score, 6),
        "max_score": round(report.max_score, 6),
        "bonus": round(report.bonus, 6),
        "max_bonus": round(report.max_bonus, 6),
        "complete": report.complete,
        "started_at": report.started_at,
        "duration_s": report.duration_s,
        "seed": report.seed,
        "isolation": report.isolation,
        "postgres": dataclasses.asdict(report.postgres),
        "machine": report.machine,
        "notes": report.notes,
        "checks": [dataclasses.asdict(check) for check in report.checks],
    }
    plain: dict[str, Json] = _plain(fields)
    return plain


def from_json(fields: Mapping[str, Json]) -> Report:
    """The report that ``to_json`` turned into ``fields``; scores and outcome are counted anew.

    Raises ValueError, in one line, when ``fields`` is no such report.
    """
    if not isinstance(fields, Mapping) or fields.get("schema") != SCHEMA:
        raise ValueError(f"no report of this grader: its schema is not {SCHEMA}")
    try:
        checks = tuple(_check(check) for check in fields["checks"])
        postgres = PostgresInfo(**known(PostgresInfo, fields["postgres"]))
        others = {**known(Report, {"machine": "", **fields}), "notes": tuple(fields["notes"])}
        return Report(**{**others, "checks": checks, "postgres": postgres})
    except KeyError as missing:
        raise ValueError(f"no report of this grader: {missing} is missing") from missing
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"no report of this grader: {text.line(str(wrong))}") from wrong


def render_json(report: Report) -> str:
    """The text of ``report.json``. Raises ValueError for a number that JSON does not know (NaN, infinity)."""
    return json.dumps(to_json(report), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def read_json(path: Path) -> Report:
    """The report in the file at ``path``. Raises OSError, or ValueError when it holds none."""
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def _check(fields: Mapping[str, Json]) -> CheckResult:
    # Reports of before these keys were added are read as well.
    told = known(CheckResult, {"coverage": None, "counterexample": None, **fields})
    order = told["counterexample"]
    return CheckResult(
        **{
            **told,
            "verdict": Verdict(told["verdict"]),
            "evidence": tuple(Evidence(**known(Evidence, item)) for item in told["evidence"]),
            "attachments": tuple(Attachment(**known(Attachment, item)) for item in told["attachments"]),
            "counterexample": None if order is None else Counterexample.from_fields(order),
        }
    )


def _plain(value: Json) -> Json:
    """``value`` in JSON types alone."""
    match value:
        case Enum():
            return value.value
        case str():
            return text.valid(value)
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
