"""What frontrun runs, twice at the same time: the loop of one worker, made of the design's own functions.

A function takes the design's folder, the database, the worker's name, and a file for the process of the server behind
its connection. It works until it finds no task. frontrun starts it by name, in an interpreter of its own.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

STUCK = 3600.0
"""WORKER_STUCK_TIMEOUT in seconds, as the explorer sets it."""


def queue_module(folder: str, url: str, name: str, note: str) -> None:
    """The solution's queue, and whatever a fault made of it."""
    queue = _module(folder, "worker_service.queue")
    with closing(queue.connect(url, name)) as connection:
        _note(note, name, connection)
        while True:
            queue.recover(connection, STUCK)
            task = queue.claim(connection, name)
            if task is None:
                return
            queue.finish(connection, task, "completed")


def advisory_lock(folder: str, url: str, name: str, note: str) -> None:
    """The lock of a task is held through its work."""
    locks = _module(folder, "taskworker.locks")
    with closing(locks.connect(url, name)) as connection:
        _note(note, name, connection)
        while True:
            list(locks.give_back(connection, STUCK))
            task = locks.claim(connection, name)
            if task is None:
                return
            locks.finish(connection, name, task, "completed")
            locks.unlock_all(connection)


def serializable(folder: str, url: str, name: str, note: str) -> None:
    """Transactions that are run again until they are committed."""
    transactions = _module(folder, "worker.transactions")
    with closing(transactions.connect(url, name)) as connection:
        _note(note, name, connection)

        def commit(transaction: Callable[..., Any], *arguments: Any) -> Any:
            return transactions.again_until_committed(connection, lambda c: transaction(c, *arguments))

        while True:
            commit(transactions.give_back_abandoned, STUCK)
            task = commit(transactions.claim_oldest, name)
            if task is None:
                return
            commit(transactions.end, task, "completed")


def held_transaction(folder: str, url: str, name: str, note: str) -> None:
    """Rounds of the worker's own loop, until one would wait for tasks."""
    loop = _module(folder, "worker_service.loop")
    settings = _module(folder, "worker_service.settings").Settings(url, name, 0.0, 0.0, STUCK, 50)
    psycopg, rows = importlib.import_module("psycopg"), importlib.import_module("psycopg.rows")
    stop = _UntilIdle()
    with closing(psycopg.connect(url, row_factory=rows.dict_row, application_name=name)) as connection:
        _note(note, name, connection)
        worker = loop.Worker(settings, stop)
        while not stop.idle:
            worker.round(connection)


def pipeline(folder: str, url: str, name: str, note: str) -> None:
    """Exchanges of the worker's: the result, the recovery and the next claim in one pipeline."""
    module = _module(folder, "worker")
    worker = module.Worker(module.Settings(url, name, 0.0, 0.0, STUCK, "ERROR"))
    with closing(worker.connected()) as connection:
        _note(note, name, connection)
        while (task := worker.exchange()) is not None:
            worker.result = worker.work(task)


async def asyncio_queue(folder: str, parameters: dict[str, Any], name: str, note: str) -> None:
    """The asyncio worker's queue; not in a process of its own: the database as asyncpg's parameters."""
    queue = _module(folder, "worker_service.queue")
    async with queue.asyncpg.create_pool(min_size=1, max_size=1, **parameters) as pool:
        async with pool.acquire() as connection:
            _note_pid(note, name, connection.get_server_pid())
        worker = queue.Queue(pool, name, STUCK)
        while True:
            await worker.expire()
            task = await worker.claim()
            if task is None:
                return
            await worker.finish(task, "completed")


class _UntilIdle:
    """A stop request that never comes, and knows when the worker would have waited."""

    idle = False

    def asked(self) -> bool:
        return False

    def wait(self, _seconds: float) -> bool:
        self.idle = True
        return False


def _module(folder: str, name: str) -> Any:
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


def _note(file: str, name: str, connection: Any) -> None:
    _note_pid(file, name, connection.info.backend_pid)


def _note_pid(file: str, name: str, pid: int) -> None:
    with Path(file).open("a") as notes:
        notes.write(f"{name} {pid}\n")
