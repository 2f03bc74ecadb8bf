"""The signals."""

import os
import signal
from queue import Empty, SimpleQueue


class Halt:
    """``SimpleQueue.put`` may be called from a signal handler, whatever the interrupted code was doing."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[int] = SimpleQueue()
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        if not self.wanted:
            os.write(2, f"shutdown begins on {signal.Signals(number).name}\n".encode())
        self.wanted = True
        self._queue.put(number)

    def wait(self, seconds: float) -> None:
        try:
            self._queue.get(timeout=seconds)
        except Empty:
            pass
        else:
            self._queue.put(0)  # for the next one who waits

    def is_over(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
