"""The solution's services as processes, and a line to their database that can fail in the ways that lines do."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from grader.postgres import ScenarioDatabase

SOLUTION = Path(__file__).parents[2] / "solution"
PATIENCE = 20.0
"""Seconds; nothing here takes a tenth of it."""

Condition = Literal["up", "refuses", "swallows"]


def eventually(true: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.01)


@dataclass
class Line:
    """Between the services and the server. ``swallows``: it accepts connections and never answers."""

    server: str | tuple[str, int]
    condition: Condition = "up"
    withhold: bytes | None = None
    """Once: pass on what holds these bytes, wait until it is done, and cut the line instead of answering."""

    _listener: socket.socket = field(init=False)
    _open: list[socket.socket] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self, condition: Condition) -> None:
        """End every connection; treat new ones by the condition."""
        self.condition = condition
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut("refuses")
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            if self.condition == "refuses":
                client.close()
            elif self.condition == "up":
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX) if isinstance(self.server, str) else socket.socket()
        server.connect(self.server)
        self._open.append(server)
        cut_at_answer = False
        with suppress(OSError):
            while True:
                readable = select.select([client, server], [], [])[0]
                for source in readable:
                    data = source.recv(65536)
                    if not data or (source is server and cut_at_answer):
                        raise OSError("the line ends here")
                    if source is client and self.withhold is not None and self.withhold in data:
                        self.withhold, cut_at_answer = None, True
                    (server if source is client else client).sendall(data)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Service:
    """A process of the solution; its log is collected while it runs."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=SOLUTION,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def logs(self, words: str, times: int = 1) -> None:
        """Wait for lines with these words."""
        eventually(lambda: self.log.count(words) >= times, f"{words!r} in the log:\n{self.log}")

    def exit_status(self) -> int:
        """Wait for the end."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)


class Solution:
    """The services of one test, on one database."""

    def __init__(self, database: ScenarioDatabase, stack: ExitStack) -> None:
        self.database = database
        self._stack = stack
        path = database.address.socket_path
        self.line = Line(str(path) if path else (database.address.host, database.address.port))
        stack.callback(self.line.close)

    def start(self, module: str, **environment: str) -> Service:
        url = self.database.service_url("127.0.0.1", self.line.port)
        service = Service(module, {"DATABASE_URL": url, **environment})
        self._stack.callback(service.end)
        return service

    def worker(self, *, poll: float = 0.1, duration: float = 0.0, stuck: float = 60.0, name: str = "w") -> Service:
        """A worker; durations in seconds."""
        return self.start(
            "worker_service",
            WORKER_ID=name,
            WORKER_POLL_INTERVAL=str(poll),
            WORKER_TASK_DURATION=str(duration),
            WORKER_STUCK_TIMEOUT=str(stuck),
        )

    @contextmanager
    def api(self) -> Iterator[tuple[Service, httpx.Client]]:
        """An api-service that answers, and a client that keeps its connection alive."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        service = self.start("api_service", API_PORT=str(port))
        service.logs("Uvicorn running")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            yield service, client

    def status_of(self, task: str) -> str:
        row = self.database.task(task)
        assert row is not None
        return str(row["status"])

    def blocked(self) -> int:
        """How many connections of the services wait for a lock."""
        pids = self.database.service_backends()
        return sum(bool(self.database.blocking_pids(pid)) for pid in pids)

    def becomes(self, task: str, status: str) -> None:
        """Wait for a task's status."""
        eventually(lambda: self.status_of(task) == status, f"task {task} is {status}")


@contextmanager
def solution_on(database: ScenarioDatabase) -> Iterator[Solution]:
    """The solution, with everything that a test starts ended."""
    with ExitStack() as stack:
        yield Solution(database, stack)
