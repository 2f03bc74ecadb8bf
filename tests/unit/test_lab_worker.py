"""What a scenario waits for of a worker, on a board that is put together by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from grader.history.board import Board
from grader.lab.worker import Worker
from tests.unit.histories import Story

POLL = "SELECT id FROM tasks WHERE status = 'pending'"


def polled(board: Board, times: int, every: float) -> float:
    """The worker looks for tasks so often; when its last poll ended."""
    story = Story().start("worker-A")
    for number in range(times):
        story.step("worker-A", 1.0 + number * every, POLL)
    for event in sorted(story.events, key=lambda event: event.at):
        board.absorb(event)
    return story.events[-1].at + 0.001


def worker(board: Board) -> Worker:
    nothing: Any = None
    observer = SimpleNamespace(board=board, look=lambda: None)
    return Worker(cast(Any, SimpleNamespace(name="worker-A")), nothing, cast(Any, observer), nothing, 1.0)


@pytest.mark.parametrize(("later", "holds"), [(0.02, False), (0.04, True)])
def test_a_worker_has_looked_once_it_is_quiet_after_a_poll(later: float, holds: bool) -> None:
    board = Board()
    condition = worker(board).has_looked()
    assert condition.holds(board, polled(board, 1, 0.3) + later) is holds


@pytest.mark.parametrize(("times", "holds"), [(1, False), (40, False), (41, True), (200, True)])
def test_a_worker_that_never_goes_quiet_has_looked_when_it_did_so_very_often(times: int, holds: bool) -> None:
    board = Board()
    condition = worker(board).has_looked()
    assert condition.holds(board, polled(board, times, 0.003)) is holds


def test_what_was_sent_before_does_not_count() -> None:
    board = Board()
    end = polled(board, 100, 0.003)
    assert not worker(board).has_looked().holds(board, end + 1)
