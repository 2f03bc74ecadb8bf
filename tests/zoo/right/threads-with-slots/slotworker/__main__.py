"""``python -m slotworker``

The main thread only waits for the signal; everything else happens in threads that have it blocked.
"""

import signal

ASKED_TO_STOP = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, ASKED_TO_STOP)

import logging  # noqa: E402
import sys  # noqa: E402

from slotworker.dispatcher import Dispatcher  # noqa: E402
from slotworker.setup import Setup, SetupError  # noqa: E402


def main() -> None:
    try:
        setup = Setup.from_environment()
    except SetupError as error:
        sys.exit(str(error))
    logging.basicConfig(
        stream=sys.stdout, level=setup.level, format="%(asctime)s %(threadName)s %(levelname)s %(message)s"
    )
    dispatcher = Dispatcher(setup)
    dispatcher.start()
    logging.info("worker %s has started, poll_interval=%s", setup.name, setup.poll)
    signal.sigwait(ASKED_TO_STOP)
    logging.info("shutting down: what is in the slots is finished, nothing else is begun")
    dispatcher.stop()
    logging.info("shutdown complete")


main()
