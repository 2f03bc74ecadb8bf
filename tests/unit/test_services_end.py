"""The end of a service against what goes on meanwhile, step by step: no thread, no process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from grader.history.events import ChildrenLeft, LimitHit, ServiceExited
from grader.history.recorder import Clock, Recorder
from grader.services.isolation import Running
from grader.services.limits import Limits
from grader.services.process import ServiceProcess
from grader.services.reader import Reader

MEMORY = "memory: all its processes together may use 1 GiB"


class ByHand:
    """A reader whose callbacks are called by a test."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}
        self.later_on: list[Callable[[], None]] = []

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        self.watched[descriptor] = readable

    def resume(self, descriptor: int, readable: Callable[[], None]) -> None:
        self.watched[descriptor] = readable

    def forget(self, descriptor: int) -> None:
        self.watched.pop(descriptor, None)

    def later(self, _seconds: float, action: Callable[[], None]) -> None:
        self.later_on.append(action)

    def call(self, action: Callable[[], None]) -> None:
        action()

    def time_passes(self) -> None:
        waiting, self.later_on = self.later_on, []
        for action in waiting:
            action()


class Literal:
    """A command that lives until it is killed, and what the kernel and its family say of it."""

    pid = 4711

    def __init__(self, reader: ByHand) -> None:
        self.reader = reader
        self.stdout, self.writes_to = os.pipe()
        self.stderr, self._error = os.pipe()
        self.exit_notice, self._life = os.pipe()
        os.set_blocking(self.stdout, False)
        os.set_blocking(self.stderr, False)
        self.status: int | None = None
        self.hit: list[str] = []
        self.family: list[str] = []
        self.got: list[signal.Signals] = []
        self.is_closed = False

    def gone(self) -> bool:
        return self.status is not None

    def collect(self) -> int:
        return self.status or 0

    def send(self, number: signal.Signals) -> None:
        assert not self.is_closed, "a signal through a descriptor that is closed"
        self.got.append(number)

    def others(self) -> list[str]:
        return self.family

    def limits_hit(self) -> list[str]:
        return self.hit

    def exits(self, status: int) -> None:
        self.status = status
        self.reader.watched[self.exit_notice]()

    def kill(self) -> None:
        if self.status is None:
            self.exits(-signal.SIGKILL)

    def close(self) -> None:
        """To give back what it held takes a while, in which the pause of a loud service may end."""
        self.is_closed = True
        self.reader.time_passes()

    def release(self) -> None:
        for descriptor in (self.stdout, self.writes_to, self.stderr, self._error, self.exit_notice, self._life):
            os.close(descriptor)


@pytest.fixture
def running() -> Iterator[Literal]:
    running = Literal(ByHand())
    yield running
    running.release()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Clock())


@pytest.fixture
def process(running: Literal, recorder: Recorder) -> ServiceProcess:
    reader = cast(Reader, running.reader)
    process = ServiceProcess(
        "worker-A", cast(Running, running), recorder, reader, lambda _: None, Limits(log_rate=1)
    )
    process.listen()
    return process


def limits_of(recorder: Recorder) -> list[str]:
    return [event.limit for event in recorder.events() if isinstance(event, LimitHit)]


def test_a_pause_that_ends_while_the_service_is_closed_does_not_listen_again(
    process: ServiceProcess, running: Literal
) -> None:
    os.write(running.writes_to, b"more than the rate allows\n")
    running.reader.watched[running.stdout]()
    assert running.stdout not in running.reader.watched
    assert running.reader.later_on
    process.end()
    assert running.reader.watched == {}


def test_a_pause_that_ends_before_lets_it_be_listened_to_again(process: ServiceProcess, running: Literal) -> None:
    os.write(running.writes_to, b"more than the rate allows\n")
    running.reader.watched[running.stdout]()
    running.reader.time_passes()
    assert running.stdout in running.reader.watched


def test_a_limit_that_is_noticed_after_the_end_is_neither_recorded_nor_acted_upon(
    process: ServiceProcess, running: Literal, recorder: Recorder
) -> None:
    process.end()
    recorded, got = recorder.events(), list(running.got)
    process.limit_hit(MEMORY)
    assert recorder.events() == recorded
    assert running.got == got


def test_a_limit_is_recorded_once_however_often_it_is_noticed(
    process: ServiceProcess, running: Literal, recorder: Recorder
) -> None:
    process.limit_hit(MEMORY)
    process.limit_hit(MEMORY)
    running.hit = [MEMORY]
    running.exits(-signal.SIGKILL)
    process.limit_hit(MEMORY)
    assert limits_of(recorder) == [MEMORY]
    assert running.got == [signal.SIGKILL]


def test_what_the_kernel_says_at_the_exit_is_recorded_before_it_and_once(
    process: ServiceProcess, running: Literal, recorder: Recorder
) -> None:
    running.hit = [MEMORY]
    running.exits(-signal.SIGKILL)
    process.limit_hit(MEMORY)
    assert [type(event) for event in recorder.events()] == [LimitHit, ServiceExited]


def test_children_that_are_looked_for_after_the_end_are_not_recorded(
    process: ServiceProcess, running: Literal, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by itself just when it is to be killed; whoever is found later has its number by chance."""

    def ends_at_this_moment() -> bool:
        monkeypatch.undo()
        running.family = ["somebody else's"]
        running.exits(0)
        return False

    monkeypatch.setattr(running, "gone", ends_at_this_moment)
    process.end()
    assert running.reader.later_on == []
    assert [event for event in recorder.events() if isinstance(event, ChildrenLeft)] == []
