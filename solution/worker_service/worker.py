"""The loop of a worker, when it stops, and how it shows that it lives."""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Literal

import psycopg

from worker_service import queue
from worker_service.config import Settings
from worker_service.work import Task, work_on

log = logging.getLogger("worker_service")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two attempts to reach the database; each pause is twice the one before."""

LAST_TRIES = 9.0
"""Seconds in which a worker that was told to stop has recorded its result, or leaves it to recovery. It may take ten."""

BEATS = 4
"""Signs of life per timeout: a late one, even two, cost nothing."""


class StopRequest:
    """Whether SIGTERM or SIGINT has come, and a wait that ends when it does. Made before the first connection."""

    # lab 3a part 3: Hear SIGTERM and SIGINT.
    # When a signal comes, Python itself writes a byte into this pipe. Nobody ever reads it, so from then on every
    # wait ends at once. Setting a threading.Event in the handler would not do: the handler may interrupt the very
    # wait() that holds the event's lock, and would then wait for that lock for ever.
    def __init__(self) -> None:
        self._heard, signalled = os.pipe()
        os.set_blocking(signalled, False)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    # lab end
    def wait(self, seconds: float | None) -> bool:
        """Wait until a signal comes, at most so long; whether one has come."""
        # lab 3a part 3: Wait with two ends.
        return bool(select.select([self._heard], [], [], seconds)[0])
        # lab end: raise NotImplementedError("3a part 3: wait")


# lab beyond the lab: What if the work is done, and the database out of reach?
@dataclass(frozen=True, slots=True)
class Result:
    """How work ended, as long as the table does not say so. ``ended`` is a time of the monotonic clock."""

    task: Task
    status: Literal["completed", "failed"]
    seconds: float
    ended: float


# lab end


class Worker:
    """Claims tasks and works on them, one at a time, until it is asked to stop."""

    def __init__(self, settings: Settings, stop: StopRequest) -> None:
        self._settings = settings
        self._stop = stop
        # lab 3a part 1: What else has a worker to keep in mind?
        self._result: Result | None = None
        self._pause = SHORTEST_PAUSE
        self._rested_at = 0.0
        # lab end

    def run(self) -> None:
        """Work until asked to stop; come through times in which the database is out of reach."""
        # lab 3a part 1: Connect, and poll. Decide what to do without a database; part 3: end well.
        announcer = threading.Thread(target=self._announce_stop, daemon=True)
        announcer.start()
        while self._result or not self._stop.wait(0):
            try:
                with closing(queue.connect(self._settings.database_url, self._settings.worker_id)) as connection:
                    log.info("connected to the database %s", connection.info.dbname)
                    self._poll(connection)
            except psycopg.Error as error:
                log.warning("database: %s; next try in %s s", _one_line(error), self._pause)
                self._rest()
        announcer.join()
        # lab end: raise NotImplementedError("3a part 1: run")

    def _poll(self, connection: psycopg.Connection) -> None:
        """Rounds of recovery, claim and work, or of waiting if there is nothing to do."""
        # lab 3a part 2: Claim, work, record the end; or wait, if there was nothing to claim.
        # lab: Part 3: look at the stop request where it is safe to stop. Part 4: log what happens.
        # lab: 3b part 3: somebody has to call queue.recover.
        self._record_result(connection)
        while True:
            for task_id in queue.recover(connection, self._settings.stuck_timeout):
                log.warning("recovered task=%s: its worker was silent for too long", task_id)
            self._pause = SHORTEST_PAUSE
            if self._stop.wait(0):
                return
            # From here until its end is recorded, nobody looks whether to stop: what is claimed gets done.
            task = queue.claim(connection, self._settings.worker_id)
            if task is None:
                log.info("no pending tasks")
                self._stop.wait(self._settings.poll_interval)
            else:
                log.info("claimed task=%s title=%r", task.id, task.title)
                with heartbeat(self._settings, task):
                    self._result = self._work(task)
                    self._record_result(connection)
        # lab end: raise NotImplementedError("3a part 2: poll")

    # lab 3a part 2: What the loop is made of. What if the work fails?
    def _work(self, task: Task) -> Result:
        status: Literal["completed", "failed"] = "completed"
        started = time.monotonic()
        try:
            work_on(task, self._settings.task_duration)
        except Exception as error:
            log.warning("work on task=%s failed: %s: %s", task.id, type(error).__name__, _one_line(error))
            status = "failed"
        ended = time.monotonic()
        return Result(task, status, ended - started, ended)

    def _record_result(self, connection: psycopg.Connection) -> None:
        """Writes the result, if there is one. If that raises, it is kept, for the next connection."""
        if self._result is None:
            return
        task, result = self._result.task, self._result
        if queue.finish(connection, task, result.status):
            log.info("%s task=%s after %.2f s", result.status, task.id, result.seconds)
        else:
            log.warning("task=%s was taken over or deleted meanwhile; left as it is", task.id)
        self._result = None

    def _rest(self) -> None:
        """The pause before the next attempt to connect; a stop ends it. Then a result is kept for a while, no more."""
        next_try_ends = time.monotonic() + self._pause + queue.CONNECT_TIMEOUT
        if self._result is None or not self._stop.wait(0):
            self._stop.wait(self._pause)
            self._rested_at = time.monotonic()
        elif next_try_ends > max(self._result.ended, self._rested_at) + LAST_TRIES:
            log.error("result of task=%s not recorded; another worker will recover the task", self._result.task.id)
            self._result = None
        else:
            time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _announce_stop(self) -> None:
        """Says at once that the shutdown has begun, in a thread of its own: the main thread may be at work."""
        self._stop.wait(None)
        log.info("shutdown begun: no more claims, the task in hand is finished first")

    # lab end


@contextmanager
def heartbeat(settings: Settings, task: Task) -> Iterator[None]:
    """Shows, while the block runs, that the task is in live hands; a stop request does not end that."""
    # lab beyond the lab: Let queue.beat be called a few times per timeout, beside the work.
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(settings, task, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    # lab end: yield


# lab beyond the lab: ... by whom?
def _beat(settings: Settings, task: Task, done: threading.Event) -> None:
    """Connects when the first sign of life is due: most tasks are done by then."""
    pause = settings.stuck_timeout / BEATS
    while not done.wait(pause):
        try:
            with closing(queue.connect(settings.database_url, settings.worker_id)) as connection:
                while queue.beat(connection, task):
                    if done.wait(pause):
                        return
            return  # the task is not ours any more; queue.finish will find the same
        except psycopg.Error as error:
            log.warning("no sign of life for task=%s: %s", task.id, _one_line(error))


# lab end
def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
