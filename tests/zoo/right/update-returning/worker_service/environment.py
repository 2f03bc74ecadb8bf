from os import environ, getpid, uname
from typing import NamedTuple
from urllib.parse import urlsplit


class BadVariable(Exception):
    pass


class Environment(NamedTuple):
    database_url: str
    worker_id: str
    poll_interval: float
    task_duration: float | None
    stuck_timeout: float
    log_level: str


def read() -> Environment:
    level = environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadVariable("LOG_LEVEL is none of debug, info, warning, error")
    return Environment(
        database_url=_url(environ.get("DATABASE_URL", "")),
        worker_id=environ.get("WORKER_ID") or f"{uname().nodename}.{getpid()}",
        poll_interval=_positive("WORKER_POLL_INTERVAL", 5),
        task_duration=_duration(),
        stuck_timeout=_positive("WORKER_STUCK_TIMEOUT", 300),
        log_level=level,
    )


def _url(text: str) -> str:
    try:
        url = urlsplit(text)
        if url.scheme in ("postgres", "postgresql") and url.hostname and url.port != 0:
            return text
    except ValueError:  # the port; its message would quote what stands there
        pass
    raise BadVariable("DATABASE_URL must be set, like postgresql://user:password@host:port/name")


def _duration() -> float | None:
    text = environ.get("WORKER_TASK_DURATION")
    if text is None:
        return None
    return 0.0 if _number("WORKER_TASK_DURATION", text) == 0 else _positive("WORKER_TASK_DURATION", 0)


def _positive(name: str, default: float) -> float:
    value = _number(name, environ.get(name, str(default)))
    if not 0 < value < 1e8:
        raise BadVariable(f"{name} must be more than zero seconds, and not endless")
    return value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadVariable(f"{name} must be a number of seconds, not {text!r}") from None
