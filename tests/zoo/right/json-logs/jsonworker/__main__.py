"""``python -m jsonworker``"""

import signal

early: list[int] = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: early.append(number))

import asyncio  # noqa: E402
import sys  # noqa: E402

from jsonworker.config import Config, InvalidConfig, from_environment  # noqa: E402
from jsonworker.events import Events  # noqa: E402
from jsonworker.service import Service  # noqa: E402


async def main(config: Config, events: Events) -> None:
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if not stop.is_set():
            events.info("shutdown_begun", signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    if early:
        on_signal(early[0])
    await Service(config, events, stop).run()
    events.info("shutdown_complete")
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))


try:
    config = from_environment()
except InvalidConfig as error:
    Events("invalid", "error").error("invalid_config", variable=error.variable, problem=error.problem)
    sys.exit(1)
events = Events(config.worker, config.level)
events.info("started", poll_interval_s=config.poll, stuck_timeout_s=config.timeout)
asyncio.run(main(config, events))
