"""What a board makes of open transactions (grader/history/board.py, which scenarios ask); more in test_history_board.py."""

from __future__ import annotations

from grader.history.board import Board
from tests.unit.histories import Story
from tests.unit.stories import other_connection

A = "worker-A"
POLL = "SELECT id FROM tasks WHERE status = 'pending'"


def test_a_ping_in_an_open_transaction_is_no_work_on_the_task_whose_id_it_happens_to_answer() -> None:
    board = Board()
    for event in other_connection(Story().start(A).insert("1", 0.2), 0.3, "SELECT 1", "T").events:
        board.absorb(event)
    assert not board.works_on(A, "1", frozenset({"1", "title 1"}), quiet=0.1, now=5.0)


def test_a_transaction_that_has_met_a_task_and_is_silent_since_works_on_it() -> None:
    board = Board()
    for event in other_connection(Story().start(A).insert("1", 0.2), 0.3, POLL, "T").events:
        board.absorb(event)
    assert board.works_on(A, "1", frozenset({"1", "title 1"}), quiet=0.1, now=5.0)
