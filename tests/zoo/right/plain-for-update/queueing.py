"""A worker that queues up for the oldest task like everybody else.

The claim locks the oldest pending row with FOR UPDATE and so waits for whoever holds it. PostgreSQL then looks at the
row once more: if it is not pending any more the answer is empty, though there may be other pending rows. So an empty
answer means "ask again", and "nothing to do" is a question of its own.
"""

import logging
import os
import select
import signal
import sys
import time

_told, _tell = os.pipe()
os.set_blocking(_tell, False)
_stopping = False


def _hear(_number: int, _frame: object) -> None:
    global _stopping
    if not _stopping:
        _stopping = True
        os.write(2, b"shutdown begun, the task in hand will be finished\n")
        os.write(_tell, b".")  # stays there: whoever waits for it from now on does not wait


for _number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_number, _hear)

import random  # noqa: E402
import socket  # noqa: E402
from contextlib import closing  # noqa: E402
from math import inf  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import psycopg2  # noqa: E402

OLDEST = """SELECT id, title, type, payload, tries + 1 FROM tasks WHERE status = 'pending'
            ORDER BY created_at, id LIMIT 1 FOR UPDATE"""
ANY = "SELECT EXISTS (SELECT FROM tasks WHERE status = 'pending')"
TAKE = """UPDATE tasks SET status = 'processing', assigned_worker = %s, tries = %s, updated_at = now()
          WHERE id = %s"""
PUT_BACK = """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
              WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
              RETURNING id"""
LIVES = "UPDATE tasks SET updated_at = now() WHERE id = %s AND tries = %s AND status = 'processing'"
DONE = """UPDATE tasks SET status = %(status)s, updated_at = now()
          WHERE id = %(id)s AND tries = %(tries)s AND status IN ('processing', %(status)s)"""


class Task(NamedTuple):
    id: int
    title: str
    type: str
    payload: Any
    tries: int


class Settings(NamedTuple):
    url: str
    name: str
    poll: float
    work: float | None
    stuck: float
    level: str


class Ended(NamedTuple):
    task: Task
    status: str
    seconds: float
    at: float


class Worker:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ended: Ended | None = None

    def connect(self) -> Any:
        return psycopg2.connect(self.settings.url, connect_timeout=3, application_name=self.settings.name)

    def run(self) -> None:
        while self.ended or not _stopping:
            try:
                with closing(self.connect()) as connection:
                    logging.info("connected")
                    self.serve(connection)
            except psycopg2.Error as error:
                logging.warning("the database is not there: %s; trying again", " ".join(str(error).split()))
                self.rest()

    def serve(self, connection: Any) -> None:
        self.record(connection)
        while not _stopping:
            with connection, connection.cursor() as cursor:
                cursor.execute(PUT_BACK, (self.settings.stuck,))
                for (number,) in cursor.fetchall():
                    logging.warning("task %d had been forgotten, back to pending", number)
            if _stopping:
                return
            task = self.claim(connection)
            if task is None:
                if not _stopping:
                    logging.info("no task is pending")
                    wait(self.settings.poll)
                continue
            logging.info("task %d is mine: %s", task.id, task.title)
            began = time.monotonic()
            status = self.work(task)
            now = time.monotonic()
            self.ended = Ended(task, status, now - began, now)
            self.record(connection)

    def claim(self, connection: Any) -> Task | None:
        """None: there is no pending task, or it is time to stop."""
        while True:
            with connection, connection.cursor() as cursor:
                cursor.execute(OLDEST)
                row = cursor.fetchone()
                if row is not None:
                    task = Task(*row)
                    cursor.execute(TAKE, (self.settings.name, task.tries, task.id))
                    break
                cursor.execute(ANY)
                if _stopping or not cursor.fetchone()[0]:
                    return None
        return task

    def work(self, task: Task) -> str:
        try:
            if task.type == "email":
                logging.info("task %d sends an email", task.id)
            end = time.monotonic() + (random.uniform(2, 5) if self.settings.work is None else self.settings.work)
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, self.settings.stuck / 4))
                if time.monotonic() < end:
                    self.show_life(task)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("so says its payload")
        except Exception as error:
            logging.warning("task %d failed: %s", task.id, error)
            return "failed"
        return "completed"

    def show_life(self, task: Task) -> None:
        """On a connection of its own: the worker's may be broken, and that is found out soon enough."""
        try:
            with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
                cursor.execute(LIVES, (task.id, task.tries))
        except psycopg2.Error as error:
            logging.warning("task %d: no sign of life: %s", task.id, " ".join(str(error).split()))

    def record(self, connection: Any) -> None:
        if self.ended is None:
            return
        task, status, seconds, _ = self.ended
        with connection, connection.cursor() as cursor:
            cursor.execute(DONE, {"status": status, "id": task.id, "tries": task.tries})
            is_ours = cursor.rowcount == 1
        if is_ours:
            logging.info("task %d %s after %.2f s", task.id, status, seconds)
        else:
            logging.warning("task %d is somebody else's by now", task.id)
        self.ended = None

    def rest(self) -> None:
        if self.ended is None:
            wait(0.4)
            return
        time.sleep(0.4)
        if _stopping and time.monotonic() - self.ended.at > self.settings.stuck:
            logging.error("task %d: its end is not recorded; others will do it again", self.ended.task.id)
            self.ended = None


def wait(seconds: float) -> None:
    select.select([_told], [], [], seconds)


def read_settings() -> Settings:
    env = os.environ
    url = env.get("DATABASE_URL", "")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("postgres", "postgresql") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        sys.exit("DATABASE_URL is needed: postgresql://user:password@host:port/name")
    level = env.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        sys.exit(f"LOG_LEVEL cannot be {level}")
    work = seconds_of("WORKER_TASK_DURATION", "0", zero=True) if "WORKER_TASK_DURATION" in env else None
    return Settings(
        url=url,
        name=env.get("WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}",
        poll=seconds_of("WORKER_POLL_INTERVAL", "5"),
        work=work,
        stuck=seconds_of("WORKER_STUCK_TIMEOUT", "300"),
        level=level,
    )


def seconds_of(name: str, default: str, zero: bool = False) -> float:
    text = os.environ.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 < value < inf or (zero and value == 0):
        return value
    sys.exit(f"{name} cannot be {text!r}; seconds are expected")


if __name__ == "__main__":
    settings = read_settings()
    logging.basicConfig(level=settings.level, format="%(asctime)s %(levelname)s: %(message)s")
    logging.info("worker %s begins, poll interval %s seconds", settings.name, settings.poll)
    Worker(settings).run()
    logging.info("shutdown complete")
    for _number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(_number, signal.SIG_IGN)
