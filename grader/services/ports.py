"""Ports for api-services to listen on."""

from __future__ import annotations

import secrets
import socket
import threading
from contextlib import suppress
from pathlib import Path

from grader.errors import EnvironmentFailed

_FIRST = 10240
"""Below are the ports of well-known services."""

_USUAL = (49152, 65535)
"""What systems choose from by themselves, where they do not say it (RFC 6335, section 6)."""

_LINUX = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 500


class Ports:
    """Gives out TCP ports on 127.0.0.1, each once. For any thread.

    A port is not reserved: a socket of ours would be in the way. So it is none that the system could give to somebody
    else meanwhile: those of connections to servers, and of servers that ask for any port, come from a range of its own.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._lock = threading.Lock()

    def free(self) -> int:
        """A port that nobody uses. Raises EnvironmentFailed when there seems to be none."""
        choices = _choices(*_of_the_system())
        with self._lock:
            for _ in range(_TRIES):
                port = secrets.choice(choices)
                if port not in self._given and _can_be_bound(port):
                    self._given.add(port)
                    return port
        raise EnvironmentFailed(
            "no free port on 127.0.0.1 was found; end what holds them (grader doctor looks, too)"
        )


def _of_the_system() -> tuple[int, int]:
    """The first and the last port that the system gives out by itself."""
    with suppress(OSError, ValueError):
        first, last = map(int, _LINUX.read_text().split())
        return first, last
    return _USUAL


def _choices(first: int, last: int) -> range:
    """The longer of the two ranges that are left beside the system's own; if it has nearly all, all of them."""
    below, above = range(_FIRST, max(first, _FIRST)), range(min(last + 1, 65536), 65536)
    longest = max(below, above, key=len)
    return longest if len(longest) >= _TRIES else range(_FIRST, 65536)


def _can_be_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
