import asyncio
import random
import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from jsonworker.config import Config
from jsonworker.events import Events

MOST_FAILURES = 5
FIRST_REST = 2.0  # seconds until the second attempt at work that failed; each rest is twice the one before
RETRY = 0.4

Connection = psycopg.AsyncConnection[DictRow]

OLDEST = """SELECT id, title, type, payload, attempts + 1 AS attempt FROM tasks
            WHERE status = 'pending' AND (due_at IS NULL OR due_at <= now())
            ORDER BY created_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"""
TAKE = """UPDATE tasks SET status = 'processing', assigned_worker = %(worker)s, attempts = %(attempt)s, updated_at = now()
          WHERE id = %(id)s"""
COMPLETE = """UPDATE tasks SET status = 'completed', last_error = NULL, updated_at = now()
              WHERE id = %(id)s AND attempts = %(attempt)s AND status IN ('processing', 'completed')"""
# Done a second time, if the answer was lost, it meets no row: the task is pending or failed by then. No harm is done.
FAIL = """UPDATE tasks SET status = CASE WHEN failures + 1 >= %(most)s THEN 'failed' ELSE 'pending' END,
              failures = failures + 1, due_at = now() + make_interval(secs => %(rest)s * 2 ^ failures),
              last_error = %(error)s, assigned_worker = NULL, updated_at = now()
          WHERE id = %(id)s AND attempts = %(attempt)s AND status = 'processing'
          RETURNING status, failures"""
BEAT = "UPDATE tasks SET updated_at = now() WHERE id = %(id)s AND attempts = %(attempt)s AND status = 'processing'"
RECOVER = """UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
             WHERE id IN (SELECT id FROM tasks
                          WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %s)
                          FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING id, title"""


class Service:
    def __init__(self, config: Config, events: Events, stop: asyncio.Event) -> None:
        self.config, self.events, self.stop = config, events, stop
        self.connection: Connection | None = None
        self.connecting = asyncio.Lock()

    async def run(self) -> None:
        while not self.stop.is_set():
            try:
                task = await self.look(await self.connected())
            except psycopg.Error as error:
                await self.disconnect(error)
                await self.pause(RETRY)
                continue
            if task is not None:
                self.events.info("task_claimed", task_id=task["id"], title=task["title"], attempt=task["attempt"])
                await self.process(task)
            elif not self.stop.is_set():
                self.events.info("poll_empty")
                await self.pause(self.config.poll)
        if self.connection is not None:
            await self.connection.close()

    async def look(self, connection: Connection) -> DictRow | None:
        async for row in await connection.execute(RECOVER, (self.config.timeout,)):
            self.events.warning("task_recovered", task_id=row["id"], title=row["title"])
        if self.stop.is_set():
            return None
        async with connection.transaction():
            task = await (await connection.execute(OLDEST)).fetchone()
            if task is not None:
                await connection.execute(
                    TAKE, {"worker": self.config.worker, "attempt": task["attempt"], "id": task["id"]}
                )
        return task

    async def process(self, task: DictRow) -> None:
        done = asyncio.Event()
        heart = asyncio.create_task(self.beat(task, done))
        began = time.monotonic()
        error: str | None = None
        try:
            await self.work(task)
        except Exception as problem:
            error = str(problem)
        ended = time.monotonic()
        if error is None:
            self.events.info("work_finished", task_id=task["id"], seconds=round(ended - began, 3))
        while not await self.recorded(task, error, ended - began):
            if self.stop.is_set() and time.monotonic() - ended > self.config.timeout:
                self.events.error("result_given_up", task_id=task["id"])
                break
            await asyncio.sleep(RETRY)
        done.set()
        await heart

    async def work(self, task: DictRow) -> None:
        if task["type"] == "email":
            self.events.info("email_sent", task_id=task["id"])
        await asyncio.sleep(random.uniform(2, 5) if self.config.duration is None else self.config.duration)
        if isinstance(task["payload"], dict) and task["payload"].get("fail") is True:
            raise RuntimeError("the payload has fail set")

    async def recorded(self, task: DictRow, error: str | None, seconds: float) -> bool:
        """False: try again."""
        values: dict[str, Any] = {"id": task["id"], "attempt": task["attempt"]}
        try:
            connection = await self.connected()
            if error is None:
                cursor = await connection.execute(COMPLETE, values)
                if cursor.rowcount:
                    self.events.info("task_completed", task_id=task["id"], seconds=round(seconds, 3))
                    return True
            else:
                values |= {"error": error, "most": MOST_FAILURES, "rest": FIRST_REST}
                cursor = await connection.execute(FAIL, values)
                if row := await cursor.fetchone():
                    self.events.warning(
                        "work_failed", task_id=task["id"], error=error, failures=row["failures"], now=row["status"]
                    )
                    return True
        except psycopg.Error as problem:
            await self.disconnect(problem)
            return False
        self.events.warning("task_not_ours", task_id=task["id"], attempt=task["attempt"])
        return True

    async def beat(self, task: DictRow, done: asyncio.Event) -> None:
        """On the connection of the loop, which lies idle while the work goes on."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self.config.timeout / 4)
            if done.is_set():
                return
            try:
                connection = await self.connected()
                await connection.execute(BEAT, {"id": task["id"], "attempt": task["attempt"]})
            except psycopg.Error as error:
                await self.disconnect(error)

    async def connected(self) -> Connection:
        async with self.connecting:
            if self.connection is None or self.connection.closed:
                self.connection = await psycopg.AsyncConnection.connect(
                    self.config.url,
                    autocommit=True,
                    connect_timeout=3,
                    application_name=self.config.worker,
                    row_factory=dict_row,
                )
                self.events.info("connected", database=self.connection.info.dbname)
            return self.connection

    async def disconnect(self, error: psycopg.Error) -> None:
        self.events.warning("database_trouble", error=" ".join(str(error).split()), retry_in_s=RETRY)
        if self.connection is not None:
            await self.connection.close()

    async def pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
