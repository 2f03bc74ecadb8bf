"""``python -m onceworker``"""

import asyncio
import signal
import sys

came_early: list[int] = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: came_early.append(number))

from onceworker.life import live  # noqa: E402
from onceworker.settings import Problem, read  # noqa: E402

try:
    settings = read()
except Problem as problem:
    sys.exit(f"onceworker: {problem}")
asyncio.run(live(settings, came_early))
