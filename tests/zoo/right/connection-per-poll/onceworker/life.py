import asyncio
import logging
import random
import signal
import time

import psycopg

from onceworker import visits
from onceworker.settings import Settings
from onceworker.visits import Task

log = logging.getLogger("onceworker")
PAUSE = 0.4


async def live(settings: Settings, came_early: list[int]) -> None:
    logging.basicConfig(level=settings.level, format="%(asctime)s %(levelname)s %(message)s")
    log.info("worker %s started, poll interval %s s", settings.worker_id, settings.poll)
    stop = asyncio.Event()

    def begin_shutdown() -> None:
        if not stop.is_set():
            log.info("shutdown begun")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, begin_shutdown)
    if came_early:
        begin_shutdown()
    while not stop.is_set():
        try:
            task = await visits.poll(settings)
        except psycopg.Error as error:
            log.warning("poll failed, again in %s s: %s", PAUSE, in_one_line(error))
            await either(stop, PAUSE)
            continue
        if task is None:
            log.info("nothing to do")
            await either(stop, settings.poll)
        else:
            log.info("task=%s claimed, %r", task.id, task.title)
            await process(settings, task, stop)
    log.info("shutdown complete")
    # When the loop closes, signals get their default effect back. This process has nothing left to be stopped.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


async def process(settings: Settings, task: Task, stop: asyncio.Event) -> None:
    done = asyncio.Event()
    heart = asyncio.create_task(beat(settings, task, done))
    began = time.monotonic()
    try:
        await work(settings, task)
        status = "completed"
    except Exception as error:
        log.warning("task=%s failed: %s", task.id, error)
        status = "failed"
    ended = time.monotonic()
    await report(settings, task, status, ended - began, stop)
    done.set()
    await heart


async def work(settings: Settings, task: Task) -> None:
    if task.type == "email":
        log.info("task=%s is an email, sent", task.id)
    await asyncio.sleep(random.uniform(2, 5) if settings.duration is None else settings.duration)
    match task.payload:
        case {"fail": True}:
            raise RuntimeError("it was told to")


async def report(settings: Settings, task: Task, status: str, seconds: float, stop: asyncio.Event) -> None:
    since = time.monotonic()
    while not stop.is_set() or time.monotonic() - since < settings.timeout:
        try:
            if await visits.finish(settings, task, status):
                log.info("task=%s %s, %.3f s", task.id, status, seconds)
            else:
                log.warning("task=%s went to somebody else, result dropped", task.id)
            return
        except psycopg.Error as error:
            log.warning("task=%s: result not stored yet: %s", task.id, in_one_line(error))
        await asyncio.sleep(PAUSE)
    log.error("task=%s: result never stored", task.id)


async def beat(settings: Settings, task: Task, done: asyncio.Event) -> None:
    while not await either(done, settings.timeout / 4):
        try:
            await visits.beat(settings, task)
        except psycopg.Error as error:
            log.warning("task=%s: no heartbeat: %s", task.id, in_one_line(error))


async def either(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event or until the time is over; whether it was the event."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
