"""How often a worker polls, found out from literal histories."""

from __future__ import annotations

import pytest

from grader.checkpoints.polls import rhythms
from grader.history.timeline import History
from tests.unit.histories import Story


def polling(interval: float, loops: int = 1, statements: int = 2) -> History:
    story = Story().start("worker-A")
    for n in range(int(4 / interval)):
        for loop in range(loops):
            for statement in range(statements):
                at = 1.0 + n * interval + loop * interval / loops + statement * 0.002
                story.step("worker-A", at, f"SELECT {17 + statement} FROM tasks")
    return story.history()


@pytest.mark.parametrize("interval", [0.25, 1.0])
@pytest.mark.parametrize("statements", [1, 3])
def test_the_interval_of_a_loop_is_found_whatever_a_poll_consists_of(interval: float, statements: int) -> None:
    found = rhythms(polling(interval, statements=statements), "worker-A", 0, 10)
    assert found["all"].interval == pytest.approx(interval, abs=0.01)


def test_two_loops_with_one_interval_fit_when_every_second_poll_is_counted() -> None:
    found = rhythms(polling(1.0, loops=2), "worker-A", 0, 10)
    assert not found["all"].fits(1.0, 1.0)
    assert any(r.fits(1.0, 1.0) for r in found.values())


def test_a_loop_that_spins_fits_no_interval_in_any_way() -> None:
    found = rhythms(polling(0.01, statements=1), "worker-A", 0, 10)
    assert not any(r.fits(1.0, 1.0) or r.fits(0.25, 1.0) for r in found.values())
    assert found["all"].words == "without a pause"


def test_fewer_than_three_polls_have_no_interval() -> None:
    for polls in (Story().start("worker-A").history(), polling(4.0)):
        found = rhythms(polls, "worker-A", 0, 10)["all"]
        assert (found.interval, found.words) == (None, "fewer than three times")
