"""A command of level 0 that was started and cannot be watched: nothing of it stays."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import cast

import psutil
import pytest

from grader.errors import BadSubmission, EnvironmentFailed
from grader.services.cgroups import Hierarchy
from grader.services.plain import Plain

SLEEP = ["/bin/sh", "-c", "sleep 613 & exec sleep 613"]


class Removable:
    """A control group."""

    is_removed = False

    def remove(self) -> None:
        self.is_removed = True


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Removable:
    group = Removable()
    monkeypatch.setattr("grader.services.plain.new_group", lambda *_: group)
    return group


def sleeping() -> list[psutil.Process]:
    return [
        each for each in psutil.Process().children(recursive=True) if command_of(each) in (["sleep", "613"], SLEEP)
    ]


def command_of(process: psutil.Process) -> list[str]:
    """Nothing of one that has ended; children of other tests may be among them."""
    with suppress(psutil.NoSuchProcess):  # a zombie is one
        return process.cmdline()
    return []


def descriptors() -> set[str]:
    """What is open in this process, by number and what it is. What other tests forgot may be closed at any time."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the folder itself is closed by now
            found.add(f"{entry.name} {entry.readlink()}")
    return found


@pytest.mark.parametrize(
    ("step", "failure", "told"),
    [
        (
            "watch_exit",
            OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
            "could not be watched: Too many open files",
        ),
        ("set_limits", RuntimeError("a fault of ours"), "a fault of ours"),
    ],
)
def test_one_that_cannot_be_watched_is_ended_and_gives_back_its_group(
    group: Removable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: Exception, told: str
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(f"grader.services.plain.{step}", fail)
    isolation = Plain(hierarchy=cast(Hierarchy, object()))
    before = descriptors()
    with pytest.raises((EnvironmentFailed, RuntimeError), match=told):
        isolation.launch(SLEEP, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert sleeping() == []
    assert group.is_removed
    assert not descriptors() - before


def test_one_that_cannot_be_started_gives_back_its_group(group: Removable, tmp_path: Path) -> None:
    isolation = Plain(hierarchy=cast(Hierarchy, object()))
    with pytest.raises(BadSubmission, match="cannot be run"):
        isolation.launch(["/no/such/program"], cwd=tmp_path, env={})
    assert group.is_removed
