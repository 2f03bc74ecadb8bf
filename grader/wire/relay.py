"""A relay: the address that one service is given for its database, with all its connections."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Literal, Protocol, TypeVar, assert_never

from grader.errors import EnvironmentFailed
from grader.history.recorder import Recorder
from grader.wire.address import ServerAddress
from grader.wire.connection import Connection, ConnectionView
from grader.wire.gate import Gate, Hold, Predicate, Where
from grader.wire.sides import Side

T = TypeVar("T")

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 128

Mode = Literal["accepting", "refusing", "stalled"]


_PATIENCE: Final = 30.0


class Loop(Protocol):
    """How a thread gets something done on the wire's event loop."""

    def call(self, function: Callable[[], T]) -> T:
        """The result of a quick function that runs on the loop."""

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """The result of a coroutine that runs on the loop."""


class Relay:
    """Stands between one service and the server. Its methods may be called from any thread.

    ``host`` and ``port`` are where the service connects, in the network that ``make_socket`` makes TCP sockets in (the
    machine's own by default); the port stays the relay's until ``close``, also while connections are refused. ``gate``
    belongs to the event loop: use it in ``Wire.run`` alone.
    """

    def __init__(
        self,
        loop: Loop,
        service: str,
        server: ServerAddress,
        recorder: Recorder,
        gate: Gate,
        numbers: Iterator[int] | None = None,
        make_socket: Callable[[], socket.socket] | None = None,
    ) -> None:
        self.service = service
        self.gate = gate
        self.host = _HOST
        self._loop = loop
        self._server = server
        self._recorder = recorder
        self._numbers = numbers or itertools.count(1)
        self._make_socket = make_socket or _socket
        self.arrivals = 0
        """How often a client has connected, up to now."""
        self._connections: dict[int, Connection] = {}
        self._listening: asyncio.Server | None = None
        self._mode: Mode = "refusing"
        # Bound and never listening, this one keeps the port while no other does: who connects is refused.
        self._keeper = _bound(self._make_socket(), 0)
        self.port: int = self._keeper.getsockname()[1]

    # ------------------------------------------------------------ what a scenario does

    def connections(self) -> tuple[ConnectionView, ...]:
        """The live connections, in the order in which they were opened."""
        return self._loop.call(self._views)

    def refuse(self) -> None:
        """An outage: live connections are cut, new ones are refused."""
        self._loop.run(self.become("refusing"), _PATIENCE)

    def accept(self) -> None:
        """The outage, or the stall, is over."""
        self._loop.run(self.become("accepting"), _PATIENCE)

    def stall(self) -> None:
        """Connections are accepted, and nothing passes in them, nor in those that are there."""
        self._loop.run(self.become("stalled"), _PATIENCE)

    def cut(self, connection: int | None = None) -> None:
        """Close a connection, or all, on both sides at once."""
        self._loop.call(lambda: self._cut(connection))

    def hold(self, predicate: Predicate, where: Where = "before", *, limit: int | None = None) -> Hold:
        """Hold every step that matches, or the first ``limit``, until the hold is released.

        ``before``: the server does not see it. ``answer``: the server does it, the client is not told. The
        predicate runs on the event loop: it must be quick, and is asked about every step of every connection.
        """

        def run(function: Callable[[], None]) -> None:
            self._loop.call(function)

        hold = Hold(self.gate, run, predicate, where, limit)
        run(lambda: self.gate.arm(hold))
        return hold

    def hold_commits(self, where: Where = "before", *, limit: int | None = None) -> Hold:
        """Hold every step that makes writes durable, as far as the protocol shows."""
        return self.hold(lambda step: step.would_commit, where, limit=limit)

    def close(self) -> None:
        """Cut everything and give the port back; what has come by now, a goodbye above all, is read before."""
        self._loop.run(self.end(), _PATIENCE)

    # ------------------------------------------------------------ on the loop

    async def end(self) -> None:
        """What ``close`` does."""
        # What a socket holds is handed over in the loop's next turn, and dealt with in the one after that.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.shut()

    def shut(self) -> None:
        """Cut everything, now."""
        self._mode = "refusing"
        self._stop_listening()
        self._cut(None)
        self._keeper.close()

    async def become(self, mode: Mode) -> None:
        """What ``accept``, ``refuse`` and ``stall`` do."""
        if mode == self._mode:
            return
        self._mode = mode
        match mode:
            case "refusing":
                self._stop_listening()
                self._cut(None)
            case "stalled":
                for connection in self._connections.values():
                    connection.freeze()
                await self._listen()
            case "accepting":
                for connection in list(self._connections.values()):
                    connection.thaw()
                await self._listen()
            case _:
                assert_never(mode)

    async def _listen(self) -> None:
        if self._listening is None and self._keeper.fileno() >= 0:
            listener = _bound(self._make_socket(), self.port)
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._arrived, sock=listener, backlog=_BACKLOG)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _arrived(self) -> Side:
        self.arrivals += 1
        self.gate.bell.ring()
        number = next(self._numbers)
        connection = Connection(
            number, self.service, self._server, self._recorder, self.gate, lambda gone: self._forget(gone)
        )
        self._connections[number] = connection
        if self._mode == "stalled":
            connection.freeze()
        elif self._mode == "refusing":  # it was in the queue when the outage began
            connection.close("grader")
        return connection.client

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection.number, None)

    def _cut(self, number: int | None) -> None:
        for connection in list(self._connections.values()):
            if number in (None, connection.number):
                connection.close("grader")

    def _views(self) -> tuple[ConnectionView, ...]:
        views = (connection.view() for connection in self._connections.values())
        return tuple(view for view in views if view is not None)


def _socket() -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol.
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def _bound(bound: socket.socket, port: int) -> socket.socket:
    """The socket, on a port that may be shared with another one of ours; port 0: any that is free."""
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((_HOST, port))
    except OSError as problem:
        bound.close()
        raise EnvironmentFailed(f"no port for a relay on {_HOST}: {problem}; free some and try again") from problem
    return bound
