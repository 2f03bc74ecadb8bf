import os
import socket
from collections.abc import Mapping
from typing import NamedTuple

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


class OptionError(Exception):
    pass


class Options(NamedTuple):
    database_url: str
    worker_id: str
    poll_interval: float
    task_duration: float | None
    stuck_timeout: float
    log_level: str

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Options":
        level = env.get("LOG_LEVEL", "info").upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise OptionError("LOG_LEVEL has to be debug, info, warning or error")
        return cls(
            database_url=database_url(env),
            worker_id=env.get("WORKER_ID", f"{socket.gethostname()}-{os.getpid()}"),
            poll_interval=duration(env, "WORKER_POLL_INTERVAL", "5", zero_is_fine=False),
            task_duration=duration(env, "WORKER_TASK_DURATION", "0", zero_is_fine=True)
            if "WORKER_TASK_DURATION" in env
            else None,
            stuck_timeout=duration(env, "WORKER_STUCK_TIMEOUT", "300", zero_is_fine=False),
            log_level=level,
        )


def database_url(env: Mapping[str, str]) -> str:
    url = env.get("DATABASE_URL", "")
    try:
        # The exception's own text is not shown: it may quote a part of the URL.
        parts = conninfo_to_dict(url)
        if "://" not in url or not parts.get("host") or not 0 < int(parts.get("port", 5432)) < 65536:
            raise ValueError
    except (ProgrammingError, ValueError):
        raise OptionError("DATABASE_URL has to be set to postgresql://user:password@host:port/name") from None
    return url


def duration(env: Mapping[str, str], name: str, default: str, *, zero_is_fine: bool) -> float:
    try:
        seconds = float(env.get(name, default))
    except ValueError:
        raise OptionError(f"{name} has to be a number of seconds") from None
    if seconds == 0 and zero_is_fine:
        return seconds
    if not 0 < seconds < 10**8:
        raise OptionError(f"{name} has to be greater than zero, and finite")
    return seconds
