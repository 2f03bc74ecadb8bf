"""The solution's api-service, where such services commonly fail."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from grader.history.recorder import Clock
from grader.postgres import Databases, Server
from grader.run_folder import run_folder
from tests.integration.solution_services import SOLUTION, Service, Solution, eventually, solution_on


@pytest.fixture(scope="module")
def solution(embedded_server: Server, clock: Clock) -> Iterator[Solution]:
    """One database for the whole file: no test here looks at tasks that it did not make."""
    migrations = sorted((SOLUTION / "migrations").glob("*.up.sql"))
    with run_folder() as own, Databases(embedded_server, own, clock) as databases:
        databases.prepare(SOLUTION, migrations)
        with closing(databases.create("solution-api")) as database, solution_on(database) as solution:
            yield solution


@pytest.fixture(scope="module")
def running(solution: Solution) -> Iterator[tuple[Service, httpx.Client]]:
    with solution.api() as running:
        yield running


@pytest.fixture
def api(running: tuple[Service, httpx.Client]) -> httpx.Client:
    return running[1]


NESTED = b"[" * 300 + b"]" * 300

NOT_STORED = {
    "no title": b'{"description": "d"}',
    "blank title": b'{"title": " \\t\\n"}',
    "null title": b'{"title": null}',
    "number for a title": b'{"title": 7}',
    "NaN for a title": b'{"title": NaN}',
    "NUL in the title": b'{"title": "a\\u0000b"}',
    "half a character in the title": b'{"title": "a\\ud800b"}',
    "half a character in the description": b'{"title": "a", "description": "\\udfff"}',
    "NUL in the type": b'{"title": "a", "type": "\\u0000"}',
    "NUL deep in the payload": b'{"title": "a", "payload": {"a": [{"b": "\\u0000"}]}}',
    "half a character as a key": b'{"title": "a", "payload": {"\\ud800": 1}}',
    "NaN in the payload": b'{"title": "a", "payload": {"a": NaN}}',
    "infinity in the payload": b'{"title": "a", "payload": {"a": 1e999}}',
    "endless digits": b'{"title": "a", "payload": {"a": ' + b"9" * 5000 + b"}}",
    "deep payload": b'{"title": "a", "payload": {"a": ' + NESTED + b"}}",
    "bottomless body": b"[" * 100_000,
    "payload that is a list": b'{"title": "a", "payload": []}',
    "broken JSON": b'{"title": "a"',
    "no UTF-8": b'{"title": "\xff"}',
    "a list": b'[{"title": "a"}]',
    "nothing": b"",
}


@pytest.mark.parametrize("body", NOT_STORED.values(), ids=NOT_STORED)
def test_a_body_that_cannot_be_a_task_is_refused_in_json_and_not_stored(
    solution: Solution, api: httpx.Client, body: bytes
) -> None:
    before = len(solution.database.tasks())
    answer = api.post("/tasks", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert "detail" in answer.json()
    assert not any(word in answer.text for word in ("Traceback", "INSERT", "psycopg"))
    assert len(solution.database.tasks()) == before


@pytest.mark.parametrize("task", ["none", "1.5", "-1", "0", str(2**63), "9" * 5000, "%00", "1%20OR%201=1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_none_is_refused(api: httpx.Client, method: str, task: str) -> None:
    answer = api.request(method, f"/tasks/{task}", json={"title": "a"} if method == "PUT" else None)
    assert answer.status_code in (404, 422)
    assert "detail" in answer.json()


@pytest.mark.parametrize(
    "query", ["status=done", "limit=0", "limit=-1", "limit=x", "offset=-1", f"offset={2**63}"]
)
def test_a_filter_that_makes_no_sense_is_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"/tasks?{query}").status_code == 422


@pytest.mark.parametrize(
    "title", ["'; DROP TABLE tasks; --", 'a "b" %s {c} \\', "żółw 任务 🐘 e\u0301", " spaces "]
)
def test_a_title_comes_back_as_it_was_sent(api: httpx.Client, title: str) -> None:
    created = api.post("/tasks", json={"title": title})
    assert created.status_code == 201
    assert api.get(f"/tasks/{created.json()['id']}").json() == created.json()
    assert created.json()["title"] == title


def test_what_is_the_workers_business_is_not_the_clients(api: httpx.Client) -> None:
    task = api.post("/tasks", json={"title": "a", "id": 1000, "status": "failed", "assigned_worker": "x"}).json()
    assert (task["status"], task["assigned_worker"]) == ("pending", None)
    changed = api.put(f"/tasks/{task['id']}", json={"description": "new", "status": "completed"}).json()
    assert changed == {**task, "description": "new", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > task["updated_at"]


def test_a_payload_that_is_accepted_can_be_listed(api: httpx.Client) -> None:
    for depth in (250, 255):
        body = b'{"title": "a", "payload": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
        created = api.post("/tasks", content=body, headers={"Content-Type": "application/json"})
        assert created.status_code == 201
        assert api.get(f"/tasks/{created.json()['id']}").json()["payload"] == json.loads(body)["payload"]
    assert api.get("/tasks?limit=1000").status_code == 200


def test_pages_hold_every_task_once_in_one_order(api: httpx.Client) -> None:
    for number in range(5):
        api.post("/tasks", json={"title": f"page {number}"})
    everything = [task["id"] for task in api.get("/tasks?limit=1000").json()]
    pages = [
        task["id"]
        for offset in range(0, len(everything), 3)
        for task in api.get(f"/tasks?limit=3&offset={offset}").json()
    ]
    assert pages == everything == sorted(everything)


def test_health_does_not_stand_in_line_behind_slow_requests(solution: Solution, api: httpx.Client) -> None:
    waiting = [
        threading.Thread(target=api.post, args=("/tasks",), kwargs={"json": {"title": "a"}}) for _ in range(45)
    ]
    with solution.database.hold_table():
        for thread in waiting:
            thread.start()
        eventually(lambda: solution.blocked() == 10, "as many requests wait as may be at the table")
        began = time.monotonic()
        assert api.get("/health").status_code == 200
        assert time.monotonic() - began < 2
    for thread in waiting:
        thread.join()


@pytest.mark.parametrize("condition", ["refuses", "swallows"])
def test_health_says_503_in_time_while_the_database_is_away_and_200_afterwards(
    solution: Solution, api: httpx.Client, condition: str
) -> None:
    api.get("/tasks")
    solution.line.cut("refuses" if condition == "refuses" else "swallows")
    try:
        began = time.monotonic()
        assert api.get("/health").status_code == 503
        assert time.monotonic() - began < 2
        if condition == "refuses":
            answer = api.get("/tasks")
            assert (answer.status_code, list(answer.json())) == (503, ["detail"])
    finally:
        solution.line.cut("up")
    assert api.get("/health").status_code == 200
    assert api.get("/tasks").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_after_the_requests_under_way(
    solution: Solution, number: signal.Signals
) -> None:
    with solution.api() as (service, idle), httpx.Client(base_url=idle.base_url, timeout=20) as busy:
        assert idle.get("/health").status_code == 200
        answers: list[int] = []
        request = threading.Thread(
            target=lambda: answers.append(busy.post("/tasks", json={"title": "a"}).status_code)
        )
        with solution.database.hold_table():
            request.start()
            eventually(lambda: solution.blocked() == 1, "the request waits")
            service.signal(number)
            service.logs("Shutting down")
        request.join()
        assert answers == [201]
        assert service.exit_status() == 0
        assert "Traceback" not in service.log


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "postgresql://u:s3cret@x@h/d"),
        ("API_PORT", "0"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_setting_ends_it_with_one_line(solution: Solution, name: str, value: str) -> None:
    service = solution.start("api_service", **{name: value})
    assert service.exit_status() == 1
    assert len(service.lines) == 1
    assert name in service.log
    assert "s3cret" not in service.log


def test_migrations_can_be_taken_back(solution: Solution) -> None:
    up = [path.name for path in sorted((SOLUTION / "migrations").glob("*.up.sql"))]
    assert up
    assert all(Path(SOLUTION / "migrations" / name.replace(".up.", ".down.")).is_file() for name in up)
