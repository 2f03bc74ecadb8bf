"""``python -m worker``: the worker-service."""

import os
import sys

from worker.bell import Bell

bell = Bell()  # before the rest is imported: signals are heard from here on

import logging  # noqa: E402

from worker.foreman import Foreman  # noqa: E402
from worker.settings import Settings, Unusable  # noqa: E402

try:
    settings = Settings.of(os.environ)
except Unusable as problem:
    sys.exit(f"the worker cannot start: {problem}")
logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-7s %(message)s")
logging.info("worker %s is up, poll interval %gs", settings.name, settings.poll_interval)
Foreman(settings, bell).run()
logging.info("shutdown complete")
bell.mute()
