"""A port for an api-service to listen on."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago.

    It is not reserved: what binds to it must be able to, and a socket of ours would be in the way. Should somebody
    else take it in between, the service ends at its start with "address in use" in its log, and whoever started it
    tries once more with another port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
