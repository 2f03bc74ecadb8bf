"""The client of the api-service, against servers that behave in their own ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

from grader.history.events import HttpExchange
from grader.history.recorder import Clock, Recorder
from grader.lab.api import Api

ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def serve(listener: socket.socket) -> None:
    """Answers 500 to GET /bad and closes without a word of it; 200 to anything else, and keeps the connection."""

    def talk(connection: socket.socket) -> None:
        with connection:
            while request := connection.recv(65536):
                if request.startswith(b"GET /bad"):
                    connection.sendall(ERROR)
                    connection.settimeout(0.2)
                    with suppress(TimeoutError):
                        connection.recv(65536)  # too late for this one: it is closed, without an answer
                    return
                connection.sendall(FINE)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


@contextmanager
def api() -> Iterator[tuple[Api, Recorder]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        recorder = Recorder(Clock())
        process = cast(Any, SimpleNamespace(name="api"))
        client = Api(process, cast(Any, None), f"http://127.0.0.1:{listener.getsockname()[1]}", recorder)
        try:
            yield client, recorder
        finally:
            client.close()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_request_after_an_error_that_closed_the_connection_is_answered() -> None:
    with api() as (client, recorder):
        for _ in range(3):
            client.request("GET", "/bad")
            client.request("GET", "/good")
        answers = [event for event in recorder.events() if isinstance(event, HttpExchange)]
    assert [answer.status for answer in answers] == [500, 200] * 3
