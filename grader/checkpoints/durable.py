"""Where a change of a task is made, and where it becomes durable: learned from one that was seen, then held.

A statement need not show that it writes (``SELECT complete_task(7)``). One that made such a change before does.
"""

from __future__ import annotations

import re

from grader.history.sql import bare, shape
from grader.history.steps import Step
from grader.history.tasks import Change
from grader.history.timeline import History
from grader.wire import WireStep
from grader.wire.steps import SYNC_COMMIT
from grader.wire.transaction import may_write

_COMMITS = re.compile(r"^(commit|end)\b", re.IGNORECASE)
_ENDS = re.compile(r"^(commit|end|rollback|abort)\b", re.IGNORECASE)


def maker(history: History, change: Change) -> str | None:
    """The shape of the statement that made a change; None when it is not in the record."""
    line = next((c for c in history.connections if c.backend_pid == change.row.backend_pid), None)
    if line is None:
        return None
    steps = [s for s in history.steps_of(line.service) if s.connection == line.number and not s.is_setup]

    def distance(step: Step) -> float:
        return max(step.began - change.at, change.at - (step.ended or change.at), 0.0)

    # Of statements that were sent together, the first whose answer came after the change.
    return shape(min(steps, key=distance).sql) if steps else None


class AtChange:
    """Matches the statement that makes the change."""

    def __init__(self, of: str) -> None:
        self._shape = of

    def __call__(self, step: WireStep) -> bool:
        """Whether this step is it."""
        return shape(step.sql) == self._shape


class AtCommit:
    """Matches the step that makes the change durable: COMMIT, a Sync that commits, or the statement itself.

    Keeps in mind which connections have sent the statement, so that each hold needs one of its own.
    """

    def __init__(self, of: str) -> None:
        self._shape = of
        self._open: set[int] = set()

    def __call__(self, step: WireStep) -> bool:
        """Whether this step is it; to be asked about every step, in order."""
        if shape(step.sql) == self._shape:
            # Outside a transaction a write that shows is made durable by a Sync of its own, unless it is a Query;
            # of a write that does not show nobody knows, so that its Sync passes.
            if step.transaction == "I" and (step.would_commit or not may_write(step.sql)):
                return True
            self._open.add(step.connection)
            return False
        if step.connection not in self._open:
            return False
        text = bare(step.sql)
        if step.sql == SYNC_COMMIT or _ENDS.match(text):
            self._open.discard(step.connection)
        return step.sql == SYNC_COMMIT or _COMMITS.match(text) is not None
