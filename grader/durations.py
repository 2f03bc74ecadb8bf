"""Durations as a submission wants to read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, assert_never

DurationForm = Literal["seconds", "go"]
"""How a submission wants its durations written: ``0.25``, or ``250ms``."""


def format_duration(seconds: float, form: DurationForm) -> str:
    """A duration as a submission wants to read it, without loss: 0.25 is ``0.25`` or ``250ms``, 90 is ``1m30s``.

    Raises ValueError for a number that is not finite.
    """
    exact = Decimal(repr(seconds)) if isinstance(seconds, float) else Decimal(seconds)
    if not exact.is_finite():
        raise ValueError(f"not a duration: {seconds}")
    match form:
        case "seconds":
            return _plain(exact)
        case "go":
            return _go_duration(exact)
        case _:
            assert_never(form)


def _go_duration(seconds: Decimal) -> str:
    """The syntax of Go's time.ParseDuration, which takes a fraction with every unit."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    if 0 < rest < 1:
        return f"{sign}{_plain(rest * 1000)}ms"
    minutes, rest = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{amount}{unit}" for amount, unit in ((int(hours), "h"), (int(minutes), "m")) if amount]
    if rest or not parts:
        parts.append(f"{_plain(rest)}s")
    return sign + "".join(parts)


def _plain(number: Decimal) -> str:
    digits = format(number, "f")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits in ("-0", "") else digits
