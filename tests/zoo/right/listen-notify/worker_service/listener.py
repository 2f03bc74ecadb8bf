"""Two threads: one works, with the connection that listens; the other rings the bell of the shutdown, and the heart.

The listening connection is also the one that claims. What is notified while a statement runs is kept by psycopg until
somebody asks for it, so no notification is lost between a look that finds nothing and the wait that follows it.
"""

import logging
import random
import select
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from worker_service.settings import Settings

CLAIM = """
UPDATE tasks SET status = 'processing', assigned_worker = %s, claims = claims + 1, updated_at = now()
WHERE id = (SELECT id FROM tasks WHERE status = 'pending' ORDER BY created_at, id FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id, title, type, payload, claims"""
DONE = """
UPDATE tasks SET status = %(status)s, updated_at = now()
WHERE id = %(id)s AND claims = %(claims)s AND status IN ('processing', %(status)s)"""
ALIVE = "UPDATE tasks SET updated_at = now() WHERE id = %s AND claims = %s AND status = 'processing'"
FREE = """
UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
WHERE id IN (SELECT id FROM tasks WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
             FOR UPDATE SKIP LOCKED)
RETURNING id"""


@dataclass(frozen=True)
class Task:
    id: int
    title: str
    type: str
    payload: Any
    claims: int


class Listener:
    def __init__(self, settings: Settings, bell: int) -> None:
        self.settings, self.bell = settings, bell
        self.in_hand: Task | None = None
        self.result: tuple[Task, str, float, float] | None = None
        """Task, status, seconds, and since when it is not stored (monotonic)."""

    def run(self) -> None:
        threading.Thread(target=self.tell_of_the_bell, daemon=True).start()
        over = threading.Event()
        heart = threading.Thread(target=self.beat, args=(over,))
        heart.start()
        while self.result or not self.rung():
            try:
                with self.connect() as connection:
                    connection.execute("LISTEN task_pending")
                    logging.info("connected, listening")
                    self.listen(connection)
            except psycopg.Error as error:
                logging.warning("lost the database, trying again in 0.5 s: %s", " ".join(str(error).split()))
                self.rest()
        over.set()
        heart.join()

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.settings.url, autocommit=True, connect_timeout=3, application_name=self.settings.name
        )

    def rung(self, seconds: float | None = 0) -> bool:
        return bool(select.select([self.bell], [], [], seconds)[0])

    def tell_of_the_bell(self) -> None:
        self.rung(None)
        logging.info("shutdown begun, no more tasks are taken")

    def listen(self, connection: psycopg.Connection[Any]) -> None:
        self.store(connection)
        while not self.rung():
            for (task_id,) in connection.execute(FREE, (self.settings.stuck,)).fetchall():
                logging.warning("task=%s freed, nobody has shown life for it", task_id)
            if self.rung():
                return
            task = connection.cursor(row_factory=class_row(Task)).execute(CLAIM, (self.settings.name,)).fetchone()
            if task is None:
                logging.info("nothing pending, waiting to be woken")
                self.wait(connection)
                continue
            logging.info("task=%s claimed title=%r", task.id, task.title)
            self.in_hand = task
            began = time.monotonic()
            status = self.work(task)
            ended = time.monotonic()
            self.result = (task, status, ended - began, ended)
            self.store(connection)

    def wait(self, connection: psycopg.Connection[Any]) -> None:
        """For a notification, the next poll or the shutdown, whatever comes first."""
        end = time.monotonic() + self.settings.poll
        while not self.told(connection):
            left = end - time.monotonic()
            if left <= 0 or self.bell in select.select([connection, self.bell], [], [], left)[0]:
                return

    def told(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether there were notifications; now they are read. Many of them are one reason to look, not many."""
        return len(list(connection.notifies(timeout=0))) > 0

    def work(self, task: Task) -> str:
        try:
            if task.type == "email":
                logging.info("task=%s email sent", task.id)
            time.sleep(random.uniform(2, 5) if self.settings.work is None else self.settings.work)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("told so by its payload")
        except Exception as error:
            logging.warning("task=%s failed: %s", task.id, error)
            return "failed"
        return "completed"

    def store(self, connection: psycopg.Connection[Any]) -> None:
        if self.result is None:
            return
        task, status, seconds, _ = self.result
        if connection.execute(DONE, {"status": status, "id": task.id, "claims": task.claims}).rowcount:
            logging.info("task=%s %s duration=%.3f", task.id, status, seconds)
        else:
            logging.warning("task=%s is no longer ours, left alone", task.id)
        self.in_hand = self.result = None

    def rest(self) -> None:
        if self.result is None:
            self.in_hand = None
            self.rung(0.5)
        elif self.rung() and time.monotonic() - self.result[3] > self.settings.stuck:
            logging.error("task=%s: no database for its result, others will find it", self.result[0].id)
            self.in_hand = self.result = None
        else:
            time.sleep(0.5)

    def beat(self, over: threading.Event) -> None:
        """One heart for the whole life of the worker; it connects for a beat, which is seldom needed."""
        while not over.wait(self.settings.stuck / 5):
            task = self.in_hand
            if task is None:
                continue
            try:
                with self.connect() as connection:
                    connection.execute(ALIVE, (task.id, task.claims))
            except psycopg.Error as error:
                logging.warning("task=%s heart missed a beat: %s", task.id, " ".join(str(error).split()))
