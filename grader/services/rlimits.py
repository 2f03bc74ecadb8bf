"""Limits that the kernel keeps for each process, set on one that has just been started."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

from grader.services.limits import Limits


def set_limits(pid: int, limits: Limits) -> None:
    """Bound what a process, and whatever it starts, may do. Linux only; elsewhere nothing happens.

    What cannot be set (it is gone, or a lower limit is in force) is left as it is.
    """
    if sys.platform != "linux":
        return
    wanted = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: limits.open_files}
    for which, value in wanted.items():
        with suppress(OSError, ValueError):
            hard = resource.prlimit(pid, which)[1]
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, which, (bound, bound))
