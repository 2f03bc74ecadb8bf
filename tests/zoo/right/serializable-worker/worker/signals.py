"""SIGTERM and SIGINT."""

import selectors
import signal
import socket


class Shutdown:
    """Python writes a byte into a socket when a signal comes; whoever waits looks at the socket."""

    def __init__(self) -> None:
        self._inside, outside = socket.socketpair()
        outside.setblocking(False)
        self._outside = outside
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._inside, selectors.EVENT_READ)
        signal.set_wakeup_fd(outside.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def requested(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """The byte is left where it is: from then on the answer is yes at once."""
        return bool(self._selector.select(max(seconds, 0)))

    def ignore_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
