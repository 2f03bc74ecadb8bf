"""When a worker may be left asleep: it has looked, found nothing, and nothing has changed since.

Without this a search would not end, since a worker polls for ever. A *round* is recognised without knowing how a
submission polls: outside of any work in progress, a statement that the worker has begun a transaction with before
means that it came round once, and nothing that it could see has changed since that time. Pure.
"""

from __future__ import annotations

from typing import Final

from grader.explore.visible import is_plumbing
from grader.history.events import StepEnded
from grader.wire import SYNC_COMMIT, WireStep

SAME_TEXT: Final = 3
"""So often the same text with other parameters (a client's clock, say) counts as the same statement."""

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
        if answer.transaction != "I" and step.sql != SYNC_COMMIT:
            return None
        chain = tuple(self.chain)
        self.chain.clear()
        return chain


class Rounds:
    """What one worker has looked at since something changed."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, tuple[str, ...]]] = set()
        self._texts: dict[str, int] = {}
        self._released: set[Chain] = set()
        self._begun = 0

    def sleeps_at(self, step: WireStep, talk: Talk) -> bool:
        """Whether this step would begin a round that shows the worker what it has seen already."""
        if not talk.is_fresh or is_plumbing(step.sql):
            return False
        return (
            (step.sql, step.parameters) in self._seen
            or self._texts.get(step.sql, 0) >= SAME_TEXT
            or self._begun >= LONGEST
        )

    def begins(self, step: WireStep, talk: Talk) -> None:
        """Note a step that is let go."""
        if talk.is_fresh and not is_plumbing(step.sql):
            self._seen.add((step.sql, step.parameters))
            self._texts[step.sql] = self._texts.get(step.sql, 0) + 1
            self._begun += 1

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
