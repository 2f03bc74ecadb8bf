"""The settings of the api-service, read from the environment and checked before anything begins."""

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


class BadSetting(Exception):
    """A variable is missing or makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    database_url: str
    host: str
    port: int
    log_level: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises BadSetting."""
    return Settings(
        database_url=_database_url(environment),
        host=environment.get("API_HOST", "127.0.0.1"),
        port=_port(environment.get("API_PORT", "8080")),
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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise BadSetting(f"API_PORT is {text!r}; expected a number from 1 to 65535")
    return int(text)


def _log_level(text: str) -> str:
    if text.lower() not in _LOG_LEVELS:
        raise BadSetting(f"LOG_LEVEL is {text!r}; expected one of {', '.join(_LOG_LEVELS)}")
    return text.upper()
