"""The live page of ``grader run``: tasks moving between states, told to a browser as server-sent events.

It is the runner's own: it reads the audit of the table, and asks nothing of the submission but what its button posts.
It listens on this machine alone, and answers only those who call it by its own name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

import httpx

from grader.history.events import RowChanged
from grader.history.tasks import STATES
from grader.report import line

SHOWN = 200
"""Tasks that the page is told of, the youngest; all of them are counted."""

LOOK_EVERY = 0.1
"""Seconds between two looks at the audit."""

_STILL_THERE = 5.0
"""Seconds after which a browser is told that nothing happened."""

_LARGEST_REQUEST = 10_000
_API_TIMEOUT = 5.0


class LiveTasks:
    """The table as everybody sees it, for those who wait for it to change. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._version = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, change: RowChanged) -> None:
        """Take in one change of a row."""
        with self._changed:
            if change.after is None:
                self._rows.pop(change.task, None)
            else:
                self._rows[change.task] = {
                    "id": line(change.task, 40),
                    "title": line(str(change.after.get("title") or ""), 120),
                    "status": line(str(change.after.get("status")), 20),
                    "worker": line(str(change.after.get("assigned_worker") or ""), 60),
                }
            self._version += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing will come any more: whoever waits is let go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def newer_than(self, version: int, timeout: float) -> tuple[int, str] | None:
        """The version and the state, as JSON, once it is newer; None after ``timeout`` seconds without news.

        Raises EOFError when it is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > version, timeout)
            if self._closed:
                raise EOFError
            return (self._version, self._state()) if self._version > version else None

    def _state(self) -> str:
        counts = dict.fromkeys(STATES, 0)
        for row in self._rows.values():
            counts[row["status"]] = counts.get(row["status"], 0) + 1
        return json.dumps({"counts": counts, "tasks": list(self._rows.values())[-SHOWN:]})


@dataclass(frozen=True, slots=True)
class _Site:
    """What the handlers of one server share."""

    tasks: LiveTasks
    api: str
    page: bytes
    policy: str


@contextmanager
def live_page(tasks: LiveTasks, api: str) -> Iterator[str]:
    """A server with the page, for as long as the context lasts; its URL. ``api`` is the api-service's URL."""
    page = resources.files("grader.commands").joinpath("live.html").read_text(encoding="utf-8")
    site = _Site(tasks, api, page.encode(), _policy(page))
    server = _Server(site)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="live-page", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        tasks.close()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def followed(read_changes: Callable[[], list[RowChanged]], tasks: LiveTasks) -> Iterator[None]:
    """Takes the changes of the table over into ``tasks``, for as long as the context lasts."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(LOOK_EVERY):
            for change in read_changes():
                tasks.take(change)

    thread = threading.Thread(target=follow, name="live-tasks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _policy(page: str) -> str:
    """The content security policy that lets in the page's own style and script, and its own server."""
    let_in = []
    for tag in ("style", "script"):
        [text] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        let_in.append(f"{tag}-src 'sha256-{digest}'")
    others = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; connect-src 'self'; {'; '.join(let_in)}; {others}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, site: _Site) -> None:
        self.site = site
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        """The page, or the events."""
        if not self._is_for_us():
            self._answer(HTTPStatus.FORBIDDEN, b"")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, self.server.site.page, "text/html; charset=utf-8")
        elif self.path == "/events":
            self._events()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"")

    def do_POST(self) -> None:
        """Post a task to the api-service."""
        origin = self.headers.get("Origin")
        ours = origin is None or origin.removeprefix("http://") == self.headers.get("Host")
        if not (self._is_for_us() and ours and self.headers.get("Content-Type") == "application/json"):
            self._answer(HTTPStatus.FORBIDDEN, b"")
        elif self.path != "/tasks":
            self._answer(HTTPStatus.NOT_FOUND, b"")
        else:
            size = self.headers.get("Content-Length", "")
            body = self.rfile.read(min(int(size), _LARGEST_REQUEST) if size.isdecimal() else 0)
            self._answer(HTTPStatus.OK, json.dumps({"said": _post(self.server.site.api, body)}).encode())

    def _is_for_us(self) -> bool:
        """Whether we are called by our own name: a page from elsewhere that got its name to mean us is not."""
        port = self.server.server_port
        return self.headers.get("Host") in (f"127.0.0.1:{port}", f"localhost:{port}")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self._send_common(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_common(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", self.server.site.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")

    def _events(self) -> None:
        self.send_response(HTTPStatus.OK)
        self._send_common("text/event-stream")
        self.end_headers()
        version = -1
        with suppress(EOFError, OSError):
            while True:
                news = self.server.site.tasks.newer_than(version, _STILL_THERE)
                if news is None:
                    self.wfile.write(b": nothing new\n\n")
                else:
                    version, state = news
                    self.wfile.write(f"data: {state}\n\n".encode())
                self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the screen belongs to the services' logs."""


def _post(api: str, body: bytes) -> str:
    """What the api-service answered to a task, in a line."""
    try:
        # On this machine: no proxy that the environment names has to do with it.
        answer = httpx.post(
            f"{api}/tasks",
            content=body,
            headers={"Content-Type": "application/json"},
            timeout=_API_TIMEOUT,
            trust_env=False,
        )
    except httpx.HTTPError as problem:
        return line(f"the api-service did not answer: {problem}", 200)
    return line(f"{answer.status_code} {answer.text}", 200)
