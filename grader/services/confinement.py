"""Starting something in a thread that has given rights up: what it starts has them no more, the grader still has.

On Linux rights belong to threads: Landlock's domain, the capability bounding set, and the promise to gain no new ones
are those of the thread that starts a process. So each service is started by a thread of its own, which ends then.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from grader.services.landlock import Allowed, restrict_thread, version

T = TypeVar("T")

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38


def started_confined(start: Callable[[], T], allowed: Allowed, *, powerless: bool = True) -> T:
    """The result of ``start``, called in a thread with what is ``allowed`` and, for root, no capability to pass on.

    Without ``powerless`` what is started has to give the capabilities up by itself. Raises what ``start`` raises,
    OSError when the rights cannot be given up.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _give_up(allowed, powerless)
            results.append(start())
        except BaseException as problem:
            failures.append(problem)

    thread = threading.Thread(target=run, name="confined start")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def can_confine() -> bool:
    """Whether this kernel keeps a thread from files."""
    return version() > 0


def _give_up(allowed: Allowed, powerless: bool) -> None:
    if sys.platform != "linux":
        return
    if os.geteuid() == 0 and powerless:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        capability = 0
        while libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:  # until there is none with this number
            capability += 1
    if can_confine():
        restrict_thread(allowed)
