"""One side of a connection: a transport that is read only while the other side can take it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

HIGH_WATER: Final = 256 * 1024
"""Bytes that wait to be written to a side before the other one is not read any more."""


class Side(asyncio.Protocol):
    """The client's or the server's end."""

    def __init__(
        self, received: Callable[[bytes], None], lost: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self.is_full = False
        self._received = received
        self._lost = lost
        self._changed = changed
        self._transport: asyncio.Transport | None = None
        self._is_reading = True
        self._is_aborted = False
        self._is_lost = False

    @property
    def is_gone(self) -> bool:
        """Whether there is no transport: not yet, or not any more."""
        return self._transport is None or self._is_lost

    def write(self, data: bytes) -> None:
        """Send bytes; they are dropped when the side is gone."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def read_while(self, wanted: bool) -> None:
        """Read from this side, or leave its bytes where they are."""
        if wanted is self._is_reading or self._transport is None or self._transport.is_closing():
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """Close it after what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close it now, or as soon as it is there."""
        self._is_aborted = True
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        if self._is_aborted:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is gone, however that came."""
        self._is_lost = True
        self._lost()

    def pause_writing(self) -> None:
        """It does not take more for now."""
        self.is_full = True
        self._changed()

    def resume_writing(self) -> None:
        """It takes more again."""
        self.is_full = False
        self._changed()
