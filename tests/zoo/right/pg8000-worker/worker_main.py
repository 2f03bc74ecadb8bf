"""A worker on pg8000, which speaks PostgreSQL's protocol in Python: ``python worker_main.py``"""

import signal
import threading

stop = threading.Event()


def _listen() -> None:
    signal.sigwait((signal.SIGTERM, signal.SIGINT))
    stop.set()
    print("shutdown begun; the task in hand, if any, comes to its end", flush=True)


signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
threading.Thread(target=_listen, daemon=True).start()

import os  # noqa: E402
import random  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from contextlib import suppress  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from datetime import datetime  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import unquote, urlsplit  # noqa: E402

import pg8000.exceptions  # noqa: E402
import pg8000.native  # noqa: E402

# A cut connection shows itself in pg8000's own exceptions, or in those of the socket beneath.
TROUBLE = (pg8000.exceptions.Error, OSError)
LEVELS = ["debug", "info", "warning", "error"]
PAUSE = 0.4


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    claimed_at: datetime
    """To the microsecond, by the database's clock: another claim of the task has another one."""


@dataclass(frozen=True)
class Settings:
    connect: dict[str, Any]
    name: str
    poll: float
    work: float | None
    timeout: float
    level: int


class Database:
    """A connection that is made when it is needed. Raises one of TROUBLE, and is then without one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection: pg8000.native.Connection | None = None

    def run(self, sql: str, **values: Any) -> list[list[Any]]:
        try:
            if self.connection is None:
                self.connection = pg8000.native.Connection(**self.settings.connect, timeout=6)
            return self.connection.run(sql, **values) or []
        except TROUBLE:
            self.close()
            raise

    def changed(self, sql: str, **values: Any) -> bool:
        """Whether the statement met a row."""
        return len(self.run(f"{sql} RETURNING id", **values)) == 1

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(TROUBLE):
                connection.close()

    # ---------------------------------------------------------------- the queue

    def claim(self) -> Task | None:
        self.run("START TRANSACTION")
        found = self.run(
            """SELECT id, title, type, payload, clock_timestamp() FROM tasks WHERE status = 'pending'
               ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
        )
        if not found:
            self.run("ROLLBACK")
            return None
        task = Task(*found[0])
        self.run(
            """UPDATE tasks SET status = 'processing', assigned_worker = :me, claimed_at = :now, updated_at = :now
               WHERE id = :id""",
            me=self.settings.name,
            now=task.claimed_at,
            id=task.id,
        )
        self.run("COMMIT")
        return task

    def finish(self, task: Task, status: str) -> bool:
        """One statement, without a transaction around it. A second try finds what the first one did, if it did."""
        return self.changed(
            """UPDATE tasks SET status = :status, updated_at = clock_timestamp()
               WHERE id = :id AND assigned_worker = :me AND claimed_at = :claimed
               AND (status = 'processing' OR status = :status)""",
            status=status,
            id=task.id,
            me=self.settings.name,
            claimed=task.claimed_at,
        )

    def beat(self, task: Task) -> bool:
        return self.changed(
            """UPDATE tasks SET updated_at = clock_timestamp()
               WHERE id = :id AND assigned_worker = :me AND claimed_at = :claimed AND status = 'processing'""",
            id=task.id,
            me=self.settings.name,
            claimed=task.claimed_at,
        )

    def recover(self) -> list[int]:
        rows = self.run(
            """UPDATE tasks SET status = 'pending', assigned_worker = NULL, claimed_at = NULL, updated_at = now()
               WHERE id IN (SELECT id FROM tasks WHERE status = 'processing'
                            AND updated_at < now() - make_interval(secs => CAST(:timeout AS DOUBLE PRECISION))
                            FOR UPDATE SKIP LOCKED)
               RETURNING id""",
            timeout=self.settings.timeout,
        )
        return [task_id for [task_id] in rows]


class Worker:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings)

    def say(self, level: str, text: str) -> None:
        if LEVELS.index(level) >= self.settings.level:
            print(f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} {level} {text}", flush=True)

    def trouble(self, error: Exception, then: str) -> None:
        """pg8000 gives the server's message as a dictionary; M is the part for people."""
        told = error.args[0] if error.args else ""
        text = told.get("M", "") if isinstance(told, dict) else str(error)
        self.say("warning", f"database: {type(error).__name__} {' '.join(text.split())}; {then}")

    def run(self) -> None:
        self.say("info", f"worker {self.settings.name} started, poll interval {self.settings.poll} s")
        while not stop.is_set():
            try:
                for task_id in self.database.recover():
                    self.say("warning", f"task {task_id} was left behind, and is pending again")
                task = None if stop.is_set() else self.database.claim()
            except TROUBLE as error:
                self.trouble(error, f"next try in {PAUSE} s")
                stop.wait(PAUSE)
                continue
            if task is None:
                self.say("info", "found no pending task")
                stop.wait(self.settings.poll)
                continue
            self.say("info", f"task {task.id} claimed, {task.title!r}")
            over = threading.Event()
            heart = threading.Thread(target=self.keep_alive, args=(task, over), daemon=True)
            heart.start()
            began = time.monotonic()
            status = self.work(task)
            self.store(task, status, time.monotonic() - began)
            over.set()
            heart.join()
        self.database.close()
        self.say("info", "shutdown complete")

    def work(self, task: Task) -> str:
        try:
            if task.type == "email":
                self.say("info", f"task {task.id}: sending mail")
            time.sleep(random.uniform(2, 5) if self.settings.work is None else self.settings.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("the payload says fail")
        except Exception as error:
            self.say("warning", f"task {task.id} failed: {error}")
            return "failed"
        return "completed"

    def store(self, task: Task, status: str, seconds: float) -> None:
        since = time.monotonic()
        while True:
            try:
                if self.database.finish(task, status):
                    self.say("info", f"task {task.id} {status} after {seconds:.3f} s")
                else:
                    self.say("warning", f"task {task.id} has been claimed anew, its result is dropped")
                return
            except TROUBLE as error:
                self.trouble(error, f"task {task.id} is not stored")
            if stop.is_set() and time.monotonic() - since > self.settings.timeout:
                self.say("error", f"task {task.id} is not stored, and will be recovered by others")
                return
            time.sleep(PAUSE)

    def keep_alive(self, task: Task, over: threading.Event) -> None:
        database = Database(self.settings)
        is_ours = True
        while is_ours and not over.wait(self.settings.timeout / 4):
            try:
                is_ours = database.beat(task)
            except TROUBLE as error:
                self.trouble(error, f"no sign of life for task {task.id}")
        database.close()


def seconds(name: str, default: str, *, zero: bool = False) -> float:
    try:
        value = float(os.environ.get(name, default))
    except ValueError:
        value = -1
    if not (0 < value < 10**8 or (zero and value == 0)):
        sys.exit(f"error: {name} is not a number of seconds that can be used")
    return value


def connection_arguments() -> dict[str, Any]:
    try:
        url = urlsplit(os.environ["DATABASE_URL"])
        if url.scheme not in ("postgresql", "postgres") or not url.hostname or not url.username or url.port == 0:
            raise ValueError
        return {
            "user": unquote(url.username),
            "password": unquote(url.password or ""),
            "host": url.hostname,
            "port": url.port or 5432,
            "database": unquote(url.path.lstrip("/")),
        }
    except (KeyError, ValueError):
        sys.exit("error: DATABASE_URL has to be set, to postgresql://user:password@host:port/name")


def read_settings() -> Settings:
    level = os.environ.get("LOG_LEVEL", "info").lower()
    if level not in LEVELS:
        sys.exit(f"error: LOG_LEVEL has to be one of {', '.join(LEVELS)}")
    name = os.environ.get("WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}"
    return Settings(
        connect={**connection_arguments(), "application_name": name},
        name=name,
        poll=seconds("WORKER_POLL_INTERVAL", "5"),
        work=seconds("WORKER_TASK_DURATION", "", zero=True) if "WORKER_TASK_DURATION" in os.environ else None,
        timeout=seconds("WORKER_STUCK_TIMEOUT", "300"),
        level=LEVELS.index(level),
    )


if __name__ == "__main__":
    Worker(read_settings()).run()
