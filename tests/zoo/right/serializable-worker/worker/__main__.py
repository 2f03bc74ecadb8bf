"""``python -m worker``"""

from worker.signals import Shutdown

shutdown = Shutdown()  # before the other imports, which take a while

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

from worker.main_loop import MainLoop  # noqa: E402
from worker.options import OptionError, Options  # noqa: E402


def main() -> None:
    try:
        options = Options.from_environment(os.environ)
    except OptionError as error:
        sys.exit(f"error: {error}")
    logging.basicConfig(level=options.log_level, stream=sys.stdout, format="%(levelname)s %(asctime)s %(message)s")
    logging.info("worker_id=%s started poll_interval=%s", options.worker_id, options.poll_interval)
    MainLoop(options, shutdown).run()
    logging.info("shutdown complete")
    shutdown.ignore_signals()


main()
