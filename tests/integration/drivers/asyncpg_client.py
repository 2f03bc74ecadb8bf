"""The acts with asyncpg: binary values, Flush without Sync, fetches that end suspended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import acts
import asyncpg


class AsyncPg:
    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection: Any = self.do(asyncpg.connect(url))

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def ask(self, sql: str, *parameters: object) -> list[Any]:
        return [list(row) for row in await self.connection.fetch(sql, *parameters)]

    def select(self) -> Any:
        return self.do(self.connection.fetchval(acts.SELECT))

    def write(self) -> Any:
        return self.do(self.ask(acts.INSERT))

    def commit(self) -> Any:
        async def act() -> None:
            async with self.connection.transaction():
                await self.connection.execute(acts.INSERT)
                await self.ask(acts.UPDATE)

        return self.do(act())

    def rollback(self) -> Any:
        async def act() -> None:
            transaction = self.connection.transaction()
            await transaction.start()
            await self.ask(acts.INSERT)
            await transaction.rollback()

        return self.do(act())

    def error(self) -> Any:
        try:
            self.do(self.ask(acts.FAIL))
        except asyncpg.PostgresError as problem:
            return [problem.sqlstate, self.do(self.ask(acts.SELECT))]

    def failed(self) -> Any:
        async def act() -> None:
            async with self.connection.transaction():
                await self.ask(acts.INSERT)
                await self.ask(acts.FAIL)

        try:
            self.do(act())
        except asyncpg.PostgresError as problem:
            return problem.sqlstate

    def parameters(self) -> Any:
        return self.do(self.ask("SELECT $1::int, $2::text, $3::text AS wire", 7, None, "żółw"))

    def large(self) -> Any:
        text = self.do(self.ask("/* wire */ SELECT $1::text", "ż" * (acts.LARGE // 2)))[0][0]
        return [len(text), text == "ż" * (acts.LARGE // 2)]

    def rows(self) -> Any:
        found = self.do(self.ask(acts.MANY))
        return [len(found), found[-1]]

    def notify(self) -> Any:
        async def act() -> Any:
            heard = self.loop.create_future()
            await self.connection.add_listener("wire_channel", lambda *said: heard.set_result(said[3]))
            await self.connection.execute(acts.NOTIFY)
            return await asyncio.wait_for(heard, 10)

        return self.do(act())

    def prepared(self) -> Any:
        async def act() -> Any:
            statement = await self.connection.prepare("SELECT $1::int + 1 AS wire")
            return [await statement.fetchval(number) for number in range(7)]

        return self.do(act())

    def close(self) -> None:
        self.do(self.connection.close())
        self.loop.close()


def connect(url: str, flavour: str) -> AsyncPg:
    return AsyncPg(url)


if __name__ == "__main__":
    acts.main(connect)
