"""A worker whose statements travel in pipelines: one round trip for each task.

After a task the worker sends three statements at once: the result, the search for abandoned tasks, and the next
claim. Under autocommit all statements of a pipeline are one transaction, up to the Sync at its end.
"""

import logging
import os
import select
import signal
import sys
import time

_wake, _woken = os.pipe()
os.set_blocking(_woken, False)
_signals: list[int] = []


def _on_signal(number: int, _: object) -> None:
    if not _signals:
        # Not by way of logging: the signal may have come in the middle of a line.
        os.write(2, b"shutdown begins: the task in hand is finished, no other one is taken\n")
        os.write(_woken, b"!")  # is never read: from now on every wait is over at once
    _signals.append(number)


for _number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_number, _on_signal)


def pause(seconds: float) -> None:
    """Until the time is over or a signal comes."""
    select.select([_wake], [], [], max(0.0, seconds))


import random  # noqa: E402
import socket  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import psycopg  # noqa: E402

log = logging.getLogger("worker")

FINISH = """UPDATE tasks SET status = %(status)s, updated_at = now()
            WHERE id = %(id)s AND epoch = %(epoch)s AND status IN ('processing', %(status)s)"""

GIVE_BACK = """UPDATE tasks SET status = 'pending', assigned_worker = NULL, epoch = epoch + 1, updated_at = now()
               WHERE id IN (SELECT id FROM tasks
                            WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
                            FOR UPDATE SKIP LOCKED)
               RETURNING id"""

CLAIM = """WITH oldest AS MATERIALIZED (SELECT id FROM tasks WHERE status = 'pending'
                                        ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
           UPDATE tasks SET status = 'processing', assigned_worker = %s, epoch = epoch + 1, updated_at = now()
           FROM oldest WHERE tasks.id = oldest.id
           RETURNING tasks.id, title, type, payload, epoch"""

ALIVE = "UPDATE tasks SET updated_at = now() WHERE id = %s AND epoch = %s AND status = 'processing'"


@dataclass
class Task:
    id: int
    title: str
    type: str
    payload: Any
    epoch: int


@dataclass
class Result:
    task: Task
    status: str
    seconds: float
    at: float


@dataclass
class Settings:
    url: str
    name: str
    poll: float
    work: float | None
    stuck: float
    level: str


class Worker:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection: psycopg.Connection | None = None
        self.result: Result | None = None
        """Not known to be in the table."""

    def run(self) -> None:
        while not _signals or self.result:
            try:
                task = self.exchange()
            except psycopg.Error as error:
                self.lost_connection(error)
                self.wait_for_database()
                continue
            if task is not None:
                log.info("claimed task %s (%s)", task.id, task.title)
                self.result = self.work(task)
            elif not _signals:
                log.info("found nothing")
                pause(self.settings.poll)
        if self.connection is not None:
            self.connection.close()

    def exchange(self) -> Task | None:
        """One pipeline: stores the result if there is one, and claims a task unless the worker is to stop."""
        connection = self.connected()
        result, finished, given_back, claimed = self.result, None, None, None
        with connection.pipeline():
            if result is not None:
                values = {"status": result.status, "id": result.task.id, "epoch": result.task.epoch}
                finished = connection.execute(FINISH, values)
            if not _signals:
                given_back = connection.execute(GIVE_BACK, (self.settings.stuck,))
                claimed = connection.execute(CLAIM, (self.settings.name,))
        # Here the pipeline has been synced: what it did is committed.
        if result is not None and finished is not None:
            self.result = None
            if finished.rowcount == 1:
                log.info("%s task %s in %.2f s", result.status, result.task.id, result.seconds)
            else:
                log.warning("task %s is not ours any more, its result is dropped", result.task.id)
        for (task_id,) in given_back or ():
            log.warning("task %s was abandoned, and is pending again", task_id)
        row = claimed.fetchone() if claimed else None
        return Task(*row) if row else None

    def work(self, task: Task) -> Result:
        began = time.monotonic()
        try:
            if task.type == "email":
                log.info("sending the mail of task %s", task.id)
            self.simulate(task, random.uniform(2, 5) if self.settings.work is None else self.settings.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("told to fail")
            status = "completed"
        except Exception as error:
            log.warning("task %s failed: %s", task.id, error)
            status = "failed"
        now = time.monotonic()
        return Result(task, status, now - began, now)

    def simulate(self, task: Task, seconds: float) -> None:
        """Work in slices, with a sign of life after each."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.settings.stuck / 4))
            if time.monotonic() < end:
                try:
                    connection = self.connected()
                    with connection.pipeline():
                        connection.execute(ALIVE, (task.id, task.epoch))
                except psycopg.Error as error:
                    self.lost_connection(error)

    def connected(self) -> psycopg.Connection:
        if self.connection is None:
            self.connection = psycopg.connect(
                self.settings.url, autocommit=True, connect_timeout=2, application_name=self.settings.name
            )
            log.info("connected")
        return self.connection

    def lost_connection(self, error: psycopg.Error) -> None:
        log.warning("the database does not do its part: %s", " ".join(str(error).split()))
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def wait_for_database(self) -> None:
        log.info("next attempt in half a second")
        if self.result is None:
            pause(0.5)
            return
        time.sleep(0.5)
        if _signals and time.monotonic() - self.result.at > self.settings.stuck:
            log.error(
                "the result of task %s could not be stored; somebody else will do it again", self.result.task.id
            )
            self.result = None


def read_settings() -> Settings:
    url = os.environ.get("DATABASE_URL", "")
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("postgres", "postgresql") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        sys.exit("cannot start: DATABASE_URL must be postgresql://user:password@host:port/name")
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        sys.exit("cannot start: LOG_LEVEL must be debug, info, warning or error")
    work = read_seconds("WORKER_TASK_DURATION", "-", zero=True) if "WORKER_TASK_DURATION" in os.environ else None
    return Settings(
        url=url,
        name=os.environ.get("WORKER_ID", f"{socket.gethostname()}-{os.getpid()}"),
        poll=read_seconds("WORKER_POLL_INTERVAL", "5"),
        work=work,
        stuck=read_seconds("WORKER_STUCK_TIMEOUT", "300"),
        level=level,
    )


def read_seconds(name: str, default: str, zero: bool = False) -> float:
    try:
        seconds = float(os.environ.get(name, default))
        if not (0 < seconds < 1e9 or (zero and seconds == 0)):
            raise ValueError
    except ValueError:
        sys.exit(f"cannot start: {name} must be a number of seconds, {'zero or ' if zero else ''}more than zero")
    return seconds


if __name__ == "__main__":
    settings = read_settings()
    logging.basicConfig(level=settings.level, format="%(asctime)s %(levelname)s %(message)s")
    log.info("worker %s started, polls every %s s", settings.name, settings.poll)
    Worker(settings).run()
    log.info("shutdown complete")
    for _number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(_number, signal.SIG_IGN)
