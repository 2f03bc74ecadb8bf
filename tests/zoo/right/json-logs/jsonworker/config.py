import os
from dataclasses import dataclass
from urllib.parse import urlsplit


class InvalidConfig(Exception):
    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(variable, problem)
        self.variable, self.problem = variable, problem


@dataclass(frozen=True)
class Config:
    url: str
    worker: str
    poll: float
    duration: float | None
    timeout: float
    level: str


def from_environment() -> Config:
    duration = os.environ.get("WORKER_TASK_DURATION")
    level = os.environ.get("LOG_LEVEL", "info").lower()
    if level not in ("debug", "info", "warning", "error"):
        raise InvalidConfig("LOG_LEVEL", "not debug, info, warning or error")
    return Config(
        url=_url(os.environ.get("DATABASE_URL")),
        worker=os.environ.get("WORKER_ID") or f"{os.uname().nodename}-{os.getpid()}",
        poll=_seconds("WORKER_POLL_INTERVAL", os.environ.get("WORKER_POLL_INTERVAL", "5")),
        duration=None if duration is None else _seconds("WORKER_TASK_DURATION", duration, zero=True),
        timeout=_seconds("WORKER_STUCK_TIMEOUT", os.environ.get("WORKER_STUCK_TIMEOUT", "300")),
        level=level,
    )


def _url(text: str | None) -> str:
    if text is None:
        raise InvalidConfig("DATABASE_URL", "not set")
    try:
        url = urlsplit(text)
        if url.scheme in ("postgres", "postgresql") and url.hostname and url.port != 0:
            return text
    except ValueError:
        pass
    raise InvalidConfig("DATABASE_URL", "not like postgresql://user:password@host:port/name")


def _seconds(variable: str, text: str, zero: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InvalidConfig(variable, f"{text!r} is not a number") from None
    if not (0 < value < float("inf") or (zero and value == 0)):
        raise InvalidConfig(variable, f"{text!r} is not above zero and finite")
    return value
