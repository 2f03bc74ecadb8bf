"""The bad requests: what is sent at all."""

from __future__ import annotations

from grader.checkpoints.requests import BAD_REQUESTS
from tests.unit.stories import PUTS


def test_bad_titles_and_descriptions_are_put_into_a_task_that_is_there() -> None:
    there = [bad for bad in PUTS if bad.path.format(task="8") == "/tasks/8"]
    assert {bad.what for bad in PUTS} - {bad.what for bad in there} == {"an id that is none"}
    assert {bad.body for bad in there} <= {bad.body for bad in BAD_REQUESTS if bad.method == "POST"}
    assert len(there) >= 5
