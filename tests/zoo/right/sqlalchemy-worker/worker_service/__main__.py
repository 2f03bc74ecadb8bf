"""``python -m worker_service``"""

import signal
import sys

SIGNALS = [signal.SIGINT, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

import logging  # noqa: E402
import threading  # noqa: E402

from worker_service.config import Config, Refused  # noqa: E402
from worker_service.runner import Runner  # noqa: E402

stop = threading.Event()


def wait_for_signal() -> None:
    name = signal.Signals(signal.sigwait(SIGNALS)).name
    logging.info("%s: shutting down when the current task is done", name)
    stop.set()


try:
    config = Config()
except Refused as why:
    sys.exit(f"cannot start, {why}")
logging.basicConfig(level=config.level, format="%(asctime)s %(levelname)s %(message)s")
logging.info("starting %s with a poll interval of %s s", config.worker_id, config.poll_interval)
threading.Thread(target=wait_for_signal, daemon=True).start()
Runner(config, stop).run()
logging.info("shutdown complete")
