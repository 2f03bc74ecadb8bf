"""The one clock of a run, and the recorder that wakes whoever waits."""

from __future__ import annotations

import threading
import time

from grader.history.events import Moment
from grader.history.recorder import Clock, Recorder


def moment(name: str) -> Moment:
    return Moment(at=0.0, name=name, detail={})


def test_a_reading_of_the_wall_clock_becomes_one_of_this_clock() -> None:
    clock = Clock()
    offset = clock.since_epoch()
    before, wall, after = clock.now(), time.time(), clock.now()
    assert before - 0.01 <= wall + offset <= after + 0.01


def test_who_waits_for_more_is_told_at_once_of_what_has_come() -> None:
    recorder = Recorder(Clock())
    for name in ("one", "two"):
        recorder.record(moment(name))
    began = time.monotonic()
    assert recorder.wait_for_more(0, timeout=60) == 2
    assert recorder.wait_for_more(1, timeout=60) == 2
    assert time.monotonic() - began < 30


def test_who_waits_for_more_in_vain_is_told_how_many_there_are() -> None:
    recorder = Recorder(Clock())
    recorder.record(moment("one"))
    assert recorder.wait_for_more(1, timeout=0) == 1


def test_a_waiter_is_woken_by_the_event_that_it_waits_for() -> None:
    recorder = Recorder(Clock())
    other = threading.Timer(0.05, recorder.record, (moment("now"),))
    other.start()
    assert recorder.wait_until(lambda events: any(e == moment("now") for e in events), timeout=60)
    other.join()
    assert not recorder.wait_until(lambda events: len(events) > 1, timeout=0)


def test_events_are_given_from_an_index_on_and_forgotten_when_they_are_drained() -> None:
    recorder = Recorder(Clock())
    for name in ("one", "two"):
        recorder.record(moment(name))
    assert list(recorder.events()) == [moment("one"), moment("two")]
    assert list(recorder.events(1)) == [moment("two")]
    assert recorder.drain() == [moment("one"), moment("two")]
    assert list(recorder.events()) == []
