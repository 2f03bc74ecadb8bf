"""The grader as a process of its own, in a place of its own, so that everything it leaves can be seen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from grader.report.json_report import read_json

ROOT = Path(__file__).parents[2]
LONGEST = 120.0


@dataclass(slots=True)
class GraderRun:
    """One call of the grader: its process, its place, and what came of it."""

    place: Path
    process: subprocess.Popen[str]
    output: Path
    seen: set[str] = field(default_factory=set)
    """The ids of all runs that were seen in its place."""

    def look(self) -> list[Path]:
        """The folders of runs that are there now."""
        found = list((self.place / "tmp").glob("task-queue-lab-*"))
        self.seen.update(path.name for path in found)
        return found

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait for something of it, for as long as it lives."""
        deadline = time.monotonic() + LONGEST
        while not holds():
            self.look()
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            assert self.process.poll() is None, f"it ended before {what}: {self.process.communicate()[0]}"
            time.sleep(0.005)

    def server(self) -> list[psutil.Process]:
        """The database server's first process."""
        found = []
        for child in _children(self.process.pid):
            with suppress(psutil.Error):
                if child.name() == "postgres":
                    found.append(child)
        return found

    def end(self) -> str:
        """What it said, once it has ended by itself; never later than LONGEST seconds."""
        said, _ = self.process.communicate(timeout=LONGEST)
        self.look()
        return said

    def verdicts(self) -> dict[str, str]:
        """The verdicts in its report; empty when it wrote none."""
        path = self.output / "report.json"
        if not path.exists():
            return {}
        return {check.id: check.verdict.value for check in read_json(path).checks}

    def left(self) -> list[str]:
        """Everything that is left of it: files, processes, control groups."""
        found = [str(path) for path in (self.place / "tmp").iterdir()]
        found += [str(path) for name in self.seen if (path := Path("/dev/shm") / name).exists()]
        group = f"task-queue-lab-{self.process.pid}-"
        # Groups of others come and go while one looks: walk bears that.
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            found += [f"{folder}/{name}" for name in names if name.startswith(group)]
        mark = str(self.place)
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            with suppress(psutil.Error):
                words = " ".join(process.info["cmdline"] or ())
                if process.info["status"] != psutil.STATUS_ZOMBIE and (mark in words or _is_of(process, mark)):
                    found.append(f"{process.info['pid']}: {words[:100]}")
        return found


def _is_of(process: psutil.Process, mark: str) -> bool:
    return process.environ().get("TMPDIR", "").startswith(mark)


def _children(pid: int) -> Sequence[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children()
    return ()


@contextmanager
def grader_run(
    folder: Path,
    *more: str,
    program: Sequence[str] = ("-m", "grader"),
    place: Path | None = None,
    before: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[GraderRun]:
    """Grade a folder, with all temporary files in a place of this run's. What is still alive at the end is killed.

    ``before`` is what the command is given to, ``settings`` are environment variables more.
    """
    made = place or Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    made.chmod(0o711)
    (made / "tmp").mkdir(exist_ok=True)
    (made / "tmp").chmod(0o711)
    output = made / "out"
    command = [
        *before,
        sys.executable,
        *program,
        "grade",
        str(folder),
        "--postgres",
        "embedded",
        "--output",
        str(output),
        *more,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GRADER_", "MAKE"))}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"TMPDIR": str(made / "tmp")} | dict(settings or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    run = GraderRun(made, process, output)
    try:
        yield run
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if place is None:
            shutil.rmtree(made, ignore_errors=True)
