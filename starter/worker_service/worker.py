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

    # TODO 3a part 3: Hear SIGTERM and SIGINT.
    def wait(self, seconds: float | None) -> bool:
        """Wait until a signal comes, at most so long; whether one has come."""
        # TODO 3a part 3: Wait with two ends.
        raise NotImplementedError("3a part 3: wait")


# TODO beyond the lab: What if the work is done, and the database out of reach?


class Worker:
    """Claims tasks and works on them, one at a time, until it is asked to stop."""

    def __init__(self, settings: Settings, stop: StopRequest) -> None:
        self._settings = settings
        self._stop = stop
        # TODO 3a part 1: What else has a worker to keep in mind?

    def run(self) -> None:
        """Work until asked to stop; come through times in which the database is out of reach."""
        # TODO 3a part 1: Connect, and poll. Decide what to do without a database; part 3: end well.
        raise NotImplementedError("3a part 1: run")

    def _poll(self, connection: psycopg.Connection) -> None:
        """Rounds of recovery, claim and work, or of waiting if there is nothing to do."""
        # TODO 3a part 2: Claim, work, record the end; or wait, if there was nothing to claim.
        #      Part 3: look at the stop request where it is safe to stop. Part 4: log what happens.
        #      3b part 3: somebody has to call queue.recover.
        raise NotImplementedError("3a part 2: poll")

    # TODO 3a part 2: What the loop is made of. What if the work fails?


@contextmanager
def heartbeat(settings: Settings, task: Task) -> Iterator[None]:
    """Shows, while the block runs, that the task is in live hands; a stop request does not end that."""
    # TODO beyond the lab: Let queue.beat be called a few times per timeout, beside the work.
    yield


# TODO beyond the lab: ... by whom?
def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
