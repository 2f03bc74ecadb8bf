"""Where one message of the PostgreSQL protocol ends and the next begins. Pure: bytes in, spans out.

Source: PostgreSQL manual, chapter "Frontend/Backend Protocol", sections "Message Formats" and "Message Flow";
the limits are those of the server (``src/include/libpq/libpq.h`` and ``src/backend/tcop/postgres.c``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

HEADER: Final = 5
"""Bytes before a message's body: its type, and a length that counts itself and the body."""

HEAD_LIMIT: Final = 16 * 1024
"""A message longer than this is not kept whole: its head is shown, the rest streams by."""

CONTINUED: Final = 0
"""The "type" of a span that is more of the message before it; no real message has it."""

Span = tuple[int, int, int]
"""Type, start and end (with header) of a message, or of what is there of it."""

_LENGTH: Final = struct.Struct("!I").unpack_from
_SHORT: Final = 10_004
_LONG: Final = 0x3FFFFFFF

FRONTEND_LIMITS: Final[Mapping[int, int]] = {
    **dict.fromkeys(b"CDEHSXc", _SHORT),
    **dict.fromkeys(b"BFPQdfp", _LONG),
}
"""The longest length word per message type that the server takes; it hangs up on any other type."""


class Malformed(Exception):
    """These bytes are no messages of the protocol; nothing that follows can be told apart."""


class Framer:
    """Cuts one direction of a connection into messages; keeps at most ``HEAD_LIMIT`` bytes back."""

    def __init__(self, limits: Mapping[int, int] | None = None) -> None:
        self._limits = limits
        self._tail = b""
        self._rest = 0
        """How much of a long message is still to come."""

    def feed(self, chunk: bytes) -> tuple[bytes, list[Span]]:
        """The bytes that can be passed on now, and where in them the messages are. Raises Malformed."""
        data = self._tail + chunk if self._tail else chunk
        size = len(data)
        limits = self._limits
        spans: list[Span] = []
        at = 0
        if self._rest:
            at = min(self._rest, size)
            self._rest -= at
            spans.append((CONTINUED, 0, at))
        while size - at >= HEADER:
            kind = data[at]
            length: int = _LENGTH(data, at + 1)[0]
            if length < 4 or (limits is not None and length > limits.get(kind, 0)):
                raise Malformed(f"type {kind:#04x}, length {length}")
            end = at + 1 + length
            if end <= size:
                spans.append((kind, at, end))
                at = end
            elif size - at >= HEAD_LIMIT:
                spans.append((kind, at, size))
                self._rest = end - size
                at = size
            else:
                break
        self._tail = data[at:]
        return (data[:at] if self._tail else data), spans


# ---------------------------------------------------------------- the first packet has no type

_FIRST_LIMIT: Final = 10_000
_CANCEL: Final = 80877102
_ENCRYPTION: Final = (80877103, 80877104)
REFUSED: Final = b"N"
"""The answer to a request for TLS or GSSAPI encryption: none here, go on in the clear."""


def first_packet(data: bytes) -> int:
    """The length of the first packet in ``data``; 0 when it is not complete yet.

    Raises Malformed when it cannot be one (a TLS handshake, HTTP, noise).
    """
    if len(data) < 4:
        if data and data[0] != 0:  # already longer than any first packet
            raise Malformed("not a startup packet")
        return 0
    length: int = _LENGTH(data)[0]
    if not 8 <= length <= _FIRST_LIMIT:
        raise Malformed(f"a startup packet of {length} bytes")
    if len(data) >= 8:
        code: int = _LENGTH(data, 4)[0]
        known = code >> 16 == 3 or code == _CANCEL or (code in _ENCRYPTION and length == 8)
        if not known:
            raise Malformed(f"a startup packet with code {code}")
    return length if len(data) >= length else 0


def asks_for_encryption(packet: bytes) -> bool:
    """Whether a first packet is an SSLRequest or a GSSENCRequest."""
    return _LENGTH(packet, 4)[0] in _ENCRYPTION


def asks_to_cancel(packet: bytes) -> bool:
    """Whether a first packet is a CancelRequest, for a statement of another connection."""
    return bool(_LENGTH(packet, 4)[0] == _CANCEL)
