"""What the environment says."""

import logging
import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class Unusable(Exception):
    """One line that names the variable."""


@dataclass(frozen=True)
class Settings:
    database_url: str
    worker_id: str
    poll_interval: float
    task_duration: float | None
    stuck_timeout: float
    log_level: int

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        duration = environment.get("WORKER_TASK_DURATION")
        level = environment.get("LOG_LEVEL", "info")
        levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
        if level.lower() not in levels:
            raise Unusable(f"LOG_LEVEL={level!r}: one of {', '.join(levels)} is needed")
        return cls(
            database_url=_url(environment.get("DATABASE_URL", "")),
            worker_id=environment.get("WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}",
            poll_interval=_seconds(environment, "WORKER_POLL_INTERVAL", "5"),
            task_duration=_seconds(environment, "WORKER_TASK_DURATION", "0", least=0.0) if duration else None,
            stuck_timeout=_seconds(environment, "WORKER_STUCK_TIMEOUT", "300"),
            log_level=levels[level.lower()],
        )


def _url(text: str) -> str:
    if not text:
        raise Unusable("DATABASE_URL is missing")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Unusable("DATABASE_URL cannot be read; postgresql://user:password@host:port/name is needed")
    return text


def _seconds(environment: Mapping[str, str], name: str, default: str, least: float | None = None) -> float:
    text = environment.get(name, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or (seconds <= 0 if least is None else seconds < least):
        raise Unusable(f"{name}={text!r}: a {'positive ' if least is None else ''}number of seconds is needed")
    return seconds
