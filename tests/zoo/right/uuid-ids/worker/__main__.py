"""``python -m worker``"""

import os
import signal
import sys
import threading

STOP = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, STOP)

import logging  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

from worker.loop import Loop, Values  # noqa: E402


def seconds(name: str, default: float | None, zero: bool = False) -> float | None:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        value = float(text)
        if not (0 < value < 1e8 or (zero and value == 0)):
            raise ValueError
    except ValueError:
        sys.exit(f"worker: {name}={text} is no usable number of seconds")
    return value


def values() -> Values:
    url = os.environ.get("DATABASE_URL", "")
    try:
        parts = urlsplit(url)
        if not parts.scheme.startswith("postgres") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        sys.exit("worker: DATABASE_URL is not set to postgresql://user:password@host:port/name")
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        sys.exit("worker: LOG_LEVEL is not debug, info, warning or error")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    return Values(
        url=url,
        name=os.environ.get("WORKER_ID") or f"{os.uname().nodename}-{os.getpid()}",
        poll=seconds("WORKER_POLL_INTERVAL", 5.0) or 5.0,
        work=seconds("WORKER_TASK_DURATION", None, zero=True),
        timeout=seconds("WORKER_STUCK_TIMEOUT", 300.0) or 300.0,
    )


def main() -> None:
    settings = values()
    logging.info("worker %s starts, poll interval %s s", settings.name, settings.poll)
    stop = threading.Event()
    working = threading.Thread(target=Loop(settings, stop).run)
    working.start()
    signal.sigwait(STOP)
    logging.info("shutdown begins")
    stop.set()
    working.join()
    logging.info("shutdown complete")


main()
