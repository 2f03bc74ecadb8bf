"""HTTP to a service in whatever network it listens, with a time for the whole of an answer.

The timeouts of httpx are for each read: whoever sends a byte now and then would keep a client waiting for ever.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from grader.services import Network

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)
"""On the monotonic clock. httpx reads and writes in the thread that asks."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is sent and read inside has to be over after so many seconds, or is timed out."""
    before = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(before)


def _time_left(timeout: float | None) -> float | None:
    """Seconds for one operation, None for any; TimeoutError when there are none left."""
    left = min(math.inf if timeout is None else timeout, _deadline.get() - time.monotonic())
    if left <= 0:
        raise TimeoutError("timed out")
    return None if left == math.inf else left


def transport_in(network: Network, limits: httpx.Limits) -> httpx.HTTPTransport:
    """A transport whose connections are made in this network."""
    transport = httpx.HTTPTransport(trust_env=False, verify=False, limits=limits)
    # httpx has no parameter for what its pool takes.
    transport._pool = httpcore.ConnectionPool(
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=_Backend(network),
    )
    return transport


class _Backend(httpcore.NetworkBackend):
    def __init__(self, network: Network) -> None:
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Connect in the service's network; ``local_address`` and ``socket_options`` are nobody's here."""
        with _speaking(httpcore.ConnectTimeout, httpcore.ConnectError):
            connection = self._network.socket()
            try:
                connection.settimeout(_time_left(timeout))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect((host, port))
            except OSError:
                connection.close()
                raise
            return _Stream(connection)


class _Stream(httpcore.NetworkStream):
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _speaking(httpcore.ReadTimeout, httpcore.ReadError):
            self._connection.settimeout(_time_left(timeout))
            return self._connection.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _speaking(httpcore.WriteTimeout, httpcore.WriteError):
            self._connection.settimeout(_time_left(timeout))
            self._connection.sendall(buffer)

    def close(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # what the pool asks of a connection that it may use again
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            return bool(poll.poll(0))
        return self._connection if info == "socket" else None


@contextmanager
def _speaking(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """The socket's errors in the words of the HTTP library."""
    try:
        yield
    except TimeoutError as problem:
        raise late(str(problem)) from problem
    except OSError as problem:
        raise failed(str(problem)) from problem
