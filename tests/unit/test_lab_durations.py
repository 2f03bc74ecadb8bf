"""How durations are told to a service."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from grader.durations import DurationForm
from grader.lab import Lab


@pytest.mark.parametrize(
    ("seconds", "form", "written"),
    [
        (3.4 * 1.19, "seconds", "4.046"),  # 4.045999999999999 as a float
        (3.4 * 1.19, "go", "4.046s"),
        (0.1 + 0.2, "seconds", "0.3"),
        (0.25 / 3, "go", "83ms"),
        (0.25, "seconds", "0.25"),
        (0.0, "seconds", "0"),
        (3600.0, "seconds", "3600"),
    ],
)
def test_a_duration_has_no_more_digits_than_a_person_would_write(
    seconds: float, form: DurationForm, written: str
) -> None:
    around = SimpleNamespace(submission=SimpleNamespace(durations=form))
    lab: Any = SimpleNamespace(_around=around)
    assert Lab.duration(cast(Lab, lab), seconds) == written
