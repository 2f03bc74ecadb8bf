import os
import platform
from dataclasses import dataclass
from math import inf
from urllib.parse import urlparse


class ConfigError(Exception):
    pass


@dataclass(frozen=True)
class Config:
    dsn: str
    worker_id: str
    poll_interval: float
    duration: float | None
    lease: float
    log_level: str


def load() -> Config:
    level = os.environ.get("LOG_LEVEL", "info").lower()
    if level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"LOG_LEVEL: {level!r} is none of debug, info, warning, error")
    return Config(
        dsn=dsn(),
        worker_id=os.environ.get("WORKER_ID", "").strip() or f"{platform.node()}:{os.getpid()}",
        poll_interval=number("WORKER_POLL_INTERVAL", "5"),
        duration=number("WORKER_TASK_DURATION", "0", may_be_zero=True)
        if "WORKER_TASK_DURATION" in os.environ
        else None,
        lease=number("WORKER_STUCK_TIMEOUT", "300"),
        log_level=level,
    )


def dsn() -> str:
    value = os.environ.get("DATABASE_URL")
    if not value:
        raise ConfigError("DATABASE_URL: not set")
    try:
        url = urlparse(value)
        if url.scheme in ("postgres", "postgresql") and url.hostname and (url.port is None or url.port > 0):
            return value
    except ValueError:
        pass
    raise ConfigError("DATABASE_URL: not a URL like postgresql://user:password@host:port/name")


def number(name: str, default: str, may_be_zero: bool = False) -> float:
    text = os.environ.get(name, default)
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{name}: {text!r} is no number") from None
    if 0 < value < inf or (may_be_zero and value == 0):
        return value
    raise ConfigError(f"{name}: {text!r} makes no sense here")
