from __future__ import annotations

import os
import re
from dataclasses import dataclass


class SetupError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Setup:
    url: str
    name: str
    poll: float
    work: float | None
    timeout: float
    level: str

    @classmethod
    def from_environment(cls) -> Setup:
        url = os.environ.get("DATABASE_URL", "")
        if not re.fullmatch(r"postgres(ql)?://[^@/\s]+@[^@/:\s]+(:\d{1,5})?/\S+", url):
            raise SetupError(
                "DATABASE_URL is missing, or not of the form postgresql://user:password@host:port/name"
            )
        level = os.environ.get("LOG_LEVEL", "info")
        if level.lower() not in ("debug", "info", "warning", "error"):
            raise SetupError(f"LOG_LEVEL={level}: there is no such level")
        return cls(
            url=url,
            name=os.environ.get("WORKER_ID") or f"{os.uname().nodename}/{os.getpid()}",
            poll=cls._seconds("WORKER_POLL_INTERVAL", 5.0, above=0),
            work=cls._seconds("WORKER_TASK_DURATION", 0.0, above=-1)
            if "WORKER_TASK_DURATION" in os.environ
            else None,
            timeout=cls._seconds("WORKER_STUCK_TIMEOUT", 300.0, above=0),
            level=level.upper(),
        )

    @staticmethod
    def _seconds(name: str, default: float, above: float) -> float:
        text = os.environ.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,9}(\.\d*)?|\.\d+", text.strip()) or float(text) <= above:
            raise SetupError(f"{name}={text}: not a usable number of seconds")
        return float(text)
