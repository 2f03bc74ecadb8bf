"""What a worker does all day. Logs are JSON lines."""

import json
import logging
import random
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg

from taskworker import locks
from taskworker.locks import Connection, Task
from taskworker.setup import Setup
from taskworker.stopping import Stopping, say


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    logging.log(level, "%s", json.dumps({"event": name, **fields})[1:-1])


@dataclass(frozen=True)
class Outcome:
    task: Task
    status: str
    took: float
    since: float


def run(setup: Setup, stopping: Stopping) -> int:
    say(f"taskworker {setup.worker} started, poll interval {setup.poll} s")
    pending: Outcome | None = None
    while pending or not stopping.now:
        try:
            with closing(locks.connect(setup.url, setup.worker)) as connection:
                event("connected")
                while pending or not stopping.now:
                    if pending:
                        conclude(connection, setup, pending)
                        pending = None
                        locks.unlock_all(connection)
                    else:
                        pending = one_task(connection, setup, stopping)
        except psycopg.Error as error:
            event("database", logging.WARNING, error=" ".join(str(error).split()), retry_in=0.5)
            if pending is None:
                stopping.within(0.5)
            elif stopping.now and time.monotonic() - pending.since > setup.timeout:
                event("result_lost", logging.ERROR, task=pending.task.id)
                pending = None
            else:
                time.sleep(0.5)
    stopping.is_over()
    say("shutdown complete")
    return 0


def one_task(connection: Connection, setup: Setup, stopping: Stopping) -> Outcome | None:
    for lost in locks.give_back(connection, setup.timeout):
        event("given_back", logging.WARNING, task=lost)
    if stopping.now:
        return None
    task = locks.claim(connection, setup.worker)
    if task is None:
        event("nothing_found")
        stopping.within(setup.poll)
        return None
    event("claimed", task=task.id, title=task.title)
    began = time.monotonic()
    status = "completed"
    try:
        work(task, setup, stopping)
    except Exception as error:
        event("work_failed", logging.WARNING, task=task.id, error=str(error))
        status = "failed"
    now = time.monotonic()
    return Outcome(task, status, now - began, now)


def work(task: Task, setup: Setup, stopping: Stopping) -> None:
    match task.type:
        case "email":
            event("email_sent", task=task.id)
        case _:
            pass
    stopping.sleep(random.uniform(2, 5) if setup.work is None else setup.work)
    match task.payload:
        case {"fail": True}:
            raise RuntimeError("the payload wants it to fail")


def conclude(connection: Connection, setup: Setup, outcome: Outcome) -> None:
    if locks.finish(connection, setup.worker, outcome.task, outcome.status):
        event(outcome.status, task=outcome.task.id, seconds=round(outcome.took, 3))
    else:
        event("not_ours_any_more", logging.WARNING, task=outcome.task.id)
