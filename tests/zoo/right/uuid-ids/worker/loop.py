import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

RETRY = 0.4


@dataclass(frozen=True)
class Values:
    url: str
    name: str
    poll: float
    work: float | None
    timeout: float


@dataclass(frozen=True)
class Task:
    id: UUID
    title: str
    type: str
    payload: Any
    claim: UUID


class Loop:
    def __init__(self, values: Values, stop: threading.Event) -> None:
        self.values, self.stop = values, stop
        self.connection: psycopg.Connection[Any] | None = None

    def execute(self, sql: str, *parameters: Any) -> psycopg.Cursor[Any]:
        if self.connection is None or self.connection.broken:
            self.connection = psycopg.connect(
                self.values.url, autocommit=True, connect_timeout=3, application_name=self.values.name
            )
        return self.connection.execute(sql, parameters)

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.give_back()
                task = None if self.stop.is_set() else self.claim()
            except psycopg.Error as error:
                self.complain(error)
                self.stop.wait(RETRY)
                continue
            if task is None:
                logging.info("no pending task")
                self.stop.wait(self.values.poll)
            else:
                logging.info("task %s claimed: %r", task.id, task.title)
                self.process(task)
        if self.connection is not None:
            self.connection.close()

    def claim(self) -> Task | None:
        """UUIDs have no order of age: created_at alone tells it, and the id only makes it the same each time."""
        claim = uuid4()
        cursor = self.execute(
            """UPDATE tasks SET status = 'processing', assigned_worker = %s, claim = %s, updated_at = now()
               WHERE id = (SELECT id FROM tasks WHERE status = 'pending'
                           ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING id, title, type, payload, claim""",
            self.values.name,
            claim,
        )
        cursor.row_factory = class_row(Task)
        return cursor.fetchone()

    def give_back(self) -> None:
        rows = self.execute(
            """UPDATE tasks SET status = 'pending', assigned_worker = NULL, claim = NULL, updated_at = now()
               WHERE id IN (SELECT id FROM tasks
                            WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
                            FOR UPDATE SKIP LOCKED)
               RETURNING id""",
            self.values.timeout,
        )
        for (task_id,) in rows:
            logging.warning("task %s was silent for too long, pending again", task_id)

    def process(self, task: Task) -> None:
        began = time.monotonic()
        done: list[str] = []
        working = threading.Thread(target=lambda: done.append(self.work(task)))
        working.start()
        # The work has a thread of its own, so this one has the time to show that it lives.
        while working.join(self.values.timeout / 4) or working.is_alive():
            try:
                self.execute(
                    "UPDATE tasks SET updated_at = now() WHERE id = %s AND claim = %s AND status = 'processing'",
                    task.id,
                    task.claim,
                )
            except psycopg.Error as error:
                self.complain(error)
        self.store(task, done[0], time.monotonic() - began)

    def work(self, task: Task) -> str:
        try:
            if task.type == "email":
                logging.info("task %s: email sent", task.id)
            time.sleep(random.uniform(2, 5) if self.values.work is None else self.values.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("its payload says so")
        except Exception as error:
            logging.warning("task %s failed: %s", task.id, error)
            return "failed"
        return "completed"

    def store(self, task: Task, status: str, took: float) -> None:
        since = time.monotonic()
        while True:
            try:
                stored = self.execute(
                    """UPDATE tasks SET status = %s, updated_at = now()
                       WHERE id = %s AND claim = %s AND status = ANY(%s)""",
                    status,
                    task.id,
                    task.claim,
                    ["processing", status],
                ).rowcount
            except psycopg.Error as error:
                self.complain(error)
                if self.stop.is_set() and time.monotonic() - since > self.values.timeout:
                    logging.error("task %s: its end is not stored, others will see to it", task.id)
                    return
                time.sleep(RETRY)
                continue
            if stored:
                logging.info("task %s %s in %.3f s", task.id, status, took)
            else:
                logging.warning("task %s has another claim by now, its end is dropped", task.id)
            return

    def complain(self, error: psycopg.Error) -> None:
        logging.warning("database trouble, next try in %s s: %s", RETRY, " ".join(str(error).split()))
