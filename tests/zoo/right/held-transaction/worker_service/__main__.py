"""``python -m worker_service``"""

import signal

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}

# First of all, and before the imports that take their time: from here on a signal waits until somebody asks for it.
signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

from worker_service.loop import Worker  # noqa: E402
from worker_service.settings import Settings, Unusable  # noqa: E402
from worker_service.stop import Stop  # noqa: E402


def main() -> int:
    try:
        settings = Settings.read(os.environ)
    except Unusable as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(
        stream=sys.stdout, level=settings.log_level, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    logging.info("worker %s starts, poll interval %s s", settings.worker_id, settings.poll_interval)
    Worker(settings, Stop(STOP_SIGNALS)).run()
    logging.info("shutdown complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
