"""The present state of a scenario, folded from its events one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.history.board import Board
from grader.history.events import ConnectionClosed, RowChanged, StepEnded
from grader.history.timeline import History
from tests.unit.histories import PIDS, Story

A, B = "worker-A", "worker-B"
LOOK = "SELECT id FROM tasks FOR UPDATE SKIP LOCKED"


def board(story: Story) -> Board:
    made = Board()
    for event in sorted(story.events, key=lambda event: event.at):
        made.absorb(event)
    return made


def two() -> Story:
    return Story().start(A).start(B).insert("1", 1.0)


def works(made: Board, service: str, now: float = 9.0) -> bool:
    return made.works_on(service, "1", frozenset({"1", "title 1"}), 0.1, now)


def test_who_claimed_a_task_works_on_it_until_it_is_over() -> None:
    story = two()
    assert not works(board(story), A)
    claimed = board(story.claim("1", 2.0, A))
    assert (works(claimed, A), works(claimed, B)) == (True, False)
    assert not works(board(story.complete("1", 3.0, A)), A)


def test_a_sign_of_life_of_somebody_else_claims_nothing() -> None:
    made = board(two().claim("1", 2.0, A).update("1", 2.5, B, description="seen"))
    assert (works(made, A), works(made, B)) == (True, False)


def test_another_owner_in_a_task_in_hand_is_a_claim() -> None:
    made = board(two().claim("1", 2.0, A).claim("1", 2.5, B))
    assert (works(made, A), works(made, B)) == (False, True)


def test_what_the_grader_sets_is_nobodys_claim() -> None:
    story = two().claim("1", 2.0, A)
    [*_, claim] = [event for event in story.events if isinstance(event, RowChanged)]
    story.events[story.events.index(claim)] = replace(claim, by_grader=True)
    assert not works(board(story), A)


def test_a_row_that_is_gone_has_no_status() -> None:
    assert board(two()).status("1") == "pending"
    assert board(two().delete("1", 2.0, A)).status("1") is None


def held(*values: str, after: str = "T") -> Story:
    """A looks at 2, and its transaction stays open."""
    story = two().step(A, 2.0, LOOK, after=after)
    [answer] = [event for event in story.events if isinstance(event, StepEnded)]
    story.events[story.events.index(answer)] = replace(answer, values=values)
    return story


@pytest.mark.parametrize(
    ("story", "now", "holds"),
    [
        (held("1", "title 1"), 2.2, True),
        (held("title 1"), 2.2, True),
        (held("1"), 2.05, False),
        (held("2"), 2.2, False),
        (held("1", after="I"), 2.2, False),
        (held("1", after="E"), 2.2, False),
    ],
)
def test_a_transaction_that_met_the_task_and_is_left_open_is_work_on_it(
    story: Story, now: float, holds: bool
) -> None:
    assert works(board(story), A, now) is holds


def test_a_quiet_worker_is_one_that_has_looked_and_sends_nothing() -> None:
    assert not board(two()).is_quiet(A, 0.1, 9.0)
    looked = board(two().step(A, 2.0, LOOK))
    assert not looked.is_quiet(A, 0.1, 2.05)
    assert looked.is_quiet(A, 0.1, 2.2)
    assert not looked.is_quiet(B, 0.1, 2.2)


def test_connections_are_open_from_the_login_until_they_are_closed_each_for_its_service() -> None:
    story = Story().start(A, 1.0).start(B, 5.0)
    story.add(ConnectionClosed(at=3.0, service=A, connection=PIDS[A], by="terminate"))
    history: History = story.history()
    for at, count in ((0.9, 0), (1.015, 0), (1.02, 1), (2.9, 1), (3.0, 0), (9.0, 0)):
        assert len(history.open_connections(A, at)) == count, at
    assert [len(history.open_connections(B, at)) for at in (2.0, 9.0)] == [0, 1]
