"""One connection of a service: a transport to either side, and what passes between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from grader.history.events import ConnectionClosed, ConnectionOpened, TransactionState
from grader.history.recorder import Recorder
from grader.wire.address import ServerAddress
from grader.wire.framing import REFUSED, Malformed, asks_for_encryption, asks_to_cancel, first_packet
from grader.wire.gate import Gate
from grader.wire.passage import Passage
from grader.wire.session import Session
from grader.wire.sides import Side
from grader.wire.steps import WireStep

ClosedBy = Literal["terminate", "client", "server", "grader"]

EARLY_LIMIT: Final = 64 * 1024
"""Bytes of a client that are kept before its server is connected; then nothing more is read."""


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One live connection as it is now; ``idle_since`` is on the run's clock, None while a step is under way."""

    connection: int
    backend_pid: int | None
    transaction: TransactionState
    under_way: WireStep | None
    held: WireStep | None
    idle_since: float | None


class Connection:
    """Made when a client connects. All of it runs on the wire's event loop.

    ``gone`` is called once no transport is left.
    """

    def __init__(
        self,
        number: int,
        service: str,
        server: ServerAddress,
        recorder: Recorder,
        gate: Gate,
        gone: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self.client = Side(self._from_client, lambda: self._lost("client"), self._update_reading)
        self.server = Side(self._from_server, lambda: self._lost("server"), self._update_reading)
        self._service = service
        self._address = server
        self._recorder = recorder
        self._gate = gate
        self._gone = gone
        self._early = bytearray()
        """What the client sent before it was linked to the server."""
        self._connecting: asyncio.Task[None] | None = None
        self._is_linked = False
        self._is_frozen = False
        self._is_closed = False
        self._passage: Passage | None = None
        """None before the first packet, and for a CancelRequest."""

    # ------------------------------------------------------------ the beginning

    def _first_packet(self) -> None:
        """Answer requests for encryption; connect to the server once the packet after them is complete."""
        if self._connecting is not None or self._is_frozen or self._is_closed:
            return
        try:
            while length := first_packet(bytes(self._early)):
                packet = bytes(self._early[:length])
                if not asks_for_encryption(packet):
                    self._log_in(packet)
                    return
                del self._early[:length]
                self.client.write(REFUSED)
        except Malformed:
            self.close("client")

    def _log_in(self, packet: bytes) -> None:
        if not asks_to_cancel(packet):
            clock = self._recorder.clock
            session = Session(self._service, self.number, self._recorder.record, clock)
            self._passage = Passage(session, self._gate)
            self._recorder.record(ConnectionOpened(at=clock.now(), service=self._service, connection=self.number))
            self._gate.enter(self.number, self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(len(packet)))

    async def _connect(self, packet: int) -> None:
        loop = asyncio.get_running_loop()
        path = self._address.socket_path
        try:
            if path is not None:
                await loop.create_unix_connection(lambda: self.server, str(path))
            else:
                await loop.create_connection(lambda: self.server, self._address.host, self._address.port)
        except OSError:
            self.close("server")
            return
        if self._is_closed:
            self.server.abort()
            return
        self._is_linked = True
        early, self._early = bytes(self._early), bytearray()
        self.server.write(early[:packet])
        self._from_client(early[packet:])

    # ------------------------------------------------------------ bytes

    def _from_client(self, chunk: bytes) -> None:
        if self._is_closed:
            return
        if not self._is_linked:
            self._early += chunk
            self._first_packet()
        elif self._passage is not None:  # nothing follows a CancelRequest
            try:
                self.server.write(self._passage.from_client(chunk))
            except Malformed:
                self.close("client")
        self._update_reading()

    def _from_server(self, chunk: bytes) -> None:
        passage = self._passage
        if self._is_closed or passage is None:
            return
        was_ready = passage.session.is_ready
        try:
            self.client.write(passage.from_server(chunk))
        except Malformed:
            self.close("server")
            return
        self._pump(passage)
        if passage.session.is_ready is not was_ready:
            self._gate.bell.ring()

    def _pump(self, passage: Passage) -> None:
        self.server.write(passage.pump())
        passage.settle()
        self._update_reading()

    def _update_reading(self) -> None:
        passage = self._passage
        if passage is None or not self._is_linked:
            self.client.read_while(len(self._early) <= EARLY_LIMIT)
        else:
            self.client.read_while(not self.server.is_full and passage.takes_from_client)
            self.server.read_while(not self.client.is_full and passage.takes_from_server)

    # ------------------------------------------------------------ what the gate, and the relay, decide

    def pass_on(self, *, withhold: bool) -> None:
        """Send the step that is held to the server."""
        if self._passage is not None:
            self.server.write(self._passage.permit(withhold=withhold))
            self._update_reading()

    def give_answer(self) -> None:
        """Send the answer that is withheld to the client; one that has not come yet is withheld no more."""
        if self._passage is not None:
            self.client.write(self._passage.give_answer())
            self._pump(self._passage)

    def freeze(self) -> None:
        """From now on nothing passes, either way; a client's disconnect still does."""
        self._is_frozen = True
        self._set_frozen()

    def thaw(self) -> None:
        """Let everything pass again."""
        self._is_frozen = False
        self._first_packet()
        self._set_frozen()

    def _set_frozen(self) -> None:
        if self._passage is not None:
            self._passage.is_frozen = self._is_frozen
            if self._is_linked and not self._is_closed:
                self._pump(self._passage)

    def view(self) -> ConnectionView | None:
        """What is known of it; None before its first packet, after its end, and for a CancelRequest."""
        if self._passage is None or self._is_closed:
            return None
        session = self._passage.session
        step = session.under_way
        return ConnectionView(
            connection=self.number,
            backend_pid=session.backend_pid,
            transaction=session.transaction.state,
            under_way=None if step is None else session.describe(step),
            held=next((held for held in self._gate.held if held.connection == self.number), None),
            idle_since=session.idle_since if step is None else None,
        )

    # ------------------------------------------------------------ the end

    def _lost(self, by: Literal["client", "server"]) -> None:
        self.close(by)
        if self.client.is_gone and self.server.is_gone:
            self._gone(self)

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        """Close one side or both, now. A side that stays is left alone and told nothing."""
        self._end("grader")
        if client:
            self.client.abort()
        if server:
            self.server.abort()

    def close(self, by: ClosedBy) -> None:
        """Close both sides. What was passed on already still arrives, unless the grader does it."""
        if by == "grader":
            self.cut()
        elif not self._is_closed:
            self._end(by)
            self.client.close()
            self.server.close()

    def _end(self, by: ClosedBy) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._passage is not None:
            self._gate.leave(self.number)
            at = self._recorder.clock.now()
            # Whoever said goodbye has left, whatever came after it.
            by = "terminate" if self._passage.session.is_terminated else by
            self._recorder.record(ConnectionClosed(at=at, service=self._service, connection=self.number, by=by))
