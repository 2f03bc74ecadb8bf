"""Both ways to notice the end of a child say the same."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from grader.services.exits import ExitWatch, PidfdWatch, ThreadWatch, watch_exit

WATCHES: list[Callable[[int], ExitWatch]] = [watch_exit, ThreadWatch]
if sys.platform == "linux":
    WATCHES.append(PidfdWatch)


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("kill -TERM $$", -15)])
def test_the_descriptor_becomes_readable_and_the_status_is_exact(
    watch: Callable[[int], ExitWatch], script: str, status: int
) -> None:
    child = subprocess.Popen(["/bin/sh", "-c", script])
    exit_watch = watch(child.pid)
    assert select.select([exit_watch.descriptor], [], [], 20)[0]
    assert exit_watch.happened()
    child.returncode, cpu_s = exit_watch.collect()
    assert child.returncode == status
    assert 0 <= cpu_s < 1
    exit_watch.close()


@pytest.mark.parametrize("watch", WATCHES)
def test_nothing_is_readable_while_the_child_lives(watch: Callable[[int], ExitWatch]) -> None:
    child = subprocess.Popen(["/bin/sleep", "600"])
    exit_watch = watch(child.pid)
    assert not exit_watch.happened()
    os.kill(child.pid, signal.SIGKILL)
    child.returncode, _ = exit_watch.collect()
    assert exit_watch.happened()
    exit_watch.close()
