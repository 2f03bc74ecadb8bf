"""Noticing at once that a child has ended, by a descriptor that an event loop can watch."""

from __future__ import annotations

import os
import select
import threading
from typing import Protocol


class ExitWatch(Protocol):
    """The end of one child. ``descriptor`` becomes readable when it has happened."""

    @property
    def descriptor(self) -> int:
        """Open until ``close``."""

    def happened(self) -> bool:
        """Whether the child has ended."""

    def collect(self) -> tuple[int, float]:
        """Exit status (or minus the signal number) and CPU seconds of a child that has ended; call it once.

        The seconds include those of the children that it waited for.
        """

    def close(self) -> None:
        """Close the descriptor."""


def watch_exit(child: int) -> ExitWatch:
    """Watch a child that nobody else waits for: by a notice of the kernel where there is one, else by a thread."""
    if hasattr(os, "pidfd_open"):
        try:
            return PidfdWatch(child)
        except OSError:  # a kernel before 5.3, or a sandbox that does not know the call
            pass
    return ThreadWatch(child)


class PidfdWatch:
    """Linux: pidfd_open(2). The child stays a zombie, and its pid its own, until it is collected."""

    def __init__(self, child: int) -> None:
        self._child = child
        self.descriptor: int = os.pidfd_open(child)

    def happened(self) -> bool:
        """See ``ExitWatch``."""
        return _readable(self.descriptor)

    def collect(self) -> tuple[int, float]:
        """See ``ExitWatch``."""
        return _wait(self._child)

    def close(self) -> None:
        """See ``ExitWatch``."""
        os.close(self.descriptor)


class ThreadWatch:
    """Anywhere: a thread that waits, and closes a pipe when it is done."""

    def __init__(self, child: int) -> None:
        self.descriptor, done = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(child, done), name=f"exit of {child}", daemon=True)
        self._thread.start()

    def _run(self, child: int, done: int) -> None:
        self._result = _wait(child)
        os.close(done)

    def happened(self) -> bool:
        """See ``ExitWatch``."""
        return _readable(self.descriptor)

    def collect(self) -> tuple[int, float]:
        """See ``ExitWatch``."""
        self._thread.join()
        return self._result

    def close(self) -> None:
        """See ``ExitWatch``."""
        os.close(self.descriptor)


def _wait(child: int) -> tuple[int, float]:
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def _readable(descriptor: int) -> bool:
    poll = select.poll()  # unlike select(), not limited to descriptors below 1024
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
