"""From the bytes that a service writes to lines worth keeping, within bounds. No input or output here."""

from __future__ import annotations

LINE_LIMIT = 8 * 1024
LOG_LIMIT = 1024 * 1024
_RATE_WINDOW = 0.25
"""Seconds over which bytes are counted."""

CUT_MARK = " […cut]"


class LineSplitter:
    """The lines of one stream. A line beyond ``limit`` bytes is given out cut and marked, its rest dropped."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete (or too long) now."""
        lines: list[str] = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._append(part, lines)
            if not self._dropping:
                lines.append(_text(bytes(self._pending.removesuffix(b"\r"))))
            self._pending.clear()
            self._dropping = False
        self._append(rest, lines)
        return lines

    def flush(self) -> list[str]:
        """The last line, if it has no end yet."""
        return self.feed(b"\n") if self._pending else []

    def _append(self, part: bytes, lines: list[str]) -> None:
        if self._dropping:
            return
        self._pending += part[: self._limit + 1 - len(self._pending)]
        if len(self._pending) > self._limit:
            lines.append(_text(bytes(self._pending[: self._limit])) + CUT_MARK)
            self._pending.clear()
            self._dropping = True


class Allowance:
    """How many bytes of log a service may still have in the record, over all its streams."""

    def __init__(self, limit: int = LOG_LIMIT) -> None:
        self._limit = limit
        self.kept = 0
        self.used_up = False

    def grant(self, line: str) -> bool:
        """Whether this line is kept. After the first that is not, none is."""
        size = len(line.encode()) + 1
        self.used_up = self.used_up or self.kept + size > self._limit
        if not self.used_up:
            self.kept += size
        return not self.used_up


class Rate:
    """How fast a service may write: so many bytes a second, over all its streams."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since = 0.0
        self._taken = 0

    def took(self, size: int, now: float) -> float:
        """Count what was read at a moment; the seconds for which nothing more may be read (0: none)."""
        if now - self._since >= _RATE_WINDOW:
            self._since, self._taken = now, 0
        self._taken += size
        if self._taken <= self._limit * _RATE_WINDOW:
            return 0.0
        return self._since + _RATE_WINDOW - now


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
