"""Stop requests."""

import signal
import time
from queue import Empty, SimpleQueue


class Stopping:
    """A signal handler puts the signal into a queue, and every wait is a ``get`` with a timeout.

    Of all that can be waited for in Python's library, SimpleQueue alone promises that a handler may feed it while
    the same thread waits on it.
    """

    def __init__(self) -> None:
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._first: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._signals.put(number))

    @property
    def now(self) -> bool:
        return self.within(0)

    def within(self, seconds: float) -> bool:
        """Waits for the request, at most so long; True at once if it has come before."""
        if self._first is None:
            try:
                self._first = self._signals.get(timeout=seconds)
            except Empty:
                return False
            say(f"shutdown begun by {signal.Signals(self._first).name}")
        return True

    def sleep(self, seconds: float) -> None:
        """The whole time. A request that comes meanwhile is announced at once, and changes nothing else."""
        end = time.monotonic() + seconds
        if self.within(seconds):
            time.sleep(max(0.0, end - time.monotonic()))

    def is_over(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def say(text: str) -> None:
    """What must be said at any log level."""
    print(text, flush=True)
