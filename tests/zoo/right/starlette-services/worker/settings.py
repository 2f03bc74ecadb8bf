import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Self
from urllib.parse import urlsplit


class Unusable(Exception):
    """A variable that is missing or makes no sense; it is named."""


@dataclass(frozen=True)
class Settings:
    """Seconds, where it is about time. ``duration`` None: as long as it takes."""

    url: str
    name: str
    poll_interval: float
    duration: float | None
    stuck_timeout: float
    log_level: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        level = environment.get("LOG_LEVEL", "info").upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise Unusable("LOG_LEVEL is not debug, info, warning or error")
        duration = environment.get("WORKER_TASK_DURATION")
        return cls(
            url=_url(environment.get("DATABASE_URL", "")),
            name=environment.get("WORKER_ID") or f"{socket.gethostname()}:{os.getpid()}",
            poll_interval=_seconds("WORKER_POLL_INTERVAL", environment.get("WORKER_POLL_INTERVAL", "5")),
            duration=None if duration is None else _seconds("WORKER_TASK_DURATION", duration, or_none=True),
            stuck_timeout=_seconds("WORKER_STUCK_TIMEOUT", environment.get("WORKER_STUCK_TIMEOUT", "300")),
            log_level=level,
        )


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        if parts.scheme in ("postgres", "postgresql") and parts.hostname and parts.port != 0:
            return text
    except ValueError:
        pass  # it may quote the URL, and with that the password
    raise Unusable("DATABASE_URL is not a URL such as postgresql://user:password@host:port/name")


def _seconds(name: str, text: str, or_none: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not isfinite(value) or value < 0 or (value == 0 and not or_none):
        raise Unusable(f"{name} is not a number of seconds that can be waited for: {text!r}")
    return value
