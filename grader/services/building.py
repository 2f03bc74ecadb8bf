"""A submission's build, run once before anything else."""

from __future__ import annotations

import os
import selectors
import shlex
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from grader.ending import interruptible, uninterrupted
from grader.errors import BadSubmission
from grader.history.words import exit_words
from grader.services.environment import base_environment
from grader.services.isolation import Isolation, Level, Reach, Running
from grader.services.plain import Plain
from grader.submission import Submission

_CHUNK = 64 * 1024
_LOG_LIMIT = 4 * 1024 * 1024
_LAST_LINES = 5
_LINE_WIDTH = 160


def build(
    submission: Submission,
    log_path: Path,
    timeout: float = 600.0,
    *,
    cache: Path | None = None,
    isolation: Isolation | None = None,
) -> None:
    """Run the submission's [build], if it has one, and see that its services can be run then.

    What it writes goes to ``log_path``, cut after 4 MiB. ``cache`` is where its tools may keep things for the next
    build (as XDG_CACHE_HOME; default: ``.cache`` in the home folder). Nothing of it is alive when this returns.
    Raises BadSubmission with its last lines when it fails or takes longer than ``timeout`` seconds.
    """
    if submission.build is None:
        return
    shown = shlex.join(submission.build)
    apart = isolation or Plain()
    command = apart.program(submission.folder, submission.build)
    with uninterrupted(), tempfile.TemporaryDirectory(prefix="build-") as tmp, log_path.open("wb") as log:
        kept = [cache] if cache is not None else []
        reach = Reach(writes=(submission.folder, Path(tmp), *kept))
        env = _environment(Path(tmp), cache)
        if (
            apart.level is not Level.SELF_CHECK
        ):  # strangers get no home but this one, and leave nothing to each other
            env |= {"HOME": tmp, "XDG_CACHE_HOME": str(cache or Path(tmp) / ".cache")}
        running = apart.launch(command, cwd=submission.folder, env=env, reach=reach)
        output = _Output(log)
        with closing(running):
            try:
                with interruptible():
                    ended = _follow(running, output, time.monotonic() + timeout)
            finally:
                running.kill()
                status = running.collect()
            _read_rest(running, output)
    if not ended:
        raise BadSubmission(f"the build ({shown}) did not end within {timeout:g} s{output.tail()}; see {log_path}")
    if status != 0:
        raise BadSubmission(f"the build ({shown}) failed, {exit_words(status)}{output.tail()}; see {log_path}")
    for service in (submission.api, submission.worker):
        apart.program(submission.folder, service)


def _environment(tmp: Path, cache: Path | None) -> dict[str, str]:
    home = Path.home()
    return base_environment(tmp) | {"HOME": str(home), "XDG_CACHE_HOME": str(cache or home / ".cache")}


class _Output:
    """What a build writes: the beginning in its log, the end at hand for a message."""

    def __init__(self, log: BinaryIO) -> None:
        self._log = log
        self._room = _LOG_LIMIT
        self._end: deque[int] = deque(maxlen=_LAST_LINES * _LINE_WIDTH)

    def add(self, data: bytes) -> None:
        self._end.extend(data)
        if self._room > 0:
            self._log.write(data[: self._room])
            self._room -= len(data)
            if self._room <= 0:
                self._log.write(b"\n[the rest was cut]\n")

    def tail(self) -> str:
        """The last lines as a part of a message, or nothing; without control characters."""
        lines = bytes(self._end).decode(errors="replace").splitlines()[-_LAST_LINES:]
        printable = ("".join(c if c.isprintable() else " " for c in line).strip() for line in lines)
        shown = " | ".join(line for line in printable if line)
        return f": {shown}" if shown else ""


def _follow(running: Running, output: _Output, deadline: float) -> bool:
    """Take what it writes until the command has ended; False when the deadline came first."""
    with selectors.DefaultSelector() as selector:
        selector.register(running.exit_notice, selectors.EVENT_READ)
        for pipe in (running.stdout, running.stderr):
            selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fd == running.exit_notice:
                    return True
                if data := os.read(key.fd, _CHUNK):
                    output.add(data)
                else:
                    selector.unregister(key.fd)
    return False


def _read_rest(running: Running, output: _Output) -> None:
    """What is left in the pipes once nobody can write to them any more."""
    for pipe in (running.stdout, running.stderr):
        for data in _chunks(pipe):
            output.add(data)


def _chunks(pipe: int) -> Iterator[bytes]:
    try:
        while data := os.read(pipe, _CHUNK):
            yield data
    except BlockingIOError:
        return
