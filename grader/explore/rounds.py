"""When a worker may be left asleep: it has looked, found nothing, and nothing has changed since.

Without this a search would not end, since a worker polls for ever. A *round* is recognised without knowing how a
submission polls: outside of any work in progress, a statement that the worker has begun a transaction with before,
after the same one as this time (a pool may send one and the same statement after each), means that it came round
once, and nothing that it could see has changed since that time. Pure.
"""

from __future__ import annotations

from typing import Final

from grader.explore.visible import ended_transaction, is_plumbing
from grader.history.events import StepEnded
from grader.history.sql import shape
from grader.wire import WireStep

SAME_TEXT: Final = 3
"""So often the same text with other values in it (a client's clock, say) counts as the same statement."""

WITH_A_TASK: Final = 8
"""So many rounds a worker may go with a task in hand: it may look at that task again and again while it works."""

LONGEST: Final = 24
"""Transactions of one round at most, whatever they look like."""

Chain = tuple[tuple[str, str], ...]
"""A transaction's statements and what came of each."""


class Talk:
    """One connection's transaction, as far as it has come."""

    def __init__(self) -> None:
        self.chain: list[tuple[str, str]] = []
        self.touched = False
        """A statement of it found, changed or locked something, as far as its answer shows."""

    @property
    def is_fresh(self) -> bool:
        """No statement that could see a task has run in it."""
        return not self.chain

    def add(self, step: WireStep, answer: StepEnded) -> Chain | None:
        """Take in an answered step; the whole transaction if it is over with it."""
        if not is_plumbing(step.sql):
            self.chain.append((step.sql, answer.tag or answer.sqlstate or ""))
            self.touched = self.touched or answer.rows != 0
        if not ended_transaction(step.sql, answer):
            return None
        chain = tuple(self.chain)
        self.chain.clear()
        return chain


class Rounds:
    """What one worker has looked at since something changed."""

    def __init__(self) -> None:
        self.previous = ""
        """The statement that it sent last."""
        self._seen: dict[tuple[str, str, tuple[str, ...]], int] = {}
        self._texts: dict[tuple[str, str], int] = {}
        self._released: set[Chain] = set()
        self._begun = 0

    def sleeps_at(self, step: WireStep, talk: Talk, *, has_task: bool = False) -> bool:
        """Whether this step would begin a round that shows the worker what it has seen already.

        ``has_task``: it has claimed a task that has not come to its end.
        """
        if not talk.is_fresh or is_plumbing(step.sql):
            return False
        rounds = WITH_A_TASK if has_task else 1
        return (
            self._seen.get((self.previous, step.sql, step.parameters), 0) >= rounds
            or self._texts.get((shape(self.previous), shape(step.sql)), 0) >= SAME_TEXT * rounds
            or self._begun >= LONGEST * rounds
        )

    def begins(self, step: WireStep, talk: Talk) -> None:
        """Note a step that is let go."""
        if is_plumbing(step.sql):
            return
        if talk.is_fresh:
            exact, rough = (self.previous, step.sql, step.parameters), (shape(self.previous), shape(step.sql))
            self._seen[exact] = self._seen.get(exact, 0) + 1
            self._texts[rough] = self._texts.get(rough, 0) + 1
            self._begun += 1
        self.previous = step.sql

    def releases(self, chain: Chain) -> bool:
        """Whether a transaction of this worker's that changed no task may still let others find something.

        It gave back the locks that it had. One that is the same as before does not count twice: else two workers
        that keep a list of themselves in a table would wake each other for ever.
        """
        if chain in self._released:
            return False
        self._released.add(chain)
        return True

    def wake(self) -> None:
        """Something may be there now: look again."""
        self._seen.clear()
        self._texts.clear()
        self._begun = 0

    def task_changed(self) -> None:
        """A task changed, for everybody to see."""
        self.wake()
        self._released.clear()
