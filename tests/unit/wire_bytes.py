"""Messages of the PostgreSQL protocol, made by hand, and a connection's passage without any socket."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from grader.history.events import ConnectionReady, Event, StepBegan, StepEnded
from grader.history.recorder import Clock
from grader.wire.gate import Gate
from grader.wire.passage import Passage
from grader.wire.session import Session


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def query(sql: str) -> bytes:
    return message("Q", sql.encode() + b"\0")


def parse(sql: str, name: str = "", types: Sequence[int] = ()) -> bytes:
    head = name.encode() + b"\0" + sql.encode() + b"\0"
    return message("P", head + struct.pack(f"!H{len(types)}I", len(types), *types))


def cells(values: Sequence[bytes | None]) -> bytes:
    parts = [struct.pack("!H", len(values))]
    for value in values:
        parts.append(struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value)
    return b"".join(parts)


def codes(formats: Sequence[int]) -> bytes:
    return struct.pack(f"!H{len(formats)}H", len(formats), *formats)


def bind(
    values: Sequence[bytes | None] = (),
    statement: str = "",
    portal: str = "",
    formats: Sequence[int] = (),
    results: Sequence[int] = (),
) -> bytes:
    names = portal.encode() + b"\0" + statement.encode() + b"\0"
    return message("B", names + codes(formats) + cells(values) + codes(results))


def describe(what: str, name: str = "") -> bytes:
    return message("D", what.encode() + name.encode() + b"\0")


def execute(portal: str = "", rows: int = 0) -> bytes:
    return message("E", portal.encode() + b"\0" + struct.pack("!I", rows))


def extended(sql: str, *values: bytes | None) -> bytes:
    """What most drivers send for one statement, without the Sync."""
    return parse(sql) + bind(values) + describe("P") + execute()


SYNC = message("S")
FLUSH = message("H")
TERMINATE = message("X")
PARSED, BOUND, NO_DATA = message("1"), message("2"), message("n")
SUSPENDED = message("s")
COPY_DONE = message("c")


def done(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


def ready(state: str = "I") -> bytes:
    return message("Z", state.encode())


def row(*values: bytes | None) -> bytes:
    return message("D", cells(values))


def columns(*types: int, form: int = 0) -> bytes:
    body = struct.pack("!H", len(types))
    for number, oid in enumerate(types):
        body += f"c{number}".encode() + b"\0" + struct.pack("!IhIhih", 0, 0, oid, -1, -1, form)
    return message("T", body)


def parameter_types(*types: int) -> bytes:
    return message("t", struct.pack(f"!H{len(types)}I", len(types), *types))


def error(sqlstate: str, text: str = "no") -> bytes:
    return message("E", b"SERROR\0" + b"C" + sqlstate.encode() + b"\0M" + text.encode() + b"\0\0")


def key(pid: int, secret: bytes = b"\1\2\3\4") -> bytes:
    return message("K", struct.pack("!I", pid) + secret)


RUN = PARSED + BOUND + NO_DATA


@dataclass
class Talk:
    """Plays both sides: what each sends, what reaches the other."""

    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self.session = Session("w", 1, self.events.append, Clock())
        self.passage = Passage(self.session, self.gate)
        self.to_server = b""
        self.to_client = b""
        self.cuts: list[tuple[bool, bool]] = []
        self.gate.enter(1, self)
        self.server(message("R", struct.pack("!I", 0)) + key(4711) + ready())
        self.take()

    # the gate's view of a connection

    def pass_on(self, *, withhold: bool) -> None:
        self.to_server += self.passage.permit(withhold=withhold)

    def give_answer(self) -> None:
        self.to_client += self.passage.give_answer()
        self._pump()

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        self.cuts.append((client, server))
        self.gate.leave(1)

    # the two sides

    def client(self, data: bytes) -> bytes:
        """The client sends; what reaches the server."""
        self.to_server += self.passage.from_client(data)
        return self.take()[0]

    def server(self, data: bytes) -> bytes:
        """The server sends; what reaches the client. What then goes on to the server is left for ``take``."""
        self.to_client += self.passage.from_server(data)
        self._pump()
        passed, self.to_client = self.to_client, b""
        return passed

    def _pump(self) -> None:
        self.to_server += self.passage.pump()
        self.passage.settle()

    def take(self) -> tuple[bytes, bytes]:
        """What has reached the server, and the client, since the last look."""
        taken = self.to_server, self.to_client
        self.to_server = self.to_client = b""
        return taken

    @property
    def began(self) -> list[tuple[int, str, str]]:
        return [(e.step, e.sql, e.transaction) for e in self.events if isinstance(e, StepBegan)]

    @property
    def ended(self) -> list[StepEnded]:
        return [e for e in self.events if isinstance(e, StepEnded)]

    @property
    def outcome(self) -> list[tuple[int, str, int | None, str, bool]]:
        """Step, tag or SQLSTATE, rows, state after it, committed."""
        return [(e.step, e.sqlstate or e.tag, e.rows, e.transaction, e.committed) for e in self.ended]

    @property
    def readies(self) -> list[ConnectionReady]:
        return [e for e in self.events if isinstance(e, ConnectionReady)]
