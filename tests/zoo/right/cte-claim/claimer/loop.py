import logging
import random
import sys
import threading
import time
from typing import Any

import psycopg2

from claimer.book import Book, Task
from claimer.options import Options

PAUSE = 0.4


def note(event: str, level: int = logging.INFO, **fields: object) -> None:
    logging.log(level, "event=%s %s", event, " ".join(f"{name}={value!r}" for name, value in fields.items()))


class Loop:
    def __init__(self, options: Options, shutdown: Any) -> None:
        self.options, self.shutdown = options, shutdown
        self.book = Book(options.url, options.worker)
        logging.basicConfig(
            stream=sys.stdout, level=options.level, format="%(asctime)s level=%(levelname)s %(message)s"
        )
        note("started", worker=options.worker, poll_interval=options.poll)

    def run(self) -> None:
        while not self.shutdown.asked:
            try:
                for task_id in self.book.expire(self.options.timeout):
                    note("expired", logging.WARNING, task=task_id)
                task = None if self.shutdown.asked else self.book.claim()
            except psycopg2.Error as error:
                note("no_database", logging.WARNING, error=" ".join(str(error).split()), next_try_in=PAUSE)
                self.shutdown.wait(PAUSE)
                continue
            if task:
                note("claimed", task=task.id, title=task.title, claim=task.claim)
                self.process(task)
            elif not self.shutdown.asked:
                note("nothing_found")
                self.shutdown.wait(self.options.poll)
        self.book.close()
        note("shutdown_complete")

    def process(self, task: Task) -> None:
        over = threading.Event()
        heart = threading.Thread(target=self.beat, args=(task, over), daemon=True)
        heart.start()
        began = time.monotonic()
        outcome = "completed"
        try:
            self.work(task)
        except Exception as error:
            outcome = "failed"
            note("work_failed", logging.WARNING, task=task.id, error=str(error))
        ended = time.monotonic()
        self.store(task, outcome, ended - began, ended)
        over.set()
        heart.join()

    def work(self, task: Task) -> None:
        {"email": self.email}.get(task.type, lambda _: None)(task)
        self.shutdown.sleep(random.uniform(2, 5) if self.options.work is None else self.options.work)
        if isinstance(task.payload, dict) and task.payload.get("fail") is True:
            raise ValueError("payload.fail is set")

    def email(self, task: Task) -> None:
        note("email_sent", task=task.id)

    def store(self, task: Task, outcome: str, seconds: float, ended: float) -> None:
        while True:
            try:
                if self.book.finish(task, outcome):
                    note(outcome, task=task.id, seconds=round(seconds, 3))
                else:
                    note("claim_expired", logging.WARNING, task=task.id)
                return
            except psycopg2.Error as error:
                note("not_stored", logging.WARNING, task=task.id, error=" ".join(str(error).split()))
            if self.shutdown.asked and time.monotonic() - ended > self.options.timeout:
                note("given_up", logging.ERROR, task=task.id)
                return
            self.shutdown.sleep(PAUSE)

    def beat(self, task: Task, over: threading.Event) -> None:
        """With a book of its own: the main thread may be in the middle of a statement."""
        book = Book(self.options.url, self.options.worker)
        alive = True
        while alive and not over.wait(self.options.timeout / 4):
            try:
                alive = book.beat(task)
            except psycopg2.Error as error:
                note("no_heartbeat", logging.WARNING, task=task.id, error=" ".join(str(error).split()))
        book.close()
