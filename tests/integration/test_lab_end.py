"""A worker that a scenario ends is gone with all that it started, and had its time to stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.history.events import SignalSent
from grader.history.recorder import Clock
from grader.postgres import Server
from tests.integration.test_explore_misfits import left_over
from tests.integration.test_explore_walks import SOLUTION, MakeLab, labs
from tests.zoo.submissions import all_wrong, make_wrong


@pytest.fixture
def make_lab(embedded_server: Server, clock: Clock) -> Iterator[MakeLab]:
    with labs(embedded_server, clock) as make:
        yield make


def test_a_worker_behind_a_wrapper_that_passes_no_signal_on_is_gone(make_lab: MakeLab, tmp_path: Path) -> None:
    [fault] = [each for each in all_wrong() if each.name == "wrapper-without-exec"]
    lab = make_lab(make_wrong(fault, tmp_path))
    worker = lab.start_worker(poll=0.1, duration=0.0)
    lab.stop(worker)
    assert left_over(lab), "the worker lives on behind its wrapper"
    lab.end(worker, grace=60)
    assert left_over(lab) == []


def test_a_worker_that_stops_by_itself_has_the_time_to(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    worker = lab.start_worker(poll=0.1, duration=0.5)
    [task] = lab.insert_tasks(1)
    lab.wait_until(worker.works_on(task))
    lab.end(worker, grace=60)
    assert (lab.status_of(task), worker.process.status) == ("completed", 0)


def test_a_worker_that_is_gone_already_is_sent_no_signal(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    worker = lab.start_worker(poll=0.1, duration=0.0)
    lab.stop(worker)
    lab.end(worker, grace=60)
    assert len([event for event in lab.events() if isinstance(event, SignalSent)]) == 1
