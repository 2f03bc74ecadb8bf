"""What counts as a task taken twice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from grader.history.tasks import Story
from grader.history.timeline import History


@dataclass(frozen=True, slots=True)
class DoubleClaim:
    """Two workers took one task, and nothing in between gave the second one a right to it."""

    task: str
    first: str
    second: str
    at: float


def double_claims(history: History, story: Story, timeout: float | None = None) -> list[DoubleClaim]:
    """Every claim of a task that another worker still held.

    Not one: a claim after the holder's process ended, after an attempt of the holder's failed (it put the task
    back, or set ``failed``), or after ``timeout`` seconds without a sign of life of the holder.
    """
    found = []
    for first, second in pairwise(story.claims):
        if first.service == second.service:
            continue
        exit_ = history.exited(first.service)
        died = exit_ is not None and exit_.at <= second.at
        gave_back = any(c.service == first.service and first.at < c.at <= second.at for c in story.failures)
        life = story.last_sign_of_life(first.service, second.at) or first.at
        expired = timeout is not None and second.at - life >= 0.9 * timeout
        if not (died or gave_back or expired):
            found.append(DoubleClaim(story.task, first.service, second.service, second.at))
    return found
