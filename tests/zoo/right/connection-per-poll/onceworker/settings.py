import logging
import os
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
Settings = SimpleNamespace


class Problem(Exception):
    pass


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError("it has to be above zero")
    return value


def positive_or_zero(text: str) -> float:
    return 0.0 if float(text) == 0 else positive(text)


def database_url(text: str) -> str:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("postgresql", "postgres") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it has to be like postgresql://user:password@host:port/name")
    return text


VARIABLES: dict[str, tuple[str, str | None, Callable[[str], object]]] = {
    "url": ("DATABASE_URL", "", database_url),
    "worker_id": ("WORKER_ID", f"{os.uname().nodename}-{os.getpid()}", str),
    "poll": ("WORKER_POLL_INTERVAL", "5", positive),
    "duration": ("WORKER_TASK_DURATION", None, positive_or_zero),
    "timeout": ("WORKER_STUCK_TIMEOUT", "300", positive),
    "level": ("LOG_LEVEL", "info", lambda text: LEVELS[text.lower()]),
}


def read() -> Settings:
    found = {}
    for name, (variable, default, parse) in VARIABLES.items():
        text = os.environ.get(variable, default)
        try:
            found[name] = None if text is None else parse(text)
        except (ValueError, KeyError) as reason:
            raise Problem(f"{variable} cannot be used: {reason}") from None
    return Settings(**found)
