"""What of a connection's bytes may pass, either way, and when. Pure: chunks in, chunks out, the gate is asked.

While the gate does not watch, chunks go through whole. While it does, one step at a time is passed on: what
prepares an Execute (Parse, Bind, Describe) waits with it, so that the server takes no lock for a step that is
held; the next step waits until the one before is answered, for which a Flush is sent along. A Sync never is.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grader.wire.framing import CONTINUED, FRONTEND_LIMITS, HEADER, Framer, Span
from grader.wire.gate import Gate
from grader.wire.session import FLUSH, Request, Session
from grader.wire.steps import Kind, Step, WireStep

BUFFER_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of one direction that are kept while they may not go on; then nothing more is to be read."""

PRELUDE_LIMIT: Final = 1024 * 1024
"""Bytes of Parse, Bind and Describe that wait with their Execute; what is longer goes ahead of it."""

AHEAD_LIMIT: Final = 10_000
"""Answers that may be outstanding; then nothing more is to be read from the client."""

_FLUSH: Final = b"H\x00\x00\x00\x04"
_PREPARING: Final = frozenset(b"PBDC")
_COPYING: Final = frozenset(b"dcf")


@dataclass(frozen=True, slots=True)
class _Part:
    """A message from the client, or a part of a long one."""

    kind: int
    raw: bytes
    request: Request | None


class Passage:
    """Both directions of one connection after its first packet."""

    def __init__(self, session: Session, gate: Gate) -> None:
        self.session = session
        self.is_frozen = False
        """Nothing passes to the server."""
        self._gate = gate
        self._client_framer = Framer(FRONTEND_LIMITS)
        self._server_framer = Framer()
        self._waiting: deque[_Part] = deque()
        self._prelude: list[_Part] = []
        self._prelude_size = 0
        self._kept = 0
        """Bytes in ``_waiting`` and ``_prelude``."""
        self._asked: Step | None = None
        """The last step that the gate was asked about."""
        self._shown: WireStep | None = None
        self._is_permitted = False
        self._is_unsettled = False
        """A step that the gate was asked about is under way, or a Sync right behind it."""
        self._is_withholding = False
        self._withheld = bytearray()
        self._is_answered = False
        """The answer that is withheld is complete."""

    @property
    def takes_from_client(self) -> bool:
        """Whether more may be read from the client."""
        return self._kept <= BUFFER_LIMIT and self.session.awaited <= AHEAD_LIMIT

    @property
    def takes_from_server(self) -> bool:
        """Whether more may be read from the server."""
        return len(self._withheld) <= 2 * BUFFER_LIMIT and not self.is_frozen

    # ------------------------------------------------------------ to the server

    def from_client(self, chunk: bytes) -> bytes:
        """Take in bytes of the client; those that go on to the server now. Raises Malformed."""
        data, spans = self._client_framer.feed(chunk)
        if self._is_through:
            for request in self._requests(data, spans):
                if request is not None:
                    self.session.sent(request)
            return data
        for (kind, start, end), request in zip(spans, self._requests(data, spans), strict=True):
            self._waiting.append(_Part(kind, data[start:end], request))
            self._kept += end - start
        return self.pump()

    @property
    def _is_through(self) -> bool:
        """Whether chunks go through whole."""
        waits = self._waiting or self._prelude or self._is_withholding or self.is_frozen
        return not waits and not self._gate.is_watching

    def _requests(self, data: bytes, spans: list[Span]) -> Iterator[Request | None]:
        read = self.session.read
        for kind, start, end in spans:
            yield None if kind == CONTINUED else read(kind, data[start + HEADER : end])

    def pump(self) -> bytes:
        """What may go on to the server now of all that waits."""
        out: list[bytes] = []
        while self._waiting and not self.is_frozen and self._may_pass(self._waiting[0]):
            part = self._waiting.popleft()
            belongs = part.kind == CONTINUED and bool(self._prelude)
            if belongs or part.kind in _PREPARING:
                self._prelude.append(part)
                self._prelude_size += len(part.raw)
                if self._prelude_size > PRELUDE_LIMIT:
                    self._send_prelude(out)
            else:
                self._send_prelude(out)
                self._send(part, out)
        if not self._waiting and not self.is_frozen and not self._gate.is_watching:
            self._send_prelude(out)
        if self.session.needs_flush and (self._waiting or self._gate.is_watching):
            self.session.sent(FLUSH)
            out.append(_FLUSH)
        return b"".join(out)

    def _send_prelude(self, out: list[bytes]) -> None:
        for part in self._prelude:
            self._send(part, out)
        self._prelude.clear()
        self._prelude_size = 0

    def _send(self, part: _Part, out: list[bytes]) -> None:
        if part.request is not None:
            self.session.sent(part.request)
        self._kept -= len(part.raw)
        out.append(part.raw)

    def _may_pass(self, part: _Part) -> bool:
        session, request = self.session, part.request
        if part.kind == CONTINUED or part.kind in _COPYING:
            return True
        is_sync = isinstance(request, Step) and request.kind is Kind.SYNC
        if session.under_way is not None:
            return session.is_copying_in and (is_sync or request is FLUSH)
        if isinstance(request, Step) and request is self._asked:
            return self._is_permitted
        if self._is_withholding:
            return is_sync and not session.sync_commits
        if not isinstance(request, Step) or (is_sync and not session.sync_commits):
            return True
        return session.is_skipping or self._ask(request)

    def _ask(self, step: Step) -> bool:
        if not self._gate.is_watching:
            return True
        self.settle()  # what was asked about before is over by now
        self.session.count(step)
        self._asked, self._shown = step, self.session.describe(step)
        verdict = self._gate.wants(self._shown)
        self._is_permitted = verdict != "before"
        self._is_withholding = verdict == "answer"
        self._is_unsettled = self._is_permitted
        return self._is_permitted

    def permit(self, *, withhold: bool) -> bytes:
        """The step that is held may go on, with its answer withheld or not; what goes to the server now."""
        self._is_permitted = self._is_unsettled = True
        self._is_withholding = withhold
        return self.pump()

    # ------------------------------------------------------------ to the client

    def from_server(self, chunk: bytes) -> bytes:
        """Take in bytes of the server; those that go on to the client now. ``pump`` and ``settle`` have to follow.

        Raises Malformed.
        """
        data, spans = self._server_framer.feed(chunk)
        answer = self.session.answer
        before = self.session.last_answer
        for kind, start, end in spans:
            if kind != CONTINUED:
                answer(kind, data[start + HEADER : end])
        if not self._is_withholding:
            return data
        return self._withhold(data, is_end=self.session.last_answer is not before)

    def _withhold(self, data: bytes, *, is_end: bool) -> bytes:
        """Keep an answer back; of one too long to keep the rows go on, and only its end stays."""
        passed = b""
        if len(self._withheld) > BUFFER_LIMIT and not is_end and not self._is_answered:
            passed = bytes(self._withheld)
            self._withheld.clear()
        self._withheld += data
        self._is_answered = self._is_answered or is_end
        return passed

    def settle(self) -> None:
        """Tell the gate when a step it was asked about is answered, and a Sync right behind it too."""
        session = self.session
        if not self._is_unsettled or session.under_way is not None:
            return
        self._is_unsettled = False
        if self._is_answered and self._shown is not None:
            self._gate.answered(dataclasses.replace(self._shown, answer=session.last_answer))
        self._gate.settled(session.connection, session.last_answer)

    def give_answer(self) -> bytes:
        """Withhold nothing any more; what goes to the client now. ``pump`` has to follow."""
        given = bytes(self._withheld)
        self._withheld.clear()
        self._is_withholding = self._is_answered = False
        return given
