"""What both services read from the environment."""

import logging
import math
import os
import sys
from urllib.parse import parse_qsl, unquote, urlsplit


def refuse(name: str, problem: str) -> None:
    sys.exit(f"{name}: {problem}")


def text(name: str, default: str) -> str:
    value = os.environ.get(name, default)
    if not value.strip():
        refuse(name, "is empty")
    return value


def seconds(name: str, default: str | None, *, positive: bool = True) -> float | None:
    """None: it is not set, and has no default."""
    value = os.environ.get(name, default)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        refuse(name, f"{value!r} is no duration in seconds")
    return number


def port(name: str, default: str) -> int:
    value = os.environ.get(name, default)
    if not (value.isascii() and value.isdecimal() and 0 < int(value) < 65536):
        refuse(name, f"{value!r} is no port")
    return int(value)


def log_level() -> int:
    level = logging.getLevelNamesMapping().get(os.environ.get("LOG_LEVEL", "info").upper())
    if level not in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        refuse("LOG_LEVEL", "expected debug, info, warning or error")
    return level


def database() -> dict:
    """DATABASE_URL, as an entry of Django's DATABASES."""
    try:
        url = urlsplit(os.environ["DATABASE_URL"])
        if url.scheme not in ("postgres", "postgresql") or not url.hostname or not url.path.strip("/"):
            raise ValueError
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.strip("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": url.hostname,
            "PORT": url.port or 5432,
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {**dict(parse_qsl(url.query)), "connect_timeout": 3},
        }
    except (KeyError, ValueError):
        refuse("DATABASE_URL", "expected postgresql://user:password@host:port/name")
