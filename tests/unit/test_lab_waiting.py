"""Waiting: what comes, what does not, and what is recorded of a wait that is given up."""

from __future__ import annotations

import threading

import pytest

from grader.history.events import Moment, RowChanged, ServiceExited, WaitTimedOut
from grader.history.recorder import Clock, Recorder
from grader.lab.waiting import Cancelled, Condition, GaveUp, Observer, any_of
from tests.unit.histories import Story

NEVER = Condition("what never comes", lambda _board, _now: False)
ALWAYS = Condition("what is there", lambda _board, _now: True)


def observer(*rows: RowChanged, cancelled: bool = False) -> tuple[Observer, Recorder]:
    """One that finds these changes of rows at its first look."""
    recorder, left = Recorder(Clock()), list(rows)

    def read() -> list[RowChanged]:
        found, left[:] = list(left), []
        return found

    return Observer(recorder, read, lambda: cancelled), recorder


def given_up(recorder: Recorder) -> list[WaitTimedOut]:
    return [event for event in recorder.events() if isinstance(event, WaitTimedOut)]


def started(recorder: Recorder) -> None:
    """A worker is there, and has ended."""
    for event in Story().start("worker-A").events:
        recorder.record(event)
    recorder.record(ServiceExited(at=recorder.clock.now(), service="worker-A", status=1))


def test_what_holds_is_not_waited_for() -> None:
    watching, recorder = observer()
    watching.until(ALWAYS, timeout=0)
    assert watching.comes(ALWAYS, timeout=0)
    assert list(recorder.events()) == []


def test_what_does_not_come_is_given_up_with_how_long_it_was_waited_for() -> None:
    watching, recorder = observer()
    with pytest.raises(GaveUp, match="^what never comes$"):
        watching.until(NEVER, timeout=0.05)
    [wait] = given_up(recorder)
    assert wait.waited_for == "what never comes"
    assert 0.05 <= wait.seconds <= wait.at


def test_a_wait_that_began_in_another_way_counts_from_there() -> None:
    watching, recorder = observer()
    since = recorder.clock.now() - 7.0
    with pytest.raises(GaveUp):
        watching.until(NEVER, timeout=0, since=since)
    [wait] = given_up(recorder)
    assert wait.seconds == pytest.approx(wait.at - since, abs=1e-6)
    assert wait.seconds >= 7.0


def test_what_may_as_well_not_come_leaves_nothing_in_the_record() -> None:
    watching, recorder = observer()
    assert not watching.comes(NEVER, timeout=0)
    assert list(recorder.events()) == []


def test_nothing_is_hoped_of_a_service_that_is_gone() -> None:
    watching, recorder = observer()
    started(recorder)
    with pytest.raises(GaveUp, match=r"a poll \(worker-A had exited\)"):
        watching.until(Condition("a poll", lambda _board, _now: False, by="worker-A"), timeout=60)
    [wait] = given_up(recorder)
    assert wait.seconds < 30


def test_what_a_service_did_before_it_was_gone_has_come() -> None:
    watching, recorder = observer()
    started(recorder)
    assert watching.comes(Condition("its end", lambda board, _now: "worker-A" in board.services, by="worker-A"), 0)


def test_the_end_of_the_run_ends_a_wait() -> None:
    watching, recorder = observer(cancelled=True)
    with pytest.raises(Cancelled):
        watching.until(NEVER, timeout=60)
    with pytest.raises(Cancelled):
        watching.watch(60)
    assert given_up(recorder) == []


def test_rows_are_looked_at_while_it_waits_and_recorded() -> None:
    [row] = [event for event in Story().insert("1", 0.0).events if isinstance(event, RowChanged)]
    watching, recorder = observer(row)
    assert watching.comes(Condition("a task", lambda board, _now: board.status("1") == "pending"), timeout=0)
    assert list(recorder.events()) == [row]


def test_an_event_that_another_thread_records_ends_a_wait() -> None:
    watching, recorder = observer()
    moment = Moment(at=0.0, name="now", detail={})
    other = threading.Timer(0.05, recorder.record, (moment,))
    other.start()
    assert watching.comes(Condition("a moment", lambda _board, _now: moment in recorder.events()), timeout=60)
    other.join()


def test_of_several_conditions_one_is_enough_and_all_are_named() -> None:
    watching, _ = observer()
    assert watching.comes(any_of((NEVER, ALWAYS)), timeout=0)
    with pytest.raises(GaveUp, match="^what never comes or what is there to come$"):
        watching.until(any_of((NEVER, Condition("what is there to come", NEVER.holds))), timeout=0)
