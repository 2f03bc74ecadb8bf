import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg

from worker import transactions
from worker.options import Options
from worker.signals import Shutdown
from worker.transactions import Claimed, again_until_committed

RETRY_AFTER = 0.4


@dataclass(frozen=True)
class Result:
    """Kept until the table has it. ``ended`` is monotonic."""

    task: Claimed
    status: str
    seconds: float
    ended: float


class MainLoop:
    def __init__(self, options: Options, shutdown: Shutdown) -> None:
        self.options = options
        self.shutdown = shutdown
        self.announced = False
        self.unstored: Result | None = None
        self.handlers: dict[str, Callable[[Claimed], None]] = {"email": self.email}

    def run(self) -> None:
        while self.unstored or not self.stopping():
            connection = None
            try:
                connection = transactions.connect(self.options.database_url, self.options.worker_id)
                logging.info("connected")
                self.store(connection)
                while not self.stopping():
                    self.one_round(connection)
            except psycopg.Error as error:
                logging.warning("database not available: %s; trying again", str(error).replace("\n", " "))
                self.between_attempts()
            finally:
                if connection is not None:
                    connection.close()

    def stopping(self) -> bool:
        if self.shutdown.requested():
            self.announce()
            return True
        return False

    def announce(self) -> None:
        if not self.announced:
            logging.info("shutdown begun")
        self.announced = True

    def between_attempts(self) -> None:
        if self.unstored is None:
            self.shutdown.wait(RETRY_AFTER)
            return
        time.sleep(RETRY_AFTER)
        if self.stopping() and time.monotonic() > self.unstored.ended + self.options.stuck_timeout:
            logging.error("task_id=%s result lost, the task will be given back", self.unstored.task.id)
            self.unstored = None

    def one_round(self, connection: psycopg.Connection) -> None:
        give_back = partial(transactions.give_back_abandoned, timeout=self.options.stuck_timeout)
        for task_id in again_until_committed(connection, give_back):
            logging.warning("task_id=%s was abandoned, given back", task_id)
        if self.stopping():
            return
        claim = partial(transactions.claim_oldest, worker_id=self.options.worker_id)
        task = again_until_committed(connection, claim)
        if task is None:
            logging.info("no task is pending")
            self.shutdown.wait(self.options.poll_interval)
            return
        logging.info("task_id=%s claimed title=%r", task.id, task.title)
        with Heart(self.options, task):
            began = time.monotonic()
            status = self.work(task)
            self.unstored = Result(task, status, time.monotonic() - began, time.monotonic())
            self.store(connection)

    def store(self, connection: psycopg.Connection) -> None:
        if self.unstored is None:
            return
        task, status = self.unstored.task, self.unstored.status
        if again_until_committed(connection, partial(transactions.end, task=task, status=status)):
            logging.info("task_id=%s %s duration=%.3f", task.id, status, self.unstored.seconds)
        else:
            logging.warning("task_id=%s is not this worker's any more, result dropped", task.id)
        self.unstored = None

    def work(self, task: Claimed) -> str:
        try:
            if handler := self.handlers.get(task.type):
                handler(task)
            seconds = self.options.task_duration
            self.sleep(random.uniform(2, 5) if seconds is None else seconds)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("payload.fail is true")
        except Exception as error:
            logging.warning("task_id=%s failed: %s", task.id, error)
            return "failed"
        return "completed"

    def sleep(self, seconds: float) -> None:
        """All of it; but a signal is told of when it comes."""
        end = time.monotonic() + seconds
        if self.shutdown.wait(seconds):
            self.announce()
            time.sleep(max(end - time.monotonic(), 0))

    def email(self, task: Claimed) -> None:
        logging.info("task_id=%s email sent", task.id)


class Heart:
    """Beats beside the work, on a connection of its own, which it opens when the first beat is due."""

    def __init__(self, options: Options, task: Claimed) -> None:
        self.options = options
        self.task = task
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def beat(self) -> None:
        connection = None
        while not self.over.wait(self.options.stuck_timeout / 4):
            try:
                if connection is None:
                    connection = transactions.connect(self.options.database_url, self.options.worker_id)
                if not again_until_committed(connection, partial(transactions.show_life, task=self.task)):
                    break
            except psycopg.Error as error:
                logging.warning("task_id=%s no heartbeat: %s", self.task.id, str(error).replace("\n", " "))
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()
