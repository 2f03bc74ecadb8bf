"""SIGTERM and SIGINT ring a bell that rings for ever."""

import os
import select
import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Bell:
    """A pipe that becomes readable with the first signal. It is waited for together with other descriptors."""

    def __init__(self) -> None:
        self._ear, self._hammer = os.pipe()
        os.set_blocking(self._hammer, False)
        self._has_rung = False
        for number in SIGNALS:
            signal.signal(number, self._ring)

    def _ring(self, *_: object) -> None:
        if not self._has_rung:
            self._has_rung = True
            # logging is not made for signal handlers; a write is.
            os.write(2, b"shutdown begins, no other task is taken\n")
            os.write(self._hammer, b"!")

    @property
    def has_rung(self) -> bool:
        return self._has_rung

    def wait(self, seconds: float) -> None:
        """Until it rings, at most so long."""
        select.select([self._ear], [], [], seconds)

    def mute(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
