"""Whether a Docker engine answers, found out without loading the Docker library: a tenth of a second when not."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

_PATIENCE = 0.5
"""Seconds for one question to an engine that is there."""


def find_engine() -> str | None:
    """The URL of a Docker engine that answers; DOCKER_HOST alone counts when it is set."""
    host = os.environ.get("DOCKER_HOST")
    candidates = [host] if host else [f"unix://{path}" for path in _usual_sockets()]
    return next((url for url in candidates if answers(url)), None)


def _usual_sockets() -> list[Path]:
    """The system's, a rootless engine's, Docker Desktop's, and those of its usual stand-ins on macOS."""
    home = Path(os.environ.get("HOME", "/"))
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return [
        Path("/var/run/docker.sock"),
        *([Path(runtime) / "docker.sock"] if runtime else []),
        home / ".docker" / "run" / "docker.sock",
        home / ".colima" / "default" / "docker.sock",
        home / ".orbstack" / "run" / "docker.sock",
    ]


def answers(url: str) -> bool:
    """Whether an engine answers at a URL (of ``ssh`` only the library can tell: True)."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PATIENCE)
                connection.connect(parts.path)
                connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        if parts.scheme == "tcp" and parts.hostname:
            with socket.create_connection((parts.hostname, parts.port or 2375), _PATIENCE):
                return True
    except (OSError, ValueError):
        return False
    return parts.scheme == "ssh"  # only the library can tell
