"""Poll, claim, work, complete: all of one task in a single transaction.

Until its end nobody but this worker sees that the task is ``processing``: for all others it is ``pending`` and
locked. When the worker dies, or its connection does, the server rolls everything back, and the task is free again.
"""

import logging
import random
import time
from typing import Any

import psycopg
from psycopg.rows import dict_row

from worker_service.settings import Settings
from worker_service.stop import Stop

CLAIM = """
UPDATE tasks SET status = 'processing', assigned_worker = %s, updated_at = clock_timestamp()
WHERE id = (SELECT id FROM tasks WHERE status = 'pending' ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, title, type, payload"""

# now() is the time at which the transaction began, before the work.
FINISH = "UPDATE tasks SET status = %s, updated_at = clock_timestamp() WHERE id = %s"

# This worker leaves nothing in processing. But a row may have come to that by another way, such as a worker of an
# earlier version; rows that are locked are in somebody's hands.
GIVE_BACK = """
UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = clock_timestamp()
WHERE id IN (SELECT id FROM tasks
             WHERE status = 'processing' AND updated_at < now() - %s * interval '1 second'
             FOR UPDATE SKIP LOCKED)
RETURNING id"""

Task = dict[str, Any]


class WorkFailed(Exception):
    pass


class Worker:
    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop

    def run(self) -> None:
        pause = 0.25
        while not self.stop.asked():
            try:
                with psycopg.connect(
                    self.settings.database_url,
                    row_factory=dict_row,
                    connect_timeout=3,
                    application_name=self.settings.worker_id,
                ) as connection:
                    logging.info("connected")
                    pause = 0.25
                    while not self.stop.asked():
                        self.round(connection)
            except psycopg.Error as error:
                logging.warning("database trouble, trying again in %s s: %s", pause, " ".join(str(error).split()))
                self.stop.wait(pause)
                pause = min(pause * 2, 2.0)

    def round(self, connection: psycopg.Connection[Task]) -> None:
        with connection.transaction():
            for row in connection.execute(GIVE_BACK, (self.settings.stuck_timeout,)).fetchall():
                logging.warning("task id=%s had been in processing for too long, it is pending again", row["id"])
        if self.stop.asked():
            return
        with connection.transaction():
            task = connection.execute(CLAIM, (self.settings.worker_id,)).fetchone()
            if task is not None:
                logging.info("claimed task id=%s title=%r", task["id"], task["title"])
                began = time.monotonic()
                status = self.outcome(task)
                connection.execute(FINISH, (status, task["id"]))
        if task is None:
            logging.info("nothing to do")
            self.stop.wait(self.settings.poll_interval)
        else:  # the transaction is committed
            logging.info("task id=%s is %s, it took %.2f s", task["id"], status, time.monotonic() - began)

    def outcome(self, task: Task) -> str:
        try:
            WORK.get(task["type"], plain)(task)
            duration = self.settings.task_duration
            time.sleep(random.uniform(2, 5) if duration is None else duration)
            if isinstance(task["payload"], dict) and task["payload"].get("fail") is True:
                raise WorkFailed("the payload asks for it")
        except Exception as error:
            logging.warning("the work on task id=%s failed: %s", task["id"], error)
            return "failed"
        return "completed"


def plain(task: Task) -> None:
    pass


def email(task: Task) -> None:
    logging.info("mail goes out for task id=%s", task["id"])


WORK = {"default": plain, "email": email}
