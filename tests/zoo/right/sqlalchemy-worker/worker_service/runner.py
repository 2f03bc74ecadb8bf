import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from worker_service.config import Config
from worker_service.model import Task
from worker_service.tasks import Tasks

log = logging.getLogger(__name__)


class Runner:
    def __init__(self, config: Config, stop: threading.Event) -> None:
        self.config, self.stop = config, stop
        # One connection for the loop, one for the heart. A broken one is replaced when it is next asked for.
        self.engine = create_engine(
            config.url,
            pool_size=2,
            max_overflow=0,
            connect_args={"connect_timeout": 3, "application_name": config.worker_id},
        )
        self.tasks = Tasks(self.engine, config.worker_id)

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                for task_id in self.tasks.recover(self.config.stuck_timeout):
                    log.warning("task=%s recovered, it was silent for too long", task_id)
                task = None if self.stop.is_set() else self.tasks.claim()
            except DBAPIError as error:
                log.warning("no database: %s; trying again in 0.5 s", in_one_line(error))
                self.stop.wait(0.5)
                continue
            if task is not None:
                log.info("task=%s claimed (%s)", task.id, task.title)
                with self.heart(task):
                    self.process(task)
            elif not self.stop.is_set():
                log.info("no pending task")
                self.stop.wait(self.config.poll_interval)
        self.engine.dispose()

    def process(self, task: Task) -> None:
        began = time.monotonic()
        status = "completed"
        try:
            if task.type == "email":
                log.info("task=%s mail delivered", task.id)
            duration = self.config.task_duration
            time.sleep(random.uniform(2, 5) if duration is None else duration)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("payload says so")
        except Exception as error:
            log.warning("task=%s failed: %s", task.id, error)
            status = "failed"
        ended = time.monotonic()
        while not self.stored(task, status, ended - began):
            if self.stop.is_set() and time.monotonic() - ended > self.config.stuck_timeout:
                log.error("task=%s: its result is given up", task.id)
                return
            time.sleep(0.5)

    def stored(self, task: Task, status: str, seconds: float) -> bool:
        """False: try again."""
        try:
            is_ours = self.tasks.finish(task, status)
        except DBAPIError as error:
            log.warning("task=%s: result not stored, %s", task.id, in_one_line(error))
            return False
        if is_ours:
            log.info("task=%s %s in %.2f s", task.id, status, seconds)
        else:
            log.warning("task=%s has another version by now, its result is dropped", task.id)
        return True

    @contextmanager
    def heart(self, task: Task) -> Iterator[None]:
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.config.stuck_timeout / 4):
                try:
                    if not self.tasks.show_life(task):
                        return
                except DBAPIError as error:
                    log.warning("task=%s: no sign of life, %s", task.id, in_one_line(error))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def in_one_line(error: DBAPIError) -> str:
    """What the driver said; SQLAlchemy would add the statement and its values."""
    return " ".join(str(error.orig).split())
