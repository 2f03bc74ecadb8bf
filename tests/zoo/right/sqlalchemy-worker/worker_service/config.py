import math
import os
import socket

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


class Refused(Exception):
    pass


class Config:
    def __init__(self) -> None:
        self.url = self._url()
        self.worker_id = os.environ.get("WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}"
        self.poll_interval = self._seconds("WORKER_POLL_INTERVAL", 5)
        self.stuck_timeout = self._seconds("WORKER_STUCK_TIMEOUT", 300)
        self.task_duration = self._seconds("WORKER_TASK_DURATION", None, zero=True)
        self.level = os.environ.get("LOG_LEVEL", "info").upper()
        if self.level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise Refused("LOG_LEVEL is not debug, info, warning or error")

    def _url(self) -> URL:
        try:
            url = make_url(os.environ.get("DATABASE_URL", ""))
        except (ArgumentError, ValueError):
            url = None
        if url is None or url.get_backend_name() not in ("postgresql", "postgres") or not url.host:
            raise Refused(
                "DATABASE_URL is not set to a URL such as postgresql://user:password@host:port/name"
            ) from None
        return url.set(drivername="postgresql+psycopg")

    def _seconds(self, name: str, default: float | None, zero: bool = False) -> float | None:
        text = os.environ.get(name)
        if text is None:
            return default
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if math.isfinite(seconds) and (seconds > 0 or (zero and seconds == 0)):
            return seconds
        raise Refused(f"{name} is {text!r}, not a usable number of seconds")
