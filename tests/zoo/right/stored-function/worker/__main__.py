"""``python -m worker``"""

from worker.halt import Halt

halt = Halt()

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from datetime import timedelta  # noqa: E402

from psycopg import Error  # noqa: E402
from psycopg.conninfo import conninfo_to_dict  # noqa: E402

from worker.service import Service  # noqa: E402


def refuse(name: str, wanted: str) -> None:
    sys.exit(f"worker: the variable {name} has to be {wanted}")


def span(name: str, default: str | None, *, zero: bool = False) -> timedelta | None:
    text = os.environ.get(name, default)
    if text is None:
        return None
    try:
        found = timedelta(
            seconds=float(text)
        )  # refuses what is no number, NaN, and what is too much for a timedelta
    except (ValueError, OverflowError):
        found = timedelta(-1)
    if found < timedelta(0) or (not found and not zero) or found > timedelta(days=1000):
        refuse(name, "a number of seconds above zero" if not zero else "a number of seconds, zero or more")
    return found


def main() -> None:
    url = os.environ.get("DATABASE_URL", "")
    try:
        parts = conninfo_to_dict(url)
        if not url.startswith("postgres") or not 0 < int(parts.get("port", 5432)) < 2**16:
            raise ValueError
    except (ValueError, Error):
        refuse("DATABASE_URL", "postgresql://user:password@host:port/name")
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        refuse("LOG_LEVEL", "debug, info, warning or error")
    poll = span("WORKER_POLL_INTERVAL", "5")
    duration = span("WORKER_TASK_DURATION", None, zero=True)
    timeout = span("WORKER_STUCK_TIMEOUT", "300")
    assert poll is not None
    assert timeout is not None
    name = os.environ.get("WORKER_ID") or f"{os.uname().nodename}:{os.getpid()}"
    logging.basicConfig(level=level, format="%(asctime)s %(levelname).1s %(message)s")
    logging.info("%s starts; poll interval %g s", name, poll.total_seconds())
    Service(url, name, poll, duration, timeout, halt).run()
    logging.info("shutdown complete")
    halt.is_over()


main()
