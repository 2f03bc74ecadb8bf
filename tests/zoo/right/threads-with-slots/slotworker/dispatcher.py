import logging
import random
import threading
import time

import psycopg

from slotworker.setup import Setup
from slotworker.store import Store, Task

SLOTS = 4
RETRY = 0.5


class Dispatcher:
    """One thread that claims whenever a slot is free; one for the task in each slot; one that shows life for all."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.store = Store(setup.url, setup.name)
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.in_flight: dict[Task, threading.Thread] = {}
        self.drained = threading.Event()
        self.dispatching = threading.Thread(target=self.dispatch, name="dispatcher", daemon=True)
        self.beating = threading.Thread(target=self.beat, name="heart", daemon=True)

    def start(self) -> None:
        self.dispatching.start()
        self.beating.start()

    def stop(self) -> None:
        with self.changed:
            self.stopping.set()
            self.changed.notify_all()
        self.dispatching.join()
        for thread in list(self.in_flight.values()):
            thread.join()
        self.drained.set()
        self.beating.join()
        self.store.close()

    def dispatch(self) -> None:
        while self.slot_is_free():
            try:
                for task_id in self.store.release_silent(self.setup.timeout):
                    logging.warning("task=%s released, no life was shown for it", task_id)
                task = None if self.stopping.is_set() else self.store.claim()
            except psycopg.Error as error:
                logging.warning("database: %s; trying again in %s s", first_line(error), RETRY)
                self.stopping.wait(RETRY)
                continue
            if task is None:
                logging.info("no task is waiting")
                self.stopping.wait(self.setup.poll)
                continue
            logging.info("task=%s claimed, title=%r", task.id, task.title)
            thread = threading.Thread(target=self.process, args=(task,), name=f"task-{task.id}", daemon=True)
            with self.changed:
                self.in_flight[task] = thread
            thread.start()

    def slot_is_free(self) -> bool:
        """Waits for it; False when the worker is to stop."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.in_flight) < SLOTS or self.stopping.is_set())
        return not self.stopping.is_set()

    def process(self, task: Task) -> None:
        began = time.monotonic()
        status = "completed"
        try:
            self.work(task)
        except Exception as error:
            logging.warning("task=%s failed: %s", task.id, error)
            status = "failed"
        self.record(task, status, time.monotonic() - began)
        with self.changed:
            del self.in_flight[task]
            self.changed.notify_all()

    def work(self, task: Task) -> None:
        if task.type == "email":
            logging.info("task=%s email sent", task.id)
        time.sleep(random.uniform(2, 5) if self.setup.work is None else self.setup.work)
        if isinstance(task.payload, dict) and task.payload.get("fail") is True:
            raise RuntimeError("its payload demands it")

    def record(self, task: Task, status: str, seconds: float) -> None:
        since = time.monotonic()
        while True:
            try:
                if self.store.end(task, status):
                    logging.info("task=%s %s, seconds=%.3f", task.id, status, seconds)
                else:
                    logging.warning("task=%s was begun anew by somebody else, result dropped", task.id)
                return
            except psycopg.Error as error:
                logging.warning("task=%s not recorded: %s", task.id, first_line(error))
            if self.stopping.is_set() and time.monotonic() - since > self.setup.timeout:
                logging.error("task=%s cannot be recorded, given up", task.id)
                return
            time.sleep(RETRY)

    def beat(self) -> None:
        while not self.drained.wait(self.setup.timeout / 4):
            with self.changed:
                tasks = list(self.in_flight)
            try:
                if tasks:
                    self.store.show_life(tasks)
            except psycopg.Error as error:
                logging.warning("no life shown for %s tasks: %s", len(tasks), first_line(error))


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
