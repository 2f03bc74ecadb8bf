"""Starts one worker: ``python -m worker_service``."""

import logging
import os
import signal
import sys

from worker_service.config import BadSetting, read_settings
from worker_service.worker import StopRequest, Worker

log = logging.getLogger("worker_service")


def main() -> None:
    try:
        settings = read_settings(os.environ)
    except BadSetting as error:
        sys.exit(f"worker-service: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    # lab 3a part 1: Let a Worker run. Part 4: log its start, with the poll interval, and its end.
    stop = StopRequest()
    log.info("worker %s started, poll interval %s s", settings.worker_id, settings.poll_interval)
    Worker(settings, stop).run()
    log.info("shutdown complete")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # nothing is left to be stopped
    # lab end: sys.exit("worker_service/__main__.py: to be written. Begin with exercise 3a, part 1.")


if __name__ == "__main__":
    main()
