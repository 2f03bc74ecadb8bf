import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class WrongSetting(Exception):
    pass


@dataclass(frozen=True)
class Settings:
    url: str
    name: str
    poll: float
    work: float | None
    stuck: float
    log_level: str


def settings_from(env: Mapping[str, str]) -> Settings:
    def seconds(name: str, default: str | None, zero: bool = False) -> float:
        try:
            value = float(env.get(name) or default or "")
        except ValueError:
            value = math.nan
        if value > 0 and value != math.inf:
            return value
        if value == 0 and zero:
            return value
        raise WrongSetting(f"{name} is {env.get(name)!r}, which is no time to wait for")

    level = env.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise WrongSetting(f"LOG_LEVEL is {level!r}; it may be debug, info, warning or error")
    return Settings(
        url=checked_url(env.get("DATABASE_URL", "")),
        name=env.get("WORKER_ID", f"{platform.node()}-{os.getpid()}"),
        poll=seconds("WORKER_POLL_INTERVAL", "5"),
        work=seconds("WORKER_TASK_DURATION", None, zero=True) if "WORKER_TASK_DURATION" in env else None,
        stuck=seconds("WORKER_STUCK_TIMEOUT", "300"),
        log_level=level,
    )


def checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme.startswith("postgres") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass
    raise WrongSetting("DATABASE_URL is missing or no URL such as postgresql://user:password@host:port/name")
