"""One JSON object per line, on standard output, written when it happens."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

LEVELS = ("debug", "info", "warning", "error")


class Events:
    def __init__(self, worker: str, level: str) -> None:
        self._worker = worker
        self._least = LEVELS.index(level)

    def write(self, level: str, event: str, **fields: Any) -> None:
        if LEVELS.index(level) < self._least:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": level, "worker": self._worker, "event": event, **fields}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def info(self, event: str, **fields: Any) -> None:
        self.write("info", event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.write("warning", event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.write("error", event, **fields)
