"""``refused.json``: why there is no report, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grader.model import Refusal
from grader.report.text import valid

SCHEMA = "grader/refusal/1"


def refusal_text(refusal: Refusal) -> str:
    """The text of ``refused.json``."""
    fields = {
        "schema": SCHEMA,
        "submission": valid(refusal.submission),
        "reason": valid(refusal.reason),
        "ours": refusal.ours,
    }
    return json.dumps(fields, ensure_ascii=False, indent=2) + "\n"


def refusal_from_json(fields: Mapping[str, Any]) -> Refusal:
    """The refusal that ``refusal_text`` wrote. ValueError, in one line, when ``fields`` is none."""
    match fields:
        case {"schema": str(schema), "submission": str(submission), "reason": str(reason), "ours": bool(ours)}:
            if schema == SCHEMA:
                return Refusal(submission, reason, ours)
    raise ValueError(f"no refusal of this grader: its schema is not {SCHEMA}, or a key is missing")
