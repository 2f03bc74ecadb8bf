"""Waiting until a sandbox says that it is ready to become the command of a service."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from grader.errors import EnvironmentFailed
from grader.services.namespaced import is_at_gate
from tests.unit.service_bench import TIMEOUT

Pipe = tuple[int, list[int]]


@pytest.fixture(params=["blocking", "non-blocking"])
def pipe(request: pytest.FixtureRequest) -> Iterator[Pipe]:
    """The reading end, and the writing ends that are open."""
    reading, writing = os.pipe()
    os.set_blocking(reading, request.param == "blocking")
    ends = [writing]
    yield reading, ends
    for end in (reading, *ends):
        os.close(end)


def test_an_empty_line_says_that_it_is_there(pipe: Pipe) -> None:
    reading, [writing] = pipe
    os.write(writing, b"\nmore")
    assert is_at_gate(reading, TIMEOUT)
    assert os.read(reading, 10) == b"more"


def test_what_says_something_else_or_ends_is_not_there(pipe: Pipe) -> None:
    reading, ends = pipe
    os.write(ends[0], b"b")
    assert not is_at_gate(reading, TIMEOUT)
    os.close(ends.pop())
    assert not is_at_gate(reading, TIMEOUT)


def test_what_says_nothing_is_given_up_in_one_line(pipe: Pipe) -> None:
    with pytest.raises(
        EnvironmentFailed, match=r"a service could not be started within 0\.01 s; end other programs"
    ):
        is_at_gate(pipe[0], 0.01)
