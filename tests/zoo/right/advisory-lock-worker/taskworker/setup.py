"""Reads the environment; ends the process when it cannot be used."""

import logging
import math
import os
import socket
import sys
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Setup:
    url: str
    worker: str
    poll: float
    work: float | None
    timeout: float


def from_environment() -> Setup:
    env = os.environ
    levels = logging.getLevelNamesMapping()
    level = env.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        refuse("LOG_LEVEL", "is not one of debug, info, warning, error")
    logging.basicConfig(
        level=levels[level],
        stream=sys.stdout,
        format='{"at": "%(asctime)s", "level": "%(levelname)s", %(message)s}',
    )
    return Setup(
        url=url(),
        worker=env.get("WORKER_ID") or f"{socket.gethostname()}/{os.getpid()}",
        poll=seconds("WORKER_POLL_INTERVAL", 5.0),
        work=seconds("WORKER_TASK_DURATION", 0.0, least=0.0) if "WORKER_TASK_DURATION" in env else None,
        timeout=seconds("WORKER_STUCK_TIMEOUT", 300.0),
    )


def url() -> str:
    text = os.environ.get("DATABASE_URL")
    if text is None:
        refuse("DATABASE_URL", "is missing")
    try:
        parts = urlsplit(text)
        fine = parts.scheme.startswith("postgres") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        refuse("DATABASE_URL", "is not of the form postgresql://user:password@host:port/name")
    return text


def seconds(name: str, default: float, least: float = 1e-6) -> float:
    try:
        value = float(os.environ.get(name, default))
    except ValueError:
        refuse(name, "is not a number")
    if not (math.isfinite(value) and least <= value):
        refuse(name, "is too small, or endless")
    return value


def refuse(name: str, problem: str) -> NoReturn:
    sys.exit(f"taskworker: {name} {problem}")
