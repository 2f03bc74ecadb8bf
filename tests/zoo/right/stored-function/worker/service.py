import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from worker.halt import Halt


class Ending(NamedTuple):
    task: dict[str, Any]
    status: str
    took: float
    known_since: float


class Service:
    def __init__(
        self, url: str, name: str, poll: timedelta, duration: timedelta | None, timeout: timedelta, halt: Halt
    ) -> None:
        self.url, self.name, self.halt = url, name, halt
        self.poll, self.duration, self.timeout = poll, duration, timeout
        self.ending: Ending | None = None
        self.kinds: dict[str, Callable[[dict[str, Any]], None]] = {"email": self.email}

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(
            self.url, autocommit=True, connect_timeout=3, application_name=self.name, row_factory=dict_row
        )

    def run(self) -> None:
        while self.ending or not self.halt.wanted:
            try:
                with self.connect() as connection:
                    while self.ending or not self.halt.wanted:
                        self.once(connection)
            except psycopg.Error as error:
                logging.warning("the database: %s; again in 0.4 s", " ".join(str(error).split()))
                self.without_database()

    def once(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        if self.ending:
            self.write_ending(connection, self.ending)
            return
        for row in connection.execute("SELECT recover_tasks(%s) AS id", (self.timeout,)):
            logging.warning("task %s was kept by nobody, and is pending again", row["id"])
        if self.halt.wanted:
            return
        task = connection.execute("SELECT * FROM claim_task(%s)", (self.name,)).fetchone()
        if task is None:
            logging.info("no task to be had")
            self.halt.wait(self.poll.total_seconds())
            return
        logging.info("task %s claimed: %s", task["id"], task["title"])
        over = threading.Event()
        keeper = threading.Thread(target=self.keep, args=(task, over), daemon=True)
        keeper.start()
        try:
            self.ending = self.work(task)
            self.write_ending(connection, self.ending)
        finally:
            over.set()
            keeper.join()

    def work(self, task: dict[str, Any]) -> Ending:
        began = time.monotonic()
        status = "completed"
        try:
            if kind := self.kinds.get(task["type"]):
                kind(task)
            time.sleep(random.uniform(2, 5) if self.duration is None else self.duration.total_seconds())
            if isinstance(task["payload"], dict) and task["payload"].get("fail") is True:
                raise RuntimeError("its payload says fail")
        except Exception as error:
            logging.warning("task %s went wrong: %s", task["id"], error)
            status = "failed"
        now = time.monotonic()
        return Ending(task, status, now - began, now)

    def email(self, task: dict[str, Any]) -> None:
        logging.info("task %s: email is out", task["id"])

    def write_ending(self, connection: psycopg.Connection[dict[str, Any]], ending: Ending) -> None:
        values = (ending.task["id"], ending.task["ticket"], ending.status)
        answer = connection.execute("SELECT end_task(%s, %s, %s) AS good", values).fetchone()
        if answer and answer["good"]:
            logging.info("task %s %s, took %.3f s", ending.task["id"], ending.status, ending.took)
        else:
            logging.warning("task %s: the ticket is no good any more", ending.task["id"])
        self.ending = None

    def keep(self, task: dict[str, Any], over: threading.Event) -> None:
        pause = self.timeout.total_seconds() / 4
        while not over.wait(pause):
            try:
                with self.connect() as connection:
                    kept = {"good": True}
                    while kept["good"] and not over.is_set():
                        kept = connection.execute(
                            "SELECT keep_task(%s, %s) AS good", (task["id"], task["ticket"])
                        ).fetchone() or {"good": False}
                        over.wait(pause)
                return
            except psycopg.Error as error:
                logging.warning("task %s could not be kept: %s", task["id"], " ".join(str(error).split()))

    def without_database(self) -> None:
        if self.ending is None:
            self.halt.wait(0.4)
        elif self.halt.wanted and time.monotonic() - self.ending.known_since > self.timeout.total_seconds():
            logging.error("task %s: its ending is lost, and the task will be recovered", self.ending.task["id"])
            self.ending = None
        else:
            time.sleep(0.4)
