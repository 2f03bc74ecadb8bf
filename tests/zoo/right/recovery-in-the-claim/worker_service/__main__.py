"""``python -m worker_service``"""

import os
import signal
import socket
import sys
import threading

signals, wakened = socket.socketpair()
wakened.setblocking(False)
signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)

import logging  # noqa: E402

from worker_service.loop import Loop, Options  # noqa: E402


def die(variable: str, should: str) -> None:
    sys.exit(f"{variable} should be {should}")


def seconds(variable: str, otherwise: str, least: float) -> float:
    try:
        value = float(os.environ.get(variable, otherwise))
    except ValueError:
        value = -1.0
    if not least <= value <= 1e8:
        die(variable, f"a number of seconds, {least:g} or more")
    return value


def options() -> Options:
    url = os.environ.get("DATABASE_URL", "")
    place = url.partition("@")[2]
    port = place.partition("/")[0].rpartition(":")[2]
    if not url.startswith(("postgresql://", "postgres://")) or "/" not in place or not port.isdigit():
        die("DATABASE_URL", "set, to postgresql://user:password@host:port/name")
    level = os.environ.get("LOG_LEVEL", "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        die("LOG_LEVEL", "debug, info, warning or error")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    return Options(
        url=url,
        name=os.environ.get("WORKER_ID") or f"{socket.gethostname()}#{os.getpid()}",
        poll=seconds("WORKER_POLL_INTERVAL", "5", 0.0001),
        work=seconds("WORKER_TASK_DURATION", "0", 0) if "WORKER_TASK_DURATION" in os.environ else None,
        timeout=seconds("WORKER_STUCK_TIMEOUT", "300", 0.0001),
    )


loop = Loop(options(), signals)
announcing = threading.Thread(target=loop.announce_end, daemon=True)
announcing.start()
loop.run()
announcing.join()
logging.info("shutdown complete")
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
