"""An api-service under observation."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx

from grader.history.events import HttpExchange, WaitTimedOut
from grader.history.recorder import Recorder
from grader.lab.transport import transport_in, within
from grader.lab.waiting import GaveUp
from grader.services import Network, ServiceProcess
from grader.services.networks import MachineNetwork
from grader.wire import Relay

_BODY_LIMIT = 256 * 1024
"""Characters of an answer that are kept: enough for a hundred tasks with wide rows; judging needs no more."""


LONGEST_ANSWER = 10.0
"""Seconds (times patience) that a client waits for an answer, unless it is told otherwise."""

_SLOW = 5.0
"""Seconds (times patience) from which on a request was slow. Nobody holds one up for so long, and it may take a moment."""

_MOST_SLOW = 4
"""Slow requests after which a scenario gives up: it sends dozens, and nobody wants to wait for all of them."""


class Answer:
    """What came back: the exchange as recorded, and its body as JSON where it is some."""

    def __init__(self, exchange: HttpExchange) -> None:
        self.exchange = exchange
        self.status = exchange.status

    @property
    def json(self) -> Any:
        """The body's JSON value; None when it is not JSON."""
        try:
            return json.loads(self.exchange.body)
        except ValueError:
            return None

    @property
    def task_id(self) -> str | None:
        """The id of the task in the body, as text."""
        body = self.json
        found = body.get("id") if isinstance(body, dict) else None
        return None if found is None or isinstance(found, bool | dict | list) else str(found)


class Api:
    """One instance, and a client that keeps its connections alive between requests."""

    def __init__(
        self,
        process: ServiceProcess,
        relay: Relay,
        base_url: str,
        recorder: Recorder,
        patience: float,
        network: Network | None = None,
    ) -> None:
        self.name = process.name
        self.process = process
        self.relay = relay
        self._recorder = recorder
        self._base_url = base_url
        self._patience = patience
        self._network = network if network is not None else MachineNetwork()
        self._client = self._new_client()
        self._left: list[httpx.Client] = []
        self._changing = threading.Lock()
        self._slow: list[HttpExchange] = []

    def _new_client(self) -> httpx.Client:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        transport = transport_in(self._network, limits)
        return httpx.Client(base_url=self._base_url, trust_env=False, verify=False, transport=transport)

    def close(self) -> None:
        """Close the client's connections."""
        for client in (self._client, *self._left):
            client.close()

    def _leave_connections(self, client: httpx.Client) -> None:
        # Many servers close a connection after an error of theirs, and do not say so: the next request would find
        # it closed, and would look as if it were the one that failed.
        with self._changing:
            if client is self._client:
                self._left.append(client)
                self._client = self._new_client()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """One request, recorded with its answer. ``body`` is sent as JSON, ``raw`` as it is, as if it were JSON.

        No whole answer within ``timeout`` seconds is an answer without status. Where no ``timeout`` is given, which
        expects an answer soon, raises GaveUp, after recording it, once too many requests had to wait long. Safe to
        call from several threads.
        """
        longest = LONGEST_ANSWER * self._patience if timeout is None else timeout
        content = raw if raw is not None else None if body is None else json.dumps(body).encode("ascii")
        headers = {} if content is None else {"content-type": "application/json"}
        began = self._recorder.clock.now()
        status, content_type, text, error = None, None, "", None
        is_slow = False
        client = self._client
        try:
            with (
                within(longest),
                client.stream(method, path, content=content, headers=headers, timeout=longest) as response,
            ):
                status, content_type = response.status_code, response.headers.get("content-type")
                if status >= 500:
                    self._leave_connections(client)
                text = _bounded(response)
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            status, error = None, f"{type(problem).__name__}: {problem}"
            is_slow = isinstance(problem, httpx.TimeoutException)
        exchange = HttpExchange(
            at=began,
            service=self.name,
            method=method,
            path=path,
            request=None if content is None else content.decode("utf-8", "replace")[:2000],
            status=status,
            content_type=content_type,
            body=text,
            error=error,
            ended_at=self._recorder.clock.now(),
        )
        self._recorder.record(exchange)
        if timeout is None and (is_slow or exchange.ended_at - began >= _SLOW * self._patience):
            self._add_slow(exchange)
        return Answer(exchange)

    def _add_slow(self, exchange: HttpExchange) -> None:
        with self._changing:
            self._slow.append(exchange)
            count = len(self._slow)
        if count < _MOST_SLOW:
            return
        what = f"{self.name} to answer in time"
        if count == _MOST_SLOW:
            waited = sum(each.ended_at - each.at for each in self._slow)
            self._recorder.record(WaitTimedOut(at=exchange.ended_at, waited_for=what, seconds=round(waited, 6)))
        raise GaveUp(what)

    def answers(self) -> bool:
        """Whether it answers HTTP at all, within a second; not recorded."""
        try:
            with within(1.0), self._client.stream("GET", "/health", timeout=1.0) as response:
                _bounded(response)
        except httpx.HTTPError:
            return False
        return True


def _bounded(response: httpx.Response) -> str:
    kept = ""
    for piece in response.iter_text():
        kept += piece
        if len(kept) > _BODY_LIMIT:
            break
    return kept[:_BODY_LIMIT]
