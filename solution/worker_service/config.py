"""The settings of a worker, read from the environment and checked before anything begins."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict

# libpq reads more than this. But of a URL in which it gets lost, say by an "@" in the password, it quotes a piece
# in its error messages, and a piece of a password must not come into a log.
_DATABASE_URL = re.compile(
    r"postgres(ql)?://([^:@/?#]+(:[^@/?#]*)?@)?(\[[^\]@/?#]*\]|[^:@/?#]*)(:[0-9]+)?(/[^@/?#]*)?(\?[^@#]*)?"
)
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LONGEST = 366 * 24 * 3600.0


class BadSetting(Exception):
    """A variable is missing or makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations are in seconds. ``task_duration`` None: random, two to five seconds."""

    database_url: str
    worker_id: str
    poll_interval: float
    task_duration: float | None
    stuck_timeout: float
    log_level: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises BadSetting."""
    duration = environment.get("WORKER_TASK_DURATION")
    return Settings(
        database_url=_database_url(environment),
        worker_id=_worker_id(environment.get("WORKER_ID", f"{os.uname().nodename}-{os.getpid()}")),
        poll_interval=_seconds("WORKER_POLL_INTERVAL", environment.get("WORKER_POLL_INTERVAL", "5")),
        task_duration=None if duration is None else _seconds("WORKER_TASK_DURATION", duration, zero=True),
        stuck_timeout=_seconds("WORKER_STUCK_TIMEOUT", environment.get("WORKER_STUCK_TIMEOUT", "300")),
        log_level=_log_level(environment.get("LOG_LEVEL", "info")),
    )


def _database_url(environment: Mapping[str, str]) -> str:
    url = environment.get("DATABASE_URL", "")
    try:
        if not _DATABASE_URL.fullmatch(url):
            raise ValueError
        conninfo_to_dict(url)
    except (ValueError, psycopg.Error):
        raise BadSetting(
            f"DATABASE_URL is {'no usable URL' if url else 'not set'}; expected postgresql://user:password@host:port/name"
            " (characters such as @ / ? # in a password written as %40 %2F %3F %23)"
        ) from None
    return url


def _worker_id(text: str) -> str:
    if not (text.strip() and text.isprintable()):
        raise BadSetting(f"WORKER_ID is {text!r}; expected a name, or leave it unset")
    return text


def _seconds(name: str, text: str, *, zero: bool = False) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    # Not a number compares as False, and so is refused like infinity and everything below zero.
    if not (0 < seconds <= _LONGEST or (zero and seconds == 0)):
        smallest = "zero or more" if zero else "more than zero"
        raise BadSetting(f"{name} is {text!r}; expected seconds, {smallest} and at most a year, such as 5 or 0.25")
    return seconds


def _log_level(text: str) -> str:
    if text.lower() not in _LOG_LEVELS:
        raise BadSetting(f"LOG_LEVEL is {text!r}; expected one of {', '.join(_LOG_LEVELS)}")
    return text.upper()
