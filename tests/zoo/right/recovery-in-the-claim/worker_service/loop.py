import logging
import random
import select
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

# old.* is the row as it was before. Only what the WHERE of the inner SELECT finds true once more when it has the
# lock is taken: a task that came to its end a moment ago, or whose worker showed life, is not.
CLAIM = """
WITH old AS MATERIALIZED (
    SELECT id, status, assigned_worker FROM tasks
    WHERE status = 'pending'
       OR (status = 'processing' AND updated_at < now() - make_interval(secs => %(timeout)s))
    ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET status = 'processing', assigned_worker = %(name)s, claim_key = gen_random_uuid(), updated_at = now()
FROM old WHERE tasks.id = old.id
RETURNING tasks.id, title, type, payload, claim_key,
          CASE old.status WHEN 'processing' THEN coalesce(old.assigned_worker, 'nobody') END AS taken_from
"""
END = """
UPDATE tasks SET status = %(status)s, updated_at = now()
WHERE id = %(id)s AND claim_key = %(key)s AND status IN ('processing', %(status)s)
"""
LIFE = "UPDATE tasks SET updated_at = now() WHERE id = %(id)s AND claim_key = %(key)s AND status = 'processing'"


@dataclass(frozen=True)
class Options:
    url: str
    name: str
    poll: float
    work: float | None
    timeout: float


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    claim_key: UUID
    taken_from: str | None


@dataclass(frozen=True)
class Done:
    task: Task
    status: str
    seconds: float
    at: float


class Loop:
    def __init__(self, options: Options, signals: socket.socket) -> None:
        self.options, self.signals = options, signals
        self.done: Done | None = None
        """Work that is done and not known to be in the table."""
        self.connection: psycopg.Connection[Any] | None = None
        logging.info("worker %s started, poll_interval=%s", options.name, options.poll)

    def is_to_end(self, within: float | None = 0) -> bool:
        """The byte that a signal has sent stays in the socket, so the answer does too."""
        return bool(select.select([self.signals], [], [], within)[0])

    def announce_end(self) -> None:
        self.is_to_end(within=None)
        logging.info("shutdown begun, the task in hand is brought to its end")

    def run(self) -> None:
        while self.done or not self.is_to_end():
            try:
                with closing(self.connect()) as self.connection:
                    while self.done or not self.is_to_end():
                        self.step()
            except psycopg.Error as error:
                self.without_database(error)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.options.url, autocommit=True, connect_timeout=3, application_name=self.options.name
        )

    def step(self) -> None:
        assert self.connection is not None
        if self.done:
            self.store(self.done)
            return
        cursor = self.connection.cursor(row_factory=class_row(Task))
        task = cursor.execute(CLAIM, {"timeout": self.options.timeout, "name": self.options.name}).fetchone()
        if task is None:
            logging.info("no task, neither pending nor abandoned")
            self.is_to_end(within=self.options.poll)
            return
        if task.taken_from:
            logging.warning("task=%s taken over from %s, which was silent for too long", task.id, task.taken_from)
        logging.info("task=%s claimed: %s", task.id, task.title)
        self.done = self.work(task)

    def store(self, done: Done) -> None:
        assert self.connection is not None
        values = {"status": done.status, "id": done.task.id, "key": done.task.claim_key}
        if self.connection.execute(END, values).rowcount:
            logging.info("task=%s %s seconds=%.3f", done.task.id, done.status, done.seconds)
        else:
            logging.warning("task=%s was taken over, result dropped", done.task.id)
        self.done = None

    def work(self, task: Task) -> Done:
        began = time.monotonic()
        status = "completed"
        try:
            if task.type == "email":
                logging.info("task=%s mailed", task.id)
            self.pretend(task, random.uniform(2, 5) if self.options.work is None else self.options.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("fail, says the payload")
        except Exception as error:
            logging.warning("task=%s failed: %s", task.id, error)
            status = "failed"
        at = time.monotonic()
        return Done(task, status, at - began, at)

    def pretend(self, task: Task, seconds: float) -> None:
        """Between two pieces of the work there is time for a sign of life; without a database there is none."""
        end, piece = time.monotonic() + seconds, self.options.timeout / 4
        while (left := end - time.monotonic()) > piece:
            time.sleep(piece)
            self.show_life(task)
        time.sleep(max(left, 0))

    def show_life(self, task: Task) -> None:
        try:
            if self.connection is None or self.connection.closed:
                self.connection = self.connect()
            self.connection.execute(LIFE, {"id": task.id, "key": task.claim_key})
        except psycopg.Error as error:
            logging.warning("task=%s no sign of life: %s", task.id, " ".join(str(error).split()))
            if self.connection is not None:
                self.connection.close()

    def without_database(self, error: psycopg.Error) -> None:
        logging.warning("database trouble, new attempt in 0.4 s: %s", " ".join(str(error).split()))
        if self.done is None:
            self.is_to_end(within=0.4)
        elif self.is_to_end() and time.monotonic() - self.done.at > self.options.timeout:
            logging.error("task=%s its result finds no database, somebody will take it over", self.done.task.id)
            self.done = None
        else:
            time.sleep(0.4)
