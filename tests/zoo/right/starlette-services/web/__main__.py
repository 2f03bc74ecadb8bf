"""``python -m web``: the api-service."""

import os
import signal
import sys
from types import FrameType


def leave(_: int, __: FrameType | None) -> None:
    # In effect before uvicorn serves, and after it: it gives the signal back when all requests are answered.
    raise SystemExit(0)


signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)

import uvicorn  # noqa: E402

from web.app import create_app  # noqa: E402


def setting(name: str, default: str | None, is_good: bool, what: str) -> str:
    value = os.environ.get(name, default)
    if value is None or not is_good:
        sys.exit(f"{name} must be {what}")
    return value


def main() -> None:
    url = os.environ.get("DATABASE_URL", "")
    url = setting("DATABASE_URL", None, url.startswith(("postgres://", "postgresql://")), "a postgresql:// URL")
    port = os.environ.get("API_PORT", "8080")
    port = setting("API_PORT", "8080", port.isdecimal() and 0 < int(port) < 65536, "a port")
    level = os.environ.get("LOG_LEVEL", "info").lower()
    level = setting("LOG_LEVEL", "info", level in ("debug", "info", "warning", "error"), "debug, info, …").lower()
    host = os.environ.get("API_HOST", "127.0.0.1")
    uvicorn.run(create_app(url), host=host, port=int(port), log_level=level)


main()
