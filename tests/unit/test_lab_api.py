"""The client of the api-service, against servers that behave in their own ways."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grader.history.events import HttpExchange, WaitTimedOut
from grader.history.recorder import Clock, Recorder
from grader.lab.api import Api
from grader.lab.waiting import GaveUp

ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONGEST_TRICKLE = 5.0
"""Seconds after which the server would give up, so that a client that waits for ever does not: it is found late."""


def trickle(connection: socket.socket, head: bytes) -> None:
    """The head, and then a chunk of a body, or a byte of a head, every moment, for as long as somebody reads."""
    connection.sendall(head)
    end = time.monotonic() + LONGEST_TRICKLE
    connection.settimeout(0.02)
    with suppress(OSError):
        while time.monotonic() < end:
            connection.sendall(b"1\r\nx\r\n" if head else b"H")
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return


def serve(listener: socket.socket) -> None:
    """Answers 500 to GET /bad and closes without a word of it, never to GET /never, below /trickle without end, a byte
    at a time; 200 to anything else.
    """

    def talk(connection: socket.socket) -> None:
        with connection:
            while request := connection.recv(65536):
                if request.startswith(b"GET /bad"):
                    connection.sendall(ERROR)
                    connection.settimeout(0.2)
                    with suppress(TimeoutError):
                        connection.recv(65536)  # too late for this one: it is closed, without an answer
                    return
                if request.startswith(b"GET /trickle"):
                    trickle(connection, CHUNKED if request.startswith(b"GET /trickle/body") else b"")
                    return
                if not request.startswith(b"GET /never"):
                    connection.sendall(FINE)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


@contextmanager
def api(patience: float = 1.0, below: str = "") -> Iterator[tuple[Api, Recorder]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        recorder = Recorder(Clock())
        process = cast(Any, SimpleNamespace(name="api"))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{below}"
        client = Api(process, cast(Any, None), url, recorder, patience)
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


def asks_in_vain(client: Api, path: str, times: int, **how: Any) -> None:
    for _ in range(times):
        assert client.request("GET", path, **how).status is None


def test_a_scenario_gives_up_on_an_api_service_that_leaves_it_waiting_again_and_again() -> None:
    with api(patience=0.005) as (client, recorder):
        asks_in_vain(client, "/never", 3)
        client.request("GET", "/good", timeout=10)
        for _ in range(2):
            with pytest.raises(GaveUp, match="api to answer in time"):
                client.request("GET", "/never")
        [gave_up] = [event for event in recorder.events() if isinstance(event, WaitTimedOut)]
        answers = [event for event in recorder.events() if isinstance(event, HttpExchange)]
    assert (gave_up.waited_for, len(answers)) == ("api to answer in time", 6)
    assert gave_up.seconds >= 0.2


def test_a_request_that_is_given_a_time_of_its_own_may_be_in_vain_as_often_as_one_likes() -> None:
    with api() as (client, recorder):
        asks_in_vain(client, "/never", 6, timeout=0.05)
        assert not any(isinstance(event, WaitTimedOut) for event in recorder.events())


TRICKLES = pytest.mark.parametrize("path", ["/trickle/head", "/trickle/body"])


@TRICKLES
def test_an_answer_that_trickles_has_the_time_of_one_answer(path: str) -> None:
    with api() as (client, recorder):
        answer = client.request("GET", path, timeout=0.2)
        [exchange] = [event for event in recorder.events() if isinstance(event, HttpExchange)]
    assert (answer.status, exchange.error) == (None, "ReadTimeout: timed out")
    assert 0.2 <= exchange.ended_at - exchange.at < LONGEST_TRICKLE


@TRICKLES
def test_answers_that_trickle_come_too_late_like_those_that_do_not_come(path: str) -> None:
    with api(patience=0.005) as (client, _recorder):
        asks_in_vain(client, path, 3)
        with pytest.raises(GaveUp, match="api to answer in time"):
            client.request("GET", path)


@TRICKLES
def test_whoever_answers_without_an_end_does_not_answer(path: str) -> None:
    with api(below=path) as (client, _recorder):
        began = time.monotonic()
        assert not client.answers()
        assert 1.0 <= time.monotonic() - began < LONGEST_TRICKLE


def test_whoever_answers_is_seen_to_answer() -> None:
    with api() as (client, _recorder):
        assert client.answers()
