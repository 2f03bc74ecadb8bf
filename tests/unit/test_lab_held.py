"""How long is waited for a held worker."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grader.lab.held import LATE, START, HeldWorker
from grader.services import ServiceProcess
from grader.wire import Relay, Wire, WireStep


class Waits:
    """A wire on which something arrives, or does not; it remembers how long it was to be waited for."""

    def __init__(self) -> None:
        self.arrives: tuple[WireStep, ...] = ()
        self.seconds: list[float] = []

    def run(self, coroutine: Coroutine[Any, Any, Any], seconds: float) -> tuple[WireStep, ...]:
        coroutine.close()
        self.seconds.append(seconds)
        return self.arrives


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def worker(waits: Waits) -> HeldWorker:
    process, relay = cast(ServiceProcess, SimpleNamespace(status=None)), cast(Relay, SimpleNamespace(gate=None))
    return HeldWorker("worker-A", process, relay, cast(Wire, waits), patience=2.0)


def test_a_worker_may_take_long_to_start_and_less_to_come_back(waits: Waits, worker: HeldWorker) -> None:
    assert not worker.arrive()
    assert not worker.arrive()
    waits.arrives = (cast(WireStep, SimpleNamespace()),)
    assert worker.arrive()
    assert worker.arrive()
    first, second, third, fourth = waits.seconds
    assert first == second == third
    assert first - fourth == pytest.approx(2.0 * (START - LATE))


def test_a_time_that_is_given_is_the_time_that_is_waited(waits: Waits, worker: HeldWorker) -> None:
    worker.arrive(1.0)
    waits.arrives = (cast(WireStep, SimpleNamespace()),)
    worker.arrive(1.0)
    assert waits.seconds[0] == waits.seconds[1]
