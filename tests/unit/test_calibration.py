"""What is noticed of the machine while a run lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from grader.calibration import StallWatch
from grader.history.events import ClockSet, Event
from grader.history.recorder import Clock, Recorder


class Settable(Clock):
    """A clock beside a wall clock that tests set."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def since_epoch(self) -> float:
        return super().since_epoch() - self.ahead


def seen_by(clock: Settable, happen: Callable[[Recorder], None]) -> list[Event]:
    """What a recorder is told of the machine while something happens."""
    recorder = Recorder(clock)
    with StallWatch(clock) as watch:
        watch.listen(recorder)
        happen(recorder)
    return [event for event in recorder.events() if isinstance(event, ClockSet)]


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 0.2])
def test_a_clock_that_is_set_is_told_once_with_by_how_much(seconds: float) -> None:
    clock = Settable()

    def happen(recorder: Recorder) -> None:
        clock.ahead = seconds
        assert recorder.wait_until(lambda events: any(isinstance(e, ClockSet) for e in events), 10.0)

    [event] = seen_by(clock, happen)
    assert isinstance(event, ClockSet)
    assert event.seconds == pytest.approx(seconds, abs=0.02)


def test_a_clock_that_is_kept_right_little_by_little_is_nothing_to_tell() -> None:
    clock = Settable()

    def happen(_recorder: Recorder) -> None:
        for _ in range(40):
            clock.ahead += 0.0005  # ten times as fast as NTP does it
            time.sleep(0.01)

    assert seen_by(clock, happen) == []
