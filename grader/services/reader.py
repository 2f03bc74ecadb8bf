"""One thread with an event loop, for the pipes and exits of any number of services."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from grader.errors import Internal

_CALL_TIMEOUT = 30.0


class Reader:
    """A thread that calls back when a descriptor can be read. Callbacks are short and never block.

    A callback that raises is a bug of ours: the first one is raised again, as Internal, when the reader is left.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._remember)
        self._thread = threading.Thread(target=self._loop.run_forever, name="service reader", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._failure is not None:
            raise Internal(f"a callback of the service reader failed: {self._failure!r}") from self._failure

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Call ``readable`` in the reader's thread whenever ``descriptor`` can be read. From any thread."""
        self._loop.call_soon_threadsafe(self._loop.add_reader, descriptor, readable)

    def resume(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Like ``watch``, at once. In the reader's thread."""
        self._loop.add_reader(descriptor, readable)

    def forget(self, descriptor: int) -> None:
        """Stop watching; nothing when it is not watched. In the reader's thread."""
        self._loop.remove_reader(descriptor)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call ``action`` in a while. In the reader's thread."""
        self._loop.call_later(seconds, action)

    def call(self, action: Callable[[], None]) -> None:
        """Call ``action`` in the reader's thread and wait until it is done. From any other thread."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                action()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        done.result(_CALL_TIMEOUT)

    def _remember(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if self._failure is None:
            self._failure = context.get("exception") or RuntimeError(context["message"])
