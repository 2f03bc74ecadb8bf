"""Hears the signals that ask the worker to stop."""

import logging
import signal
import threading
from collections.abc import Set


class Stop:
    """The signals are blocked in every thread; one thread waits for them, so that no handler interrupts anything."""

    def __init__(self, signals: Set[signal.Signals]) -> None:
        self._signals = signals
        self._event = threading.Event()
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def asked(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """A pause that the signal ends; whether it has come."""
        return self._event.wait(seconds)

    def _listen(self) -> None:
        number = signal.sigwait(self._signals)
        logging.info("shutdown begins (%s): the task in hand is finished first", signal.Signals(number).name)
        self._event.set()
