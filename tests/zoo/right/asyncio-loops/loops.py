"""A worker that works on three tasks at a time, in one thread.

Each of three loops claims, works and records for itself. A fourth one, the caretaker, shows life for what is in hand and
gives back what other workers left lying.
"""

import asyncio
import json
import logging
import os
import random
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

LOOPS = 3
PAUSE = 0.3
"""Seconds between two attempts to reach the database."""


@dataclass(frozen=True)
class Settings:
    url: str
    name: str
    poll: float
    work: float | None
    stuck: float
    level: str


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    ticket: int


@dataclass
class Worker:
    settings: Settings
    stop: asyncio.Event
    in_hand: dict[int, int] = field(default_factory=dict)
    """Task to ticket."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            caretaker = loops.create_task(self.caretaker())
            async with asyncio.TaskGroup() as working:
                for number in range(LOOPS):
                    working.create_task(self.loop(number))
            caretaker.cancel()

    # ------------------------------------------------------------ one of three

    async def loop(self, number: int) -> None:
        connection = Connection(self.settings, f"loop {number}")
        try:
            while not self.stop.is_set():
                try:
                    task = await self.claim(connection)
                except DATABASE_ERRORS as error:
                    await connection.failed(error)
                    await self.wait(PAUSE)
                    continue
                if task is None:
                    logging.info("loop %d finds nothing", number)
                    await self.wait(self.settings.poll)
                    continue
                logging.info("loop %d claimed task=%d title=%r", number, task.id, task.title)
                self.in_hand[task.id] = task.ticket
                try:
                    began = time.monotonic()
                    status = await self.work(task)
                    await self.record(connection, task, status, time.monotonic() - began)
                finally:
                    del self.in_hand[task.id]
        finally:
            await connection.close()

    async def claim(self, connection: "Connection") -> Task | None:
        opened = await connection.opened()
        if self.stop.is_set():
            return None
        async with opened.transaction():
            row = await opened.fetchrow(
                """SELECT id, title, type, payload, nextval('tickets') AS ticket
                   FROM (SELECT id, title, type, payload FROM tasks WHERE status = 'pending'
                         ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) AS oldest"""
            )
            if row is None:
                return None
            await opened.execute(
                """UPDATE tasks SET status = 'processing', assigned_worker = $1, ticket = $2, updated_at = now()
                   WHERE id = $3""",
                self.settings.name,
                row["ticket"],
                row["id"],
            )
        return Task(row["id"], row["title"], row["type"], json.loads(row["payload"]), row["ticket"])

    async def work(self, task: Task) -> str:
        try:
            if task.type == "email":
                logging.info("task=%d email on its way", task.id)
            await asyncio.sleep(random.uniform(2, 5) if self.settings.work is None else self.settings.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("the payload wants it to")
        except Exception as error:
            logging.warning("task=%d failed: %s", task.id, error)
            return "failed"
        return "completed"

    async def record(self, connection: "Connection", task: Task, status: str, seconds: float) -> None:
        since = time.monotonic()
        while not self.stop.is_set() or time.monotonic() - since <= self.settings.stuck:
            try:
                opened = await connection.opened()
                done = await opened.execute(
                    """UPDATE tasks SET status = $1, updated_at = now()
                       WHERE id = $2 AND ticket = $3 AND status IN ('processing', $1)""",
                    status,
                    task.id,
                    task.ticket,
                )
            except DATABASE_ERRORS as error:
                await connection.failed(error)
                await asyncio.sleep(PAUSE)
                continue
            if done == "UPDATE 1":
                logging.info("task=%d %s, seconds=%.2f", task.id, status, seconds)
            else:
                logging.warning("task=%d has another ticket by now, or is gone", task.id)
            return
        logging.error("task=%d could not be recorded, somebody else will find it", task.id)

    async def wait(self, seconds: float) -> None:
        """Until it is time to stop, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            pass

    # ------------------------------------------------------------ the caretaker

    async def caretaker(self) -> None:
        """Is cancelled when all loops have ended. Until then it goes on, whether it is time to stop or not."""
        connection = Connection(self.settings, "caretaker")
        turn = min(self.settings.stuck / 4, self.settings.poll)
        try:
            while True:
                try:
                    opened = await connection.opened()
                    if self.in_hand:
                        await opened.execute(
                            """UPDATE tasks SET updated_at = now() FROM unnest($1::bigint[]) AS mine(ticket)
                               WHERE tasks.ticket = mine.ticket AND status = 'processing'
                               AND updated_at < now() - make_interval(secs => $2)""",
                            list(self.in_hand.values()),
                            self.settings.stuck / 4,
                        )
                    given_back = await opened.fetch(
                        """UPDATE tasks SET status = 'pending', assigned_worker = NULL, ticket = NULL, updated_at = now()
                           WHERE id IN (SELECT id FROM tasks
                                        WHERE status = 'processing' AND updated_at < now() - make_interval(secs => $1)
                                        FOR UPDATE SKIP LOCKED)
                           RETURNING id""",
                        self.settings.stuck,
                    )
                    for row in given_back:
                        logging.warning("task=%d lay around, pending again", row["id"])
                    await asyncio.sleep(turn)
                except DATABASE_ERRORS as error:
                    await connection.failed(error)
                    await asyncio.sleep(PAUSE)
        finally:
            await connection.close()


class Connection:
    """A connection that is opened when it is needed, and again when it was lost."""

    def __init__(self, settings: Settings, user: str) -> None:
        self._settings = settings
        self._user = user
        self._opened: asyncpg.Connection | None = None

    async def opened(self) -> "asyncpg.Connection":
        if self._opened is None or self._opened.is_closed():
            self._opened = await asyncpg.connect(self._settings.url, timeout=3)
            logging.info("%s is connected", self._user)
        return self._opened

    async def failed(self, error: Exception) -> None:
        logging.warning("%s: database: %s", self._user, " ".join(str(error).split()) or type(error).__name__)
        if self._opened is not None:
            self._opened.terminate()
            self._opened = None

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()


# ---------------------------------------------------------------- settings, start


def read_settings() -> Settings:
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        sys.exit(f"LOG_LEVEL: {level!r} is no level")
    return Settings(
        url=read_url(),
        name=os.environ.get("WORKER_ID", f"{socket.gethostname()}-{os.getpid()}"),
        poll=read_seconds("WORKER_POLL_INTERVAL", "5"),
        work=read_seconds("WORKER_TASK_DURATION", "0", zero=True)
        if "WORKER_TASK_DURATION" in os.environ
        else None,
        stuck=read_seconds("WORKER_STUCK_TIMEOUT", "300"),
        level=level,
    )


def read_url() -> str:
    url = os.environ.get("DATABASE_URL", "")
    try:
        parts = urlsplit(url)
        if parts.scheme in ("postgres", "postgresql") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass
    sys.exit("DATABASE_URL: expected postgresql://user:password@host:port/name")


def read_seconds(name: str, default: str, zero: bool = False) -> float:
    text = os.environ.get(name, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
        sys.exit(f"{name}: {text!r} is no number of seconds to wait for")
    return seconds


async def main(settings: Settings) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if not stop.is_set():
            logging.info("shutdown begun: loops end when they have nothing in hand")
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    if early_signals:
        on_signal()
    logging.info("worker %s started, poll interval %s s, %d loops", settings.name, settings.poll, LOOPS)
    await Worker(settings, stop).run()
    logging.info("shutdown complete")
    # The event loop is taken down after this, and its signal handlers with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


early_signals: list[int] = []
"""Signals that came before there was an event loop."""

if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: early_signals.append(number))

import asyncpg  # noqa: E402 - takes a while

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

if __name__ == "__main__":
    settings = read_settings()
    logging.basicConfig(level=settings.level, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(settings))
