"""The thread that looks whether services keep to their limits."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import cast

import pytest

from grader.errors import Internal
from grader.services.isolation import Running
from grader.services.limits import Limits
from grader.services.watch import Watch
from tests.unit.service_bench import TIMEOUT

MEMORY = "memory: all its processes together may use 1 GiB"


class Counted:
    """A service of which the kernel says something."""

    is_counted = True
    has_own_files = True

    def __init__(self, pid: int, limits_hit: Callable[[], list[str]]) -> None:
        self.pid = self.ancestor = pid
        self.limits_hit = limits_hit


def hit() -> list[str]:
    return [MEMORY]


def counted(pid: int, limits_hit: Callable[[], list[str]] = hit) -> Running:
    return cast(Running, Counted(pid, limits_hit))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.services.watch._EVERY", 0.001)
    monkeypatch.setattr("grader.services.watch._ELSEWHERE_EVERY", 0.001)


def test_a_look_that_fails_is_told_at_the_end_and_the_limits_go_on() -> None:
    failed, told = threading.Event(), threading.Event()

    def fail_once() -> list[str]:
        if failed.is_set():
            return []
        failed.set()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def leave_when_told() -> None:
        with Watch(Limits()) as watch:
            watch.add(counted(1, fail_once), None, lambda _: None)
            assert failed.wait(TIMEOUT)
            watch.add(counted(2), None, lambda _: told.set())
            assert told.wait(TIMEOUT)

    with pytest.raises(Internal, match="limits.*Bad file descriptor"):
        leave_when_told()


def test_looks_that_do_not_fail_are_left_in_peace() -> None:
    told = threading.Event()
    with Watch(Limits()) as watch:
        watch.add(counted(1), None, lambda _: told.set())
        assert told.wait(TIMEOUT)


def test_a_service_is_watched_after_an_earlier_one_with_its_number_is_forgotten() -> None:
    """One that is closed has lost its number, and is forgotten a moment later."""
    told = threading.Event()
    earlier, later = counted(1, list), counted(1)
    with Watch(Limits()) as watch:
        watch.add(earlier, None, lambda _: None)
        watch.add(later, None, lambda _: told.set())
        watch.forget(earlier)
        told.clear()
        assert told.wait(TIMEOUT)
