"""Where a PostgreSQL server listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Host and port as libpq understands them: a host that begins with ``/`` is a folder with a socket in it."""

    host: str
    port: int

    @property
    def socket_path(self) -> Path | None:
        """The Unix socket, or None for TCP."""
        return Path(self.host) / f".s.PGSQL.{self.port}" if self.host.startswith("/") else None
