"""Small programs as services, for tests of what becomes of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from grader.history.events import Event, LogLine
from grader.history.recorder import Clock, Recorder
from grader.services.isolation import Reach
from grader.services.process import ServiceProcess, Services

E = TypeVar("E", bound=Event)

TIMEOUT = 20.0


class Bench:
    """Starts small programs as services and reads back what was recorded."""

    def __init__(self, services: Services, folder: Path, interpreter: str = sys.executable) -> None:
        self.services = services
        self.interpreter = interpreter
        self.folder = folder
        self.recorder = Recorder(Clock())
        self.noted: list[int] = []
        self.env = {"PATH": os.environ["PATH"]}
        self.reach: Reach | None = None

    def start(
        self,
        command: Sequence[str],
        name: str = "worker-A",
        env: dict[str, str] | None = None,
        reach: Reach | None = None,
    ) -> ServiceProcess:
        return self.services.start(
            name=name,
            role="worker",
            command=command,
            cwd=self.folder,
            env=self.env if env is None else env,
            settings={"WORKER_ID": name},
            recorder=self.recorder,
            note_process=self.noted.append,
            reach=reach or self.reach,
        )

    def sh(self, script: str, name: str = "worker-A") -> ServiceProcess:
        return self.start(["/bin/sh", "-c", script], name)

    def python(self, script: str, name: str = "worker-A") -> ServiceProcess:
        return self.start([self.interpreter, "-S", "-c", script], name)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.recorder.events() if isinstance(event, kind)]

    def lines(self, name: str = "worker-A") -> list[str]:
        return [line.text for line in self.of(LogLine) if line.service == name]

    def wait_for_line(self, text: str, name: str = "worker-A") -> None:
        assert self.recorder.wait_until(
            lambda events: any(isinstance(e, LogLine) and e.text == text and e.service == name for e in events),
            TIMEOUT,
        ), f"no line {text!r}; there is {self.lines(name)}"


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
