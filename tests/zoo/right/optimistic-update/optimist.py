"""A worker that asks for no lock: it looks, and then changes a row only if it is still as it was.

Every step of a worker counts the row's version up by one, on condition that the version is the one that was seen. Of
two that have seen the same version, one changes a row, and the other one none; that one looks again.
"""

import os
import signal

shutdown_read, shutdown_write = os.pipe()
os.set_blocking(shutdown_write, False)
signal.set_wakeup_fd(shutdown_write, warn_on_full_buffer=False)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)

import logging  # noqa: E402
import math  # noqa: E402
import platform  # noqa: E402
import random  # noqa: E402
import select  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from typing import Any  # noqa: E402

import psycopg  # noqa: E402
from psycopg.conninfo import conninfo_to_dict  # noqa: E402
from psycopg.errors import LockNotAvailable  # noqa: E402
from psycopg.rows import class_row  # noqa: E402

log = logging.getLogger("optimist")

CANDIDATES = (
    "SELECT id, title, type, payload, version FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 20"
)
STUCK = """SELECT id, title, type, payload, version FROM tasks
           WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)"""
STEP = """UPDATE tasks SET status = %(status)s, assigned_worker = %(owner)s, version = version + 1, updated_at = now()
          WHERE id = %(id)s AND version = %(version)s"""
HAS_HAPPENED = "SELECT FROM tasks WHERE id = %s AND version = %s AND status = %s AND assigned_worker = %s"

LOCK_TIMEOUT_MS = 50
"""A row that is busy for longer than an UPDATE takes is passed over. The optimist does not wait."""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    version: int


@dataclass(frozen=True)
class Settings:
    url: str
    me: str
    poll: float
    duration: float | None
    timeout: float


def stopping(within: float | None = 0.0) -> bool:
    """Whether a signal has come, or comes within so many seconds. Nobody reads the byte: the answer stays yes."""
    return bool(select.select([shutdown_read], [], [], within)[0])


@contextmanager
def database(settings: Settings) -> Iterator[psycopg.Connection]:
    connection = psycopg.connect(
        settings.url,
        autocommit=True,
        connect_timeout=3,
        application_name=settings.me,
        options=f"-c lock_timeout={LOCK_TIMEOUT_MS}",
    )
    try:
        yield connection
    finally:
        connection.close()


def step(connection: psycopg.Connection, task: Task, status: str, owner: str | None) -> Task | None:
    """The task after the step, or None: it is not as it was seen, or somebody keeps it busy."""
    values = {"status": status, "owner": owner, "id": task.id, "version": task.version}
    try:
        changed = connection.execute(STEP, values).rowcount
    except LockNotAvailable:
        return None
    return replace(task, version=task.version + 1) if changed else None


def claim(connection: psycopg.Connection, settings: Settings) -> Task | None:
    """From the oldest on, the first one that lets itself be claimed. If all were lost to others, look again."""
    while True:
        candidates = connection.cursor(row_factory=class_row(Task)).execute(CANDIDATES).fetchall()
        for candidate in candidates:
            if mine := step(connection, candidate, "processing", settings.me):
                return mine
        # With the whole look gone, another one makes sense if there are more than that; else it is the next poll's.
        if len(candidates) < 20 or stopping():
            return None


def give_back(connection: psycopg.Connection, settings: Settings) -> None:
    for task in connection.cursor(row_factory=class_row(Task)).execute(STUCK, (settings.timeout,)).fetchall():
        if step(connection, task, "pending", None):
            log.warning("task=%s was abandoned in version %s, pending again", task.id, task.version)


class InHand:
    """A task with its present version, which two threads move on: the work's, and the one that shows life."""

    def __init__(self, settings: Settings, task: Task) -> None:
        self.settings, self.task = settings, task
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.heart = threading.Thread(target=self.beat, daemon=True)
        self.heart.start()

    def beat(self) -> None:
        pause = self.settings.timeout / 4
        while not self.done.wait(pause):
            try:
                with database(self.settings) as connection:
                    while not self.done.is_set():
                        with self.lock:
                            self.move(connection, "processing")
                        self.done.wait(pause)
            except psycopg.Error as error:
                log.warning("task=%s no sign of life: %s", self.task.id, one_line(error))

    def move(self, connection: psycopg.Connection, status: str) -> bool:
        """One step on, or the proof that an earlier try, whose answer was lost, has done it already."""
        after = step(connection, self.task, status, self.settings.me)
        if after is None:
            values = (self.task.id, self.task.version + 1, status, self.settings.me)
            if connection.execute(HAS_HAPPENED, values).fetchone() is None:
                return False
            after = replace(self.task, version=self.task.version + 1)
        self.task = after
        return True

    def finish(self, status: str, seconds: float) -> None:
        ended = time.monotonic()
        self.done.set()
        self.heart.join()
        while True:
            try:
                with database(self.settings) as connection:
                    connection.execute("SET lock_timeout = 0")  # this row is ours: whoever has it will let go
                    if self.move(connection, status):
                        log.info("task=%s %s after %.3f s", self.task.id, status, seconds)
                    else:
                        log.warning("task=%s has moved on without us, its result is dropped", self.task.id)
                    return
            except psycopg.Error as error:
                log.warning("task=%s result not stored: %s", self.task.id, one_line(error))
            if stopping() and time.monotonic() - ended > self.settings.timeout:
                log.error("task=%s result given up", self.task.id)
                return
            time.sleep(0.3)


def work(task: Task, settings: Settings) -> None:
    if task.type == "email":
        log.info("task=%s mail sent", task.id)
    time.sleep(random.uniform(2, 5) if settings.duration is None else settings.duration)
    if isinstance(task.payload, dict) and task.payload.get("fail") is True:
        raise RuntimeError("as its payload asks")


def process(task: Task, settings: Settings) -> None:
    log.info("task=%s claimed, title %r", task.id, task.title)
    in_hand = InHand(settings, task)
    began = time.monotonic()
    try:
        work(task, settings)
        status = "completed"
    except Exception as error:
        log.warning("task=%s did not succeed: %s", task.id, error)
        status = "failed"
    in_hand.finish(status, time.monotonic() - began)


def run(settings: Settings) -> None:
    while not stopping():
        try:
            with database(settings) as connection:
                log.info("connected")
                while not stopping():
                    give_back(connection, settings)
                    if stopping():
                        break
                    if task := claim(connection, settings):
                        process(task, settings)
                    else:
                        log.info("nothing to claim")
                        stopping(within=settings.poll)
        except psycopg.Error as error:
            log.warning("no database, next try in 0.3 s: %s", one_line(error))
            stopping(within=0.3)


def announce() -> None:
    stopping(within=None)
    log.info("shutdown begun")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def seconds(name: str, default: str, least: float = 0.001) -> float:
    try:
        value = float(os.environ.get(name, default))
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        sys.exit(f"{name} must be a number of seconds, {least} or more")
    return value


def settings_from_environment() -> Settings:
    url = os.environ.get("DATABASE_URL", "")
    try:
        if not url.startswith(("postgres://", "postgresql://")) or not int(
            conninfo_to_dict(url).get("port", 5432)
        ):
            raise ValueError
    except (ValueError, psycopg.Error):
        sys.exit("DATABASE_URL must be set, to postgresql://user:password@host:port/name")
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        sys.exit("LOG_LEVEL must be debug, info, warning or error")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    has_duration = "WORKER_TASK_DURATION" in os.environ
    return Settings(
        url=url,
        me=os.environ.get("WORKER_ID") or f"{platform.node()}-{os.getpid()}",
        poll=seconds("WORKER_POLL_INTERVAL", "5"),
        duration=seconds("WORKER_TASK_DURATION", "", 0.0) if has_duration else None,
        timeout=seconds("WORKER_STUCK_TIMEOUT", "300"),
    )


if __name__ == "__main__":
    settings = settings_from_environment()
    log.info("started as %s, poll interval %s s", settings.me, settings.poll)
    announcer = threading.Thread(target=announce, daemon=True)
    announcer.start()
    run(settings)
    announcer.join()
    log.info("shutdown complete")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
