"""``python -m taskboard.worker``: the worker-service, on Django's ORM.

SIGTERM and SIGINT are blocked in all threads, from the first line on. One thread waits for them and does nothing else,
so no code is ever interrupted by a handler.
"""

import signal

STOPS = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)

import logging  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import socket  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from datetime import timedelta  # noqa: E402

from django.db import Error, connection, transaction  # noqa: E402
from django.db.models.functions import Now  # noqa: E402

from taskboard import environment  # noqa: E402
from taskboard.setup import configure  # noqa: E402

log = logging.getLogger("worker")


class Worker:
    def __init__(self, name: str, poll: float, work: float | None, stuck: float) -> None:
        self.name, self.poll, self.work, self.stuck = name, poll, work, stuck
        self.stop = threading.Event()
        self.pause = 0.2

    def run(self) -> None:
        watcher = threading.Thread(target=self.watch, name="signals", daemon=True)
        watcher.start()
        while not self.stop.is_set():
            try:
                task = self.next_task()
            except Error as error:
                self.lost(error)
                self.stop.wait(self.pause)
                continue
            self.pause = 0.2
            if task is not None:
                self.handle(task)
            elif not self.stop.is_set():
                log.info("nothing to do")
                self.stop.wait(self.poll)
        watcher.join()
        connection.close()

    def watch(self) -> None:
        number = signal.sigwait(STOPS)
        log.info("%s: shutdown begins", signal.Signals(number).name)
        self.stop.set()

    def lost(self, error: Error) -> None:
        log.warning("database: %s", " ".join(str(error).split()))
        connection.close()
        self.pause = min(2 * self.pause, 3.0)

    def next_task(self) -> "Task | None":
        connection.ensure_connection()
        self.rescue()
        if self.stop.is_set():
            return None
        with transaction.atomic():
            waiting = Task.present.select_for_update(skip_locked=True).filter(status=Task.Status.PENDING)
            task = waiting.order_by("created_at", "pk").first()
            if task is not None:
                task.status, task.assigned_worker = Task.Status.PROCESSING, self.name
                task.claim_number += 1
                task.updated_at = Now()
                task.save(update_fields=["status", "assigned_worker", "claim_number", "updated_at"])
        if task is not None:
            log.info("claimed task %d: %s", task.pk, task.title)
        return task

    def rescue(self) -> None:
        silent = Task.present.filter(
            status=Task.Status.PROCESSING, updated_at__lt=Now() - timedelta(seconds=self.stuck)
        )
        with transaction.atomic():
            found = list(silent.select_for_update(skip_locked=True).values_list("pk", flat=True))
            if found:
                Task.present.filter(pk__in=found).update(
                    status=Task.Status.PENDING, assigned_worker=None, updated_at=Now()
                )
        for key in found:
            log.warning("task %d waits again: nobody was heard of", key)

    # ------------------------------------------------------------ the task in hand

    def handle(self, task: "Task") -> None:
        done = threading.Event()
        beats = threading.Thread(target=self.beat, args=(task, done), name="beats", daemon=True)
        beats.start()
        began = time.monotonic()
        try:
            perform(task, self.work)
            status = Task.Status.COMPLETED
        except Exception as error:
            log.warning("task %d failed: %s", task.pk, error)
            status = Task.Status.FAILED
        self.record(task, status, time.monotonic() - began)
        done.set()
        beats.join()

    def record(self, task: "Task", status: str, took: float) -> None:
        asked = None
        while asked is None or time.monotonic() - asked < 8:
            if asked is None and self.stop.is_set():
                asked = time.monotonic()
            try:
                mine = Task.present.filter(
                    pk=task.pk, claim_number=task.claim_number, status__in=[Task.Status.PROCESSING, status]
                )
                changed = mine.update(status=status, updated_at=Now())
            except Error as error:
                self.lost(error)
                time.sleep(min(self.pause, 1.0))
                continue
            if changed:
                log.info("task %d is %s, took %.2fs", task.pk, status, took)
            else:
                log.warning("task %d is not mine any more", task.pk)
            return
        log.error("task %d is left to others: there is no database", task.pk)

    def beat(self, task: "Task", done: threading.Event) -> None:
        mine = Task.present.filter(pk=task.pk, claim_number=task.claim_number, status=Task.Status.PROCESSING)
        while not done.wait(self.stuck / 5):
            try:
                mine.update(updated_at=Now())
            except Error as error:
                log.warning("no sign of life for task %d: %s", task.pk, " ".join(str(error).split()))
                connection.close()
        connection.close()  # each thread has one of its own


def perform(task: "Task", seconds: float | None) -> None:
    PREPARE.get(task.type, lambda _task: None)(task)
    time.sleep(random.uniform(2, 5) if seconds is None else seconds)
    if task.payload.get("fail") is True:
        raise RuntimeError("as its payload asks for")


def write_mail(task: "Task") -> None:
    log.info("a letter leaves for task %d", task.pk)


PREPARE = {"email": write_mail}

if __name__ == "__main__":
    logging.basicConfig(level=environment.log_level(), format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("django").setLevel(logging.WARNING)
    worker = Worker(
        environment.text("WORKER_ID", f"{socket.gethostname()}:{os.getpid()}"),
        environment.seconds("WORKER_POLL_INTERVAL", "5"),
        environment.seconds("WORKER_TASK_DURATION", None, positive=False),
        environment.seconds("WORKER_STUCK_TIMEOUT", "300"),
    )
    configure()
    from taskboard.models import Task

    log.info("worker %s is here and looks every %g s", worker.name, worker.poll)
    worker.run()
    log.info("shutdown complete")
