"""All relays of a run, on one event loop in one thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from grader.errors import Internal
from grader.history.recorder import Recorder
from grader.wire.address import ServerAddress
from grader.wire.gate import Bell, Gate
from grader.wire.relay import Relay

T = TypeVar("T")

_PATIENCE: Final = 30.0
"""Seconds that a thread waits for the event loop before it takes it for dead."""


class Wire:
    """The event loop and its thread, as a context manager: leaving it closes every relay and ends the thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name="wire", daemon=True)
        self._relays: list[Relay] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._end(), _PATIENCE)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)

    def open_relay(
        self,
        *,
        service: str,
        server: ServerAddress,
        recorder: Recorder,
        bell: Bell | None = None,
        make_socket: Callable[[], socket.socket] | None = None,
    ) -> Relay:
        """A relay for one service, accepting connections. ``bell`` is rung when something changes at its gate.

        ``make_socket`` makes TCP sockets in the service's network (None: the machine's).

        Raises EnvironmentFailed when there is no free port.
        """
        relay = Relay(self, service, server, recorder, Gate(bell), self._numbers, make_socket)
        try:
            relay.accept()
        except BaseException:
            relay.close()
            raise
        self._relays.append(relay)
        return relay

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """The result of a coroutine that runs on the loop, where gates may be used.

        Raises what the coroutine raises; TimeoutError, after cancelling it, when ``timeout`` seconds are over.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise Internal("Wire.run was called on the wire's own thread, which would wait for itself")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """The result of a quick function that runs on the loop."""
        if threading.current_thread() is self._thread:
            return function()

        async def body() -> T:
            return function()

        return self.run(body(), _PATIENCE)

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end(self) -> None:
        for relay in self._relays:
            relay.shut()
        others = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Transports that were aborted tell of it, and close their sockets, in the loop's next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
