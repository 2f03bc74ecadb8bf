import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from worker_service.config import Config
from worker_service.queue import Queue, Task

log = logging.getLogger("worker")

Handler = Callable[[Task], Awaitable[None]]
TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def do_nothing(task: Task) -> None:
    log.debug("task %s: nothing special", task.id)


async def send_email(task: Task) -> None:
    log.info("task %s: e-mail sent", task.id)


HANDLERS: dict[str, Handler] = {"email": send_email}


class Worker:
    def __init__(self, config: Config, stop: asyncio.Event) -> None:
        self.config = config
        self.stop = stop

    async def run(self) -> None:
        # The pool connects when somebody asks it for a connection, and again when one was lost.
        async with asyncpg.create_pool(
            self.config.dsn,
            min_size=0,
            max_size=2,
            timeout=3,
            server_settings={"application_name": self.config.worker_id},
        ) as pool:
            queue = Queue(pool, self.config.worker_id, self.config.lease)
            while not self.stop.is_set():
                try:
                    for lost in await queue.expire():
                        log.warning("task %s: the lease ended, back to pending", lost)
                    if self.stop.is_set():
                        break
                    task = await queue.claim()
                except TROUBLE as error:
                    await self.complain(error)
                    continue
                if task is None:
                    log.info("no task found")
                    await self.pause(self.config.poll_interval)
                else:
                    log.info("task %s: claimed, %r", task.id, task.title)
                    await self.process(queue, task)

    async def process(self, queue: Queue, task: Task) -> None:
        done = asyncio.Event()
        renewing = asyncio.create_task(self.keep_lease(queue, task, done))
        try:
            began = time.monotonic()
            status = await self.work(task)
            took = time.monotonic() - began
            await self.record(queue, task, status, took)
        finally:
            done.set()
            await renewing

    async def work(self, task: Task) -> str:
        try:
            await HANDLERS.get(task.type, do_nothing)(task)
            await asyncio.sleep(random.uniform(2, 5) if self.config.duration is None else self.config.duration)
            if isinstance(task.payload, dict) and task.payload.get("fail") is True:
                raise RuntimeError("asked to fail by its payload")
        except Exception as error:
            log.warning("task %s: failed, %s", task.id, error)
            return "failed"
        return "completed"

    async def record(self, queue: Queue, task: Task, status: str, took: float) -> None:
        """Try until the result is in the table; after a stop request no longer than a lease lasts."""
        since = time.monotonic()
        while True:
            try:
                if await queue.finish(task, status):
                    log.info("task %s: %s in %.3f s", task.id, status, took)
                else:
                    log.warning("task %s: no longer ours, its result is dropped", task.id)
                return
            except TROUBLE as error:
                if self.stop.is_set() and time.monotonic() - since > self.config.lease:
                    log.error("task %s: its result could not be stored, the lease will end", task.id)
                    return
                await self.complain(error, task)

    async def keep_lease(self, queue: Queue, task: Task, done: asyncio.Event) -> None:
        """Renews the lease four times in its length. Nothing here is cancelled: a statement is never cut short."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self.config.lease / 4)
            if done.is_set():
                return
            try:
                if not await queue.renew(task):
                    return
            except TROUBLE as error:
                log.warning("task %s: lease not renewed, %s", task.id, name_of(error))

    async def complain(self, error: Exception, task: Task | None = None) -> None:
        log.warning("no database (%s), next attempt in 0.5 s", name_of(error))
        if task is None:
            await self.pause(0.5)
        else:
            await asyncio.sleep(0.5)

    async def pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def name_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
