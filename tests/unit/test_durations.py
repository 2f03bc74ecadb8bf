"""Writing a submission's durations."""

from __future__ import annotations

import pytest

from grader.durations import DurationForm, format_duration


@pytest.mark.parametrize(
    ("seconds", "form", "written"),
    [
        (0.25, "seconds", "0.25"),
        (0, "seconds", "0"),
        (0.0, "seconds", "0"),
        (2.0, "seconds", "2"),
        (300, "seconds", "300"),
        (0.00001, "seconds", "0.00001"),
        (1e16, "seconds", "10000000000000000"),
        (0.25, "go", "250ms"),
        (0.0005, "go", "0.5ms"),
        (0, "go", "0s"),
        (0.0, "go", "0s"),
        (2, "go", "2s"),
        (1.5, "go", "1.5s"),
        (60, "go", "1m"),
        (90, "go", "1m30s"),
        (3600, "go", "1h"),
        (3661.25, "go", "1h1m1.25s"),
        (-0.25, "go", "-250ms"),
    ],
)
def test_durations_are_exact(seconds: float, form: DurationForm, written: str) -> None:
    assert format_duration(seconds, form) == written


@pytest.mark.parametrize("form", ["seconds", "go"])
@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_what_is_no_duration_is_not_written(seconds: float, form: DurationForm) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        format_duration(seconds, form)
