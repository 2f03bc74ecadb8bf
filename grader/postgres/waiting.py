"""The one place where the start of a server is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from grader.errors import EnvironmentFailed
from grader.postgres.server import one_line

T = TypeVar("T")

_LOOK_AGAIN = 0.004


def until_it_answers(
    attempt: Callable[[], T], *, what: str, timeout: float, gone: Callable[[], str | None], log: Callable[[], str]
) -> T:
    """The result of ``attempt`` as soon as it raises no psycopg.OperationalError.

    ``gone`` says why there is no more hope, or None. Raises EnvironmentFailed with what was waited for, the last
    refusal and the end of the log.
    """
    start = time.monotonic()
    while True:
        try:
            return attempt()
        except psycopg.OperationalError as problem:
            refusal = one_line(problem)
        if reason := gone():
            raise EnvironmentFailed(f"{what} did not start: {reason}; its log ends: {log()}")
        if time.monotonic() - start > timeout:
            raise EnvironmentFailed(
                f"{what} did not answer within {timeout:g} s: {refusal}; its log ends: {log()}"
            )
        time.sleep(_LOOK_AGAIN)


def end_of(text: str, lines: int = 3) -> str:
    """The last lines of a log as one line."""
    return " | ".join(text.strip().splitlines()[-lines:]) or "(empty)"
