"""``python -m claimer``"""

import os
import select
import signal
import sys
import time


class Shutdown:
    """A pipe that the signal handler writes to; who waits, waits for its other end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: object) -> None:
        if not self.asked:
            self.asked = True
            os.write(self.writing, b"x")
            os.write(1, f"level=info event=shutdown_begun signal={number}\n".encode())  # logging has a lock

    def wait(self, seconds: float) -> None:
        select.select([self.reading], [], [], seconds)

    @staticmethod
    def sleep(seconds: float) -> None:
        """All of it, signal or not."""
        time.sleep(seconds)


if __name__ == "__main__":
    shutdown = Shutdown()
    from claimer.loop import Loop
    from claimer.options import Options

    options = Options.read(os.environ)
    if isinstance(options, str):
        sys.exit(options)
    Loop(options, shutdown).run()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
