"""What the relay costs a client in another process: statements a second with it and without it.

Run: python -m tests.bench.bench_wire [seconds a run] [runs]

``direct`` is the server's Unix socket; ``relay`` TCP to an open gate; ``watched`` TCP to a gate that is asked
about every step and holds none, as the explorer's is.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from grader.history.recorder import Clock, Recorder
from grader.postgres import Databases
from grader.postgres.embedded import start_embedded
from grader.run_folder import run_folder
from grader.wire import Wire

Connection = psycopg.Connection[Any]


def select(connection: Connection) -> int:
    connection.execute("SELECT 1").fetchone()
    return 1


def two_updates(connection: Connection) -> int:
    with connection.transaction():
        connection.execute("UPDATE tasks SET status = 'processing' WHERE id = %s", (1,))
        connection.execute("UPDATE tasks SET status = 'completed' WHERE id = %s", (1,))
    return 4


def many_rows(connection: Connection) -> int:
    connection.execute("SELECT n, 'title ' || n FROM generate_series(1, 5000) n").fetchall()
    return 1


WORKS: dict[str, Callable[[Connection], int]] = {
    "SELECT 1, autocommit": select,
    "BEGIN, 2 UPDATEs, COMMIT": two_updates,
    "SELECT of 5,000 rows": many_rows,
}


def client(urls: dict[str, str], seconds: float, runs: int) -> dict[str, dict[str, float]]:
    """Medians by work and way. The ways take turns, so that the machine's moods meet all of them alike."""
    with ExitStack() as stack:
        ways = {way: stack.enter_context(psycopg.connect(url, autocommit=True)) for way, url in urls.items()}
        found: dict[str, dict[str, list[float]]] = {work: {way: [] for way in ways} for work in WORKS}
        for name, work in WORKS.items():
            for _ in range(runs):
                for way, connection in ways.items():
                    found[name][way].append(rate(connection, work, seconds))
        return {
            name: {way: statistics.median(rates) for way, rates in by_way.items()}
            for name, by_way in found.items()
        }


def rate(connection: Connection, work: Callable[[Connection], int], seconds: float) -> float:
    """Statements a second over one run."""
    done, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < seconds:
        done += work(connection)
    return done / took


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["client"]:
        print(json.dumps(client(json.loads(arguments[1]), float(arguments[2]), int(arguments[3]))))
        return
    seconds, runs = (arguments + ["0.5", "7"][len(arguments) :])[:2]
    clock = Clock()
    with ExitStack() as stack:
        run = stack.enter_context(run_folder())
        server = stack.enter_context(start_embedded(run, "benchmark"))
        databases = stack.enter_context(Databases(server, run, clock))
        databases.prepare(run.path, [])
        database = stack.enter_context(closing(databases.create("bench")))
        database.insert_tasks([{"title": "a task"}])
        wire = stack.enter_context(Wire())
        relay, watched = (
            wire.open_relay(service=name, server=server.address, recorder=Recorder(clock))
            for name in ("relay", "watched")
        )
        stack.enter_context(watched.hold(lambda step: False))
        urls = {
            "direct": make_conninfo(
                host=server.address.host,
                port=server.address.port,
                dbname=database.name,
                user=database.service.user,
                password=database.service.password,
            ),
            "relay": database.service_url(relay.host, relay.port),
            "watched": database.service_url(watched.host, watched.port),
        }
        command = [sys.executable, "-m", "tests.bench.bench_wire", "client", json.dumps(urls), seconds, runs]
        measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(f"{'statements a second':28}{'direct':>10}{'relay':>10}{'ratio':>8}{'watched':>10}{'ratio':>8}")
    for name, by_way in measured.items():
        direct, through, asked = by_way["direct"], by_way["relay"], by_way["watched"]
        ratios = direct / through, direct / asked
        print(f"{name:28}{direct:10,.0f}{through:10,.0f}{ratios[0]:8.2f}{asked:10,.0f}{ratios[1]:8.2f}")


if __name__ == "__main__":
    main()
