import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from worker_service.environment import Environment

# The row is locked where it is chosen, inside the UPDATE: there is nothing between the look and the claim.
CLAIM = """
    UPDATE tasks SET status = 'processing', assigned_worker = %(me)s, updated_at = now()
    WHERE id = (SELECT id FROM tasks WHERE status = 'pending'
                ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, title, type, payload"""

# Names are unique among the workers that run, and each holds one task at a time: the name is fence enough. A second
# try of a FINISH whose answer was lost finds the status there already.
FINISH = """
    UPDATE tasks SET status = %(status)s, updated_at = now()
    WHERE id = %(id)s AND assigned_worker = %(me)s AND status IN ('processing', %(status)s)
    RETURNING id"""

STILL_HERE = """
    UPDATE tasks SET updated_at = now()
    WHERE id = %(id)s AND assigned_worker = %(me)s AND status = 'processing'"""

GIVE_BACK = """
    UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
    WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %(timeout)s)
    RETURNING id"""

RETRY = 0.3


@dataclass
class Outcome:
    task: Any
    status: str
    seconds: float
    told_at: float


class Poller:
    def __init__(self, environment: Environment, stop: threading.Event) -> None:
        self.env = environment
        self.stop = stop
        self.me = environment.worker_id
        self.connection: psycopg.Connection[Any] | None = None

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                for lost in self.execute(GIVE_BACK, timeout=self.env.stuck_timeout).fetchall():
                    logging.warning("task=%s was silent for too long, it is pending again", lost.id)
                if self.stop.is_set():
                    break
                task = self.execute(CLAIM, me=self.me).fetchone()
            except psycopg.Error as error:
                self.disconnect(error)
                self.stop.wait(RETRY)
                continue
            if task is None:
                logging.info("nothing pending")
                self.stop.wait(self.env.poll_interval)
            else:
                logging.info("task=%s claimed title=%r", task.id, task.title)
                self.store(self.work(task))
        if self.connection:
            self.connection.close()

    def work(self, task: Any) -> Outcome:
        began = time.monotonic()
        status = "completed"
        try:
            if task.type == "email":
                logging.info("task=%s email sent", task.id)
            self.simulate(task, began)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("its payload wants it so")
        except Exception as error:
            logging.warning("task=%s did not work: %s", task.id, error)
            status = "failed"
        now = time.monotonic()
        return Outcome(task, status, now - began, now)

    def simulate(self, task: Any, began: float) -> None:
        """Sleep in slices of a third of the timeout, with a sign of life between them."""
        length = random.uniform(2, 5) if self.env.task_duration is None else self.env.task_duration
        while (left := began + length - time.monotonic()) > 0:
            time.sleep(min(left, self.env.stuck_timeout / 3))
            if left > self.env.stuck_timeout / 3:
                try:
                    self.execute(STILL_HERE, id=task.id, me=self.me)
                except psycopg.Error as error:
                    self.disconnect(error)

    def store(self, outcome: Outcome) -> None:
        """Until the table has it; after a stop request no longer than others leave the task to this worker."""
        task = outcome.task
        while True:
            try:
                mine = self.execute(FINISH, status=outcome.status, id=task.id, me=self.me).fetchone()
            except psycopg.Error as error:
                self.disconnect(error)
                if self.stop.is_set() and time.monotonic() - outcome.told_at > self.env.stuck_timeout:
                    logging.error("task=%s: no way to store its end, others will do it again", task.id)
                    return
                time.sleep(RETRY)
                continue
            if mine:
                logging.info("task=%s %s duration=%.3fs", task.id, outcome.status, outcome.seconds)
            else:
                logging.warning("task=%s belongs to somebody else by now, nothing was changed", task.id)
            return

    def execute(self, statement: str, **values: Any) -> psycopg.Cursor[Any]:
        """One statement, one transaction."""
        if self.connection is None:
            self.connection = psycopg.connect(
                self.env.database_url,
                autocommit=True,
                connect_timeout=3,
                application_name=self.me,
                row_factory=namedtuple_row,
            )
            logging.info("connected")
        return self.connection.execute(statement, values)

    def disconnect(self, error: psycopg.Error) -> None:
        logging.warning("database trouble: %s; next try in %s s", " ".join(str(error).split()), RETRY)
        if self.connection:
            self.connection.close()
            self.connection = None
