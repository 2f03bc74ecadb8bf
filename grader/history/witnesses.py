"""Where the two witnesses of a scenario disagree: the audit in the database, and the wire before it. Pure.

Every change of a task that a service makes passes the wire as a statement, and is put down by the audit. A change
without a statement came by another way; a statement without its change was hidden from the audit. Either way the record
is not what happened, and nobody's points may come of it. What only one of them can tell (a function's doings, a
statement whose answer never came) proves nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grader.history.events import ConnectionReady, RowChanged
from grader.history.sql import bare, returns_to_savepoint
from grader.history.steps import Step
from grader.history.timeline import History
from grader.model import Evidence

CLOCK_TOLERANCE = 0.25
"""Seconds by which the database's clock, turned into the grader's, may be off: another machine's is known only to half
of a round trip."""

_CHANGES_TASKS = re.compile(
    r'^(?P<verb>insert\s+into|update(?:\s+only)?|delete\s+from(?:\s+only)?)\s+(?:"?public"?\s*\.\s*)?"?tasks"?(?=[\s(;]|$)',
    re.IGNORECASE,
)
_PREPARES = re.compile(r"^prepare\s+transaction\b", re.IGNORECASE)
_MOST = 5
"""Lines of evidence; more add nothing."""


@dataclass(slots=True)
class _Transaction:
    """Statements of one connection that became durable together, or not at all."""

    steps: list[Step] = field(default_factory=list)
    is_known: bool = True

    @property
    def committed(self) -> bool:
        return self.is_known and bool(self.steps) and self.steps[-1].committed


def disagreements(history: History) -> tuple[Evidence, ...]:
    """What the audit and the wire say differently, each as a line of evidence; nothing where they agree."""
    backends = {ready.backend_pid: (ready.service, ready.connection) for ready in history.of(ConnectionReady)}
    if not backends:
        return ()  # nothing of the wire is in this record
    steps: dict[tuple[str, int], list[Step]] = {}
    for step in history.steps:
        steps.setdefault((step.service, step.connection), []).append(step)
    found = [*_without_statement(history, backends, steps), *_without_change(history, backends, steps)]
    return tuple(sorted(found, key=lambda evidence: evidence.at)[:_MOST])


def _without_statement(
    history: History, backends: Mapping[int, tuple[str, int]], steps: Mapping[tuple[str, int], Sequence[Step]]
) -> Iterator[Evidence]:
    for change in history.of(RowChanged):
        if change.by_grader:
            continue
        words = f"the audit has {_WORDS[change.operation]} of task {change.task}"
        who = backends.get(change.backend_pid)
        if who is None:
            yield Evidence(
                change.at, f"{words} by server process {change.backend_pid}, which no connection of a service has"
            )
        elif not any(_is_during(step, change.at) for step in steps.get(who, ())):
            yield Evidence(change.at, f"{words}, and no statement was under way on that connection", who[0])


def _is_during(step: Step, at: float) -> bool:
    return step.began - CLOCK_TOLERANCE <= at and (step.ended is None or at <= step.ended + CLOCK_TOLERANCE)


_WORDS = {"insert": "an insert", "update": "an update", "delete": "a delete", "truncate": "a truncate"}


def _without_change(
    history: History, backends: Mapping[int, tuple[str, int]], steps: Mapping[tuple[str, int], Sequence[Step]]
) -> Iterator[Evidence]:
    changes: dict[tuple[str, int], list[RowChanged]] = {}
    for change in history.of(RowChanged):
        if (who := backends.get(change.backend_pid)) is not None and not change.by_grader:
            changes.setdefault(who, []).append(change)
    for who, of_connection in steps.items():
        for transaction in _transactions(of_connection):
            first, last = transaction.steps[0], transaction.steps[-1]
            if not transaction.committed or last.ended is None:
                continue
            said = sum(_rows_of_tasks(step) for step in transaction.steps)
            begin, end = first.began - CLOCK_TOLERANCE, last.ended + CLOCK_TOLERANCE
            kept = sum(1 for change in changes.get(who, ()) if begin <= change.at <= end)
            if kept < said:
                shown = next(step for step in transaction.steps if _rows_of_tasks(step))
                text = f"{shown.tag} of tasks went over the wire, and the audit has {kept} of {said} changes: {bare(shown.sql)[:200]}"
                yield Evidence(shown.began, text, who[0])


def _rows_of_tasks(step: Step) -> int:
    """How many rows of ``tasks`` a statement says it changed, where its text leaves no doubt."""
    text = bare(step.sql).rstrip("; ")
    if step.sqlstate is not None or step.rows is None or ";" in text or not _CHANGES_TASKS.match(text):
        return 0
    return step.rows


def _transactions(steps: Sequence[Step]) -> Iterator[_Transaction]:
    """The steps of a connection, by transaction; one that is not over is left out."""
    current = _Transaction()
    for step in steps:
        current.steps.append(step)
        undoes_part = returns_to_savepoint(step.sql) or _PREPARES.match(bare(step.sql))
        if step.sqlstate is not None or step.ended is None or undoes_part:
            current.is_known = False
        if step.ended is not None and step.state_after == "I":
            yield current
            current = _Transaction()
