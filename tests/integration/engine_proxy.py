"""A door to the container engine that can be shut: the engine is gone for whoever came by it, and for nobody else."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path


class EngineProxy:
    """Passes on what comes to a Unix socket, to the engine's own and back, until ``shut``. A context."""

    def __init__(self, path: Path, engine: str) -> None:
        """``engine`` is a URL as Docker has it, of a Unix socket."""
        self.url = f"unix://{path}"
        self._path = path
        self._engine = engine.removeprefix("unix://")
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def __enter__(self) -> EngineProxy:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def open(self) -> None:
        """Let everybody in, from now on."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Cut everybody off, and let nobody in."""
        with self._lock:
            listener, self._listener = self._listener, None
            everybody = [*self._open, *([listener] if listener else [])]
            self._open.clear()
        for each in everybody:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._path.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._engine)
                with self._lock:
                    if self._listener is not listener:
                        client.close()
                        server.close()
                        return
                    self._open |= {client, server}
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):  # the other way may go on: a request can be over before its answer
            target.shutdown(socket.SHUT_WR)
