"""Workers that are killed, never come, never stop, or speak another language: a search of theirs has an end."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from grader.explore import ONE_TASK, Explorer, Undecided
from grader.explore import pair as pair_module
from grader.explore.explorer import WORKERS
from grader.explore.pair import Pair
from grader.explore.search import walk
from grader.history.recorder import Clock
from grader.lab import Lab, held
from grader.postgres import Server
from tests.integration.test_explore_walks import (
    SOLUTION,
    MakeLab,
    changed_solution,
    labs,
    moments,
    patience,
)

LONGEST = 30.0
"""Seconds within which each of these searches is over."""

MEMORY = 64 * 1024 * 1024
"""Bytes that one of them may add."""

MANIFEST = """
lab = "lab-03"
[api]
command = ["python", "worker.py"]
[worker]
command = ["python", "worker.py"]
[database]
migrations = "migrations"
"""

START = """
import os, random, socket, time
from urllib.parse import urlsplit
import psycopg
url = os.environ["DATABASE_URL"]
address = (urlsplit(url).hostname, urlsplit(url).port)
PENDING = "SELECT id FROM tasks WHERE status = 'pending' ORDER BY created_at LIMIT 1"
"""


def submission(folder: Path, worker: str) -> Path:
    """A submission whose worker is this."""
    shutil.copytree(SOLUTION / "migrations", folder / "migrations")
    (folder / "flowforge.toml").write_text(MANIFEST)
    (folder / "worker.py").write_text(START + worker)
    return folder


def left_over(lab: Lab) -> list[psutil.Process]:
    """The services' processes that are still there."""
    place = str(lab._around.run.path)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR", "").startswith(place) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def make_lab(embedded_server: Server, clock: Clock) -> Iterator[MakeLab]:
    with labs(embedded_server, clock) as make:
        yield make


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Neither time nor memory without end."""
    process = psutil.Process()
    start, before = time.monotonic(), process.memory_info().rss
    yield
    assert time.monotonic() - start < LONGEST * patience()
    assert process.memory_info().rss - before < MEMORY


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time for whoever does not come."""
    monkeypatch.setattr(held, "LATE", 1.5)
    monkeypatch.setattr(pair_module, "LONGEST_NAP", 1.0)


def search(lab: Lab) -> dict[str, Any]:
    """Explore one task; what was noted of it. Nothing is left behind."""
    Explorer(lab, ONE_TASK, bound=1).run()
    assert left_over(lab) == []
    assert lab.database.service_backends() == set()
    [explored] = moments(lab, "explored")
    return explored


def rules(lab: Lab) -> list[str]:
    return [example["rule"] for example in moments(lab, "counterexample")]


# ---------------------------------------------------------------- workers that cannot be walked

NEVER = {
    "never connects": "time.sleep(60)",
    "sends noise": """
while True:
    with socket.create_connection(address) as line:
        line.sendall(random.randbytes(4096))
        while line.recv(4096):
            pass
    time.sleep(0.01)
""",
    "insists on TLS": """
while True:
    try:
        psycopg.connect(url.replace("sslmode=disable", "sslmode=require"))
    except psycopg.OperationalError:
        time.sleep(0.01)
""",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("worker", NEVER.values(), ids=NEVER)
def test_a_worker_that_sends_no_statement_is_not_judged(make_lab: MakeLab, tmp_path: Path, worker: str) -> None:
    lab = make_lab(submission(tmp_path, worker), patient=False)
    explored = search(lab)
    assert explored["schedules"] == 0
    assert "sent no statement" in explored["reason"]
    assert rules(lab) == []


# ---------------------------------------------------------------- workers that do not go on, or never stop

CONNECT = "connection = psycopg.connect(url, autocommit=True)\n"
FOREVER = {
    "listens, and waits for ever": (
        CONNECT + "connection.execute('LISTEN tasks')\nconnection.execute(PENDING)\nlist(connection.notifies())",
        "sent no",
    ),
    "holds a lock, and sleeps": (
        CONNECT + "connection.execute('BEGIN')\nconnection.execute(PENDING + ' FOR UPDATE')\ntime.sleep(60)",
        "sent no",
    ),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("worker", "reason"), FOREVER.values(), ids=FOREVER)
def test_a_worker_that_does_not_come_round_is_not_judged(
    make_lab: MakeLab, tmp_path: Path, worker: str, reason: str
) -> None:
    lab = make_lab(submission(tmp_path, worker), patient=False)
    explored = search(lab)
    assert (explored["schedules"], explored["all_within_bound"]) == (0, False)
    assert reason in explored["reason"]
    assert rules(lab) == []


ENDLESS = {
    "never ends its transaction": CONNECT
    + "connection.execute('BEGIN')\nwhile True:\n    connection.execute(PENDING + ' FOR UPDATE')",
    "asks something else each time": CONNECT
    + "while True:\n    connection.execute(f'SELECT {random.random()} FROM tasks')",
}


@pytest.mark.parametrize("worker", ENDLESS.values(), ids=ENDLESS)
def test_a_worker_that_does_not_come_to_an_end_is_not_judged(
    make_lab: MakeLab, tmp_path: Path, worker: str
) -> None:
    lab = make_lab(submission(tmp_path, worker))
    explored = search(lab)
    assert (explored["schedules"], explored["all_within_bound"]) == (0, False)
    assert "no end after 400 statements" in explored["reason"]
    assert rules(lab) == []


def test_a_worker_that_connects_again_and_again_and_asks_nothing_is_not_judged(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    worker = "while True:\n    psycopg.connect(url, autocommit=True).execute('SELECT 1')\n    time.sleep(0.5)"
    lab = make_lab(submission(tmp_path, worker))
    assert search(lab)["schedules"] == 0


def test_a_timeout_that_the_holding_may_have_caused_is_noted_as_such(make_lab: MakeLab, tmp_path: Path) -> None:
    folder = changed_solution(
        tmp_path, "queue.py", "LIMIT 1\n                   FOR UPDATE SKIP LOCKED", "LIMIT 1 FOR UPDATE"
    )
    queue = folder / "worker_service" / "queue.py"
    queue.write_text(
        queue.read_text().replace("=worker_id)", "=worker_id, options='-c statement_timeout=500')", 1)
    )
    lab = make_lab(folder)
    with closing(Pair(lab, WORKERS)) as pair:
        pair.park()
        pair.begin(ONE_TASK.prepare(lab))
        while not pair.actors[1].flights:
            move = "A" if pair.is_fresh("A") else "B"
            pair.take(move)
            pair.moves()
        [(flight, entry)] = pair.actors[1].flights
        assert entry.waits_for == WORKERS[0]
        assert pair.actors[1].worker.wait_for(flight, 20)
        pair.moves()
        assert pair.disturbed is not None
        assert "statement timeout" in pair.disturbed


# ---------------------------------------------------------------- workers that break a rule in their own way

BREAKING = {
    "reads with COPY, and locks nothing": (
        """
connection = psycopg.connect(url, autocommit=True)
while True:
    with connection.cursor().copy(f"COPY ({PENDING}) TO STDOUT") as copy:
        rows = list(copy.rows())
    if rows:
        connection.execute("UPDATE tasks SET status = 'processing' WHERE id = %s", rows[0])
        connection.execute("UPDATE tasks SET status = 'completed' WHERE id = %s", rows[0])
""",
        "claimed-twice",
    ),
    "kills itself with a task in hand": (
        """
connection = psycopg.connect(url, autocommit=True)
while True:
    row = connection.execute(PENDING + " FOR UPDATE SKIP LOCKED").fetchone()
    if row:
        connection.execute("UPDATE tasks SET status = 'processing' WHERE id = %s", row)
        os.kill(os.getpid(), 9)
""",
        "worker-ended",
    ),
    "polls without a pause, and takes nothing": (
        CONNECT + "while True:\n    connection.execute(PENDING)",
        "not-completed",
    ),
    "polls on twenty connections": (
        "connections = [psycopg.connect(url, autocommit=True) for _ in range(20)]\n"
        "while True:\n    for each in connections:\n        each.execute(PENDING)",
        "not-completed",
    ),
}


@pytest.mark.parametrize(("worker", "rule"), BREAKING.values(), ids=BREAKING)
def test_a_worker_that_breaks_a_rule_is_found_however_it_does_so(
    make_lab: MakeLab, tmp_path: Path, worker: str, rule: str
) -> None:
    lab = make_lab(submission(tmp_path, worker))
    search(lab)
    assert rules(lab) == [rule]


# ---------------------------------------------------------------- in the middle of a walk


def test_a_worker_that_is_killed_in_the_middle_of_a_walk_ends_it(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    seen = 0
    for steps in range(1, 5):
        with closing(Pair(lab, WORKERS)) as pair:
            pair.park()
            pair.begin(ONE_TASK.prepare(lab))
            for _ in range(steps):
                pair.take(pair.moves()[0])
            pair.actors[0].worker.signal(signal.SIGKILL)
            with suppress(Undecided):
                walk(pair, ())
                assert pair.dead is pair.actors[0]
                seen += 1
        lab.wait_until_backends_gone()
        lab.database.finish_tasks()
    assert seen


def test_a_session_that_times_out_while_it_is_held_is_not_judged(make_lab: MakeLab, tmp_path: Path) -> None:
    timeout = "application_name=worker_id, options='-c idle_in_transaction_session_timeout=300')"
    lab = make_lab(changed_solution(tmp_path, "queue.py", "application_name=worker_id)", timeout))
    with closing(Pair(lab, WORKERS)) as pair:
        pair.park()
        pair.begin(ONE_TASK.prepare(lab))
        known = lab.database.service_backends()
        while pair.next_step(pair.moves()[0]).transaction == "I" or pair.is_fresh(pair.moves()[0]):
            pair.take(pair.moves()[0])
        deadline = time.monotonic() + 10
        while lab.database.service_backends() >= known:
            assert time.monotonic() < deadline
        try:
            walk(pair, ())
        except Undecided:
            return
        assert pair.disturbed or pair.is_done
