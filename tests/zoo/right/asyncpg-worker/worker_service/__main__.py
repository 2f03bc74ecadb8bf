"""``python -m worker_service``"""

import signal
import sys

early: list[int] = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: early.append(number))  # until the event loop is there

import asyncio  # noqa: E402
import logging  # noqa: E402

from worker_service.config import ConfigError, load  # noqa: E402
from worker_service.worker import Worker  # noqa: E402


async def serve() -> None:
    config = load()
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    log = logging.getLogger("worker")
    log.info("starting as %s, poll_interval=%s", config.worker_id, config.poll_interval)
    stop = asyncio.Event()

    def on_signal() -> None:
        if not stop.is_set():
            log.info("shutdown requested, no further task is taken")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    if early:
        on_signal()
    await Worker(config, stop).run()
    log.info("shutdown complete")
    # The loop gives the signals their default meaning back when it is closed: one more of them must not kill us now.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


try:
    asyncio.run(serve())
except ConfigError as error:
    sys.exit(str(error))
