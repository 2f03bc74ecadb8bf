"""``python -m worker_service``"""

import os
import signal
import sys

bell_out, bell_in = os.pipe()
os.set_blocking(bell_in, False)
signal.set_wakeup_fd(bell_in, warn_on_full_buffer=False)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)

import logging  # noqa: E402

from worker_service.listener import Listener  # noqa: E402
from worker_service.settings import WrongSetting, settings_from  # noqa: E402

try:
    settings = settings_from(os.environ)
except WrongSetting as wrong:
    sys.exit(f"not started: {wrong}")
logging.basicConfig(level=settings.log_level, format="%(asctime)s [%(levelname)s] %(message)s")
logging.info("worker %s up, poll interval %s seconds", settings.name, settings.poll)
Listener(settings, bell_out).run()
logging.info("shutdown complete, good bye")
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
