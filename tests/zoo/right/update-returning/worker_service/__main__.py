"""``python -m worker_service``"""

import signal
import sys

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# They wait until the listener takes them, however long the imports take.
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

import logging  # noqa: E402
import threading  # noqa: E402

from worker_service.environment import BadVariable, read  # noqa: E402
from worker_service.polling import Poller  # noqa: E402


def listen(stop: threading.Event) -> None:
    signal.sigwait(SIGNALS)
    logging.info("stop requested: shutting down after the task in hand")
    stop.set()


def main() -> None:
    try:
        environment = read()
    except BadVariable as error:
        sys.exit(f"worker-service cannot start: {error}")
    logging.basicConfig(level=environment.log_level, format="%(asctime)s %(levelname)s %(message)s")
    logging.info("worker=%s started poll_interval=%ss", environment.worker_id, environment.poll_interval)
    stop = threading.Event()
    threading.Thread(target=listen, args=(stop,), daemon=True).start()
    Poller(environment, stop).run()
    logging.info("shutdown complete")


main()
