"""Judging literal histories, for the tests of the checks."""

from __future__ import annotations

import pytest

from grader.checkpoints import all_checks
from grader.judgement import Judgement, NotObserved
from tests.unit.histories import Story

CHECKS = {check.id: check for check in all_checks()}


def judged(check: str, *stories: Story, patience: float = 1.0) -> Judgement:
    """What a check says of these scenarios; in those that are left out nothing happened. Raises NotObserved."""
    left_out = [Story()] * (len(CHECKS[check].on) - len(stories))
    return CHECKS[check].judge(*(story.history(patience) for story in (*stories, *left_out)))


def reason(check: str, *stories: Story) -> str:
    """Why it cannot be judged."""
    with pytest.raises(NotObserved) as raised:
        judged(check, *stories)
    return str(raised.value)
