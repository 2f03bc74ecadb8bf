from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

URL = re.compile(r"postgres(ql)?://([^:/@]+(:[^/@]*)?@)?[^:/@]+(:\d+)?/[^/@]+")
SECONDS = re.compile(r"\d{1,8}(\.\d{1,9})?")


@dataclass(frozen=True)
class Options:
    url: str
    worker: str
    poll: float
    work: float | None
    timeout: float
    level: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Options | str:
        """The options, or what is wrong with them."""
        if not URL.fullmatch(env.get("DATABASE_URL", "")):
            return "level=error DATABASE_URL is not set to postgresql://user:password@host:port/name"
        for name in ("WORKER_POLL_INTERVAL", "WORKER_STUCK_TIMEOUT", "WORKER_TASK_DURATION"):
            text = env.get(name, "1")
            if not SECONDS.fullmatch(text) or (float(text) == 0 and name != "WORKER_TASK_DURATION"):
                return f"level=error {name} is not a number of seconds that makes sense, such as 5 or 0.25"
        level = env.get("LOG_LEVEL", "info").upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            return "level=error LOG_LEVEL is not debug, info, warning or error"
        return cls(
            url=env["DATABASE_URL"],
            worker=env.get("WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}",
            poll=float(env.get("WORKER_POLL_INTERVAL", "5")),
            work=float(env["WORKER_TASK_DURATION"]) if "WORKER_TASK_DURATION" in env else None,
            timeout=float(env.get("WORKER_STUCK_TIMEOUT", "300")),
            level=level,
        )
