"""The connections of the api-service: a few, opened when they are needed, and shared by all requests."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Self

import psycopg
from psycopg.rows import DictRow, dict_row

CONNECTIONS = 10
WAIT_FOR_CONNECTION = 10.0
"""Seconds that a request waits until another one gives its connection back."""

CONNECT_TIMEOUT = 3

Connection = psycopg.Connection[DictRow]


class Database:
    """A pool. Every statement on its connections is a transaction of its own, committed when it returns."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._places: LifoQueue[Connection | None] = LifoQueue()
        for _ in range(CONNECTIONS):
            self._places.put(None)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for one request. Raises OperationalError when there is none to be had."""
        try:
            connection = self._places.get(timeout=WAIT_FOR_CONNECTION)
        except Empty:
            raise psycopg.OperationalError("all connections are busy") from None
        try:
            if connection is None or _has_ended(connection):
                connection = None
                connection = psycopg.connect(
                    self.url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT
                )
            yield connection
        finally:
            self._places.put(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while not self._places.empty():
            connection = self._places.get()
            if connection is not None:
                connection.close()


def _has_ended(connection: Connection) -> bool:
    """Whether the server closed it: it then had something to say while nobody had asked."""
    return connection.closed or bool(select.select([connection], [], [], 0)[0])
