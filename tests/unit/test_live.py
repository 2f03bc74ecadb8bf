"""The live page: what it tells, whom it answers, and that it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import httpx
import pytest

from grader.commands.live import LiveTasks, followed, live_page
from grader.history.events import RowChanged
from tests.unit.histories import Story


def changes(story: Story) -> list[RowChanged]:
    return [event for event in story.events if isinstance(event, RowChanged)]


def taken(*rows: RowChanged) -> LiveTasks:
    tasks = LiveTasks()
    for row in rows:
        tasks.take(row)
    return tasks


def state(tasks: LiveTasks) -> dict[str, Any]:
    news = tasks.newer_than(-1, 0)
    assert news is not None
    found: dict[str, Any] = json.loads(news[1])
    return found


def test_the_state_is_that_of_every_task_after_its_last_change() -> None:
    story = Story().insert("1", 1.0).insert("2", 1.1).claim("1", 1.2, "worker-A").complete("1", 1.3, "worker-A")
    found = state(taken(*changes(story)))
    assert [(task["id"], task["status"]) for task in found["tasks"]] == [("1", "completed"), ("2", "pending")]
    assert found["counts"] == {"pending": 1, "processing": 0, "completed": 1, "failed": 0}
    assert found["tasks"][0]["worker"] == "id-of-worker-A"


def test_of_very_many_tasks_the_youngest_are_told_and_all_are_counted() -> None:
    story = Story()
    for number in range(500):
        story.insert(str(number), 1.0)
    found = state(taken(*changes(story)))
    assert (len(found["tasks"]), found["tasks"][-1]["id"], found["counts"]["pending"]) == (200, "499", 500)


def test_text_of_a_submission_is_made_fit_to_be_shown() -> None:
    found = state(taken(*changes(Story().insert("1", 1.0, title="\x1b[31m\u202eevil\x00" + "x" * 1000))))
    assert found["tasks"][0]["title"].startswith("\\u202eevil\\x00xxx")
    assert len(found["tasks"][0]["title"]) < 200


def test_who_waits_is_woken_by_a_change_and_by_the_end() -> None:
    tasks = LiveTasks()
    got: Queue[object] = Queue()

    def wait() -> None:
        got.put(tasks.newer_than(0, 30))
        with suppress(EOFError):
            tasks.newer_than(1, 30)
        got.put("ended")

    waiter = threading.Thread(target=wait)
    waiter.start()
    [row] = changes(Story().insert("1", 1.0))
    tasks.take(row)
    assert got.get(timeout=10) is not None
    tasks.close()
    assert got.get(timeout=10) == "ended"
    waiter.join()
    assert LiveTasks().newer_than(0, 0) is None


def test_changes_are_followed_until_the_end() -> None:
    rows = [changes(Story().insert("1", 1.0))]
    tasks = LiveTasks()
    with followed(lambda: rows.pop() if rows else [], tasks):
        assert tasks.newer_than(0, 10) is not None
    assert [thread.name for thread in threading.enumerate() if thread.name == "live-tasks"] == []


@pytest.fixture
def page() -> Iterator[str]:
    with live_page(taken(*changes(Story().insert("1", 1.0))), "http://127.0.0.1:9") as url:
        yield url


def test_the_page_lets_in_nothing_but_itself(page: str) -> None:
    answer = httpx.get(page)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "innerHTML" not in answer.text


def test_the_state_is_told_as_an_event_at_once(page: str) -> None:
    with httpx.stream("GET", f"{page}events") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        first = next(stream.iter_lines())
    assert json.loads(first.removeprefix("data: "))["counts"]["pending"] == 1


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "", {"Host": "evil.example"}),
        ("GET", "events", {"Host": "evil.example:80"}),
        ("POST", "tasks", {"Content-Type": "text/plain"}),
        ("POST", "tasks", {"Content-Type": "application/json", "Origin": "http://evil.example"}),
        ("POST", "tasks", {"Content-Type": "application/json", "Host": "evil.example"}),
    ],
)
def test_pages_from_elsewhere_are_not_answered(page: str, method: str, path: str, headers: dict[str, str]) -> None:
    assert httpx.request(method, page + path, headers=headers).status_code == 403


def test_there_is_nothing_else(page: str) -> None:
    assert httpx.get(f"{page}../../etc/passwd").status_code == 404
    assert httpx.post(f"{page}other", json={}).status_code == 404


@contextmanager
def api() -> Iterator[tuple[str, list[bytes]]]:
    """An api-service that notes what is posted."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(b'{"id": 7}\x1b[2J')

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def test_a_task_is_posted_to_the_api_service_and_its_answer_shown() -> None:
    with api() as (url, got), live_page(LiveTasks(), url) as page:
        answer = httpx.post(f"{page}tasks", json={"title": "x"}, headers={"Origin": page.rstrip("/")})
    assert answer.json() == {"said": '201 {"id": 7}'}
    assert [json.loads(body) for body in got] == [{"title": "x"}]


def test_a_task_goes_straight_to_the_api_service_and_not_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with api() as (url, got), live_page(LiveTasks(), url) as page:
        said = httpx.post(f"{page}tasks", json={"title": "x"}, trust_env=False).json()["said"]
    assert said == '201 {"id": 7}'
    assert len(got) == 1


def test_an_api_service_that_is_gone_is_said(page: str) -> None:
    said = httpx.post(f"{page}tasks", json={}).json()["said"]
    assert said.startswith("the api-service did not answer")


def test_it_ends_while_somebody_listens() -> None:
    with httpx.Client(timeout=10) as client:
        with live_page(taken(*changes(Story().insert("1", 1.0))), "http://127.0.0.1:9") as url:
            stream = client.send(client.build_request("GET", f"{url}events"), stream=True)
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
        assert [rest for rest in lines if rest] == []  # the server hung up
        stream.close()
        with pytest.raises(httpx.ConnectError):
            client.get(url)
