"""From a schedule that broke a rule to the lanes that people read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.explore.rules import Broken
from grader.explore.search import Schedule
from grader.explore.trace import Entry, Line, Trace
from grader.explore.visible import ends_transaction
from grader.history.events import StepEnded
from grader.history.sql import bare
from grader.history.steps import Step
from grader.history.tasks import Change
from grader.history.timeline import History
from grader.history.words import change_words, short
from grader.model import Counterexample, LaneStep

SQL_SHOWN = 400
MESSAGE_SHOWN = 120
MOST_LINES = 60
"""Lines that are kept; of more, the first are left out: what broke the rule is at the end."""


def to_counterexample(
    trace: Trace,
    history: History,
    broken: Broken,
    *,
    lanes: Sequence[str],
    setup: str,
    schedule: Schedule,
    titles: Mapping[str, str],
    replays: int,
) -> Counterexample:
    """The lanes up to the line in which the rule broke. ``titles``: those of the tasks, by id."""
    changes = changes_of(history)
    lines = [line for line in _until(trace.lines, broken.at) if is_shown(line, changes)][-MOST_LINES:]
    steps = [lane_step(n, line, changes, titles) for n, line in enumerate(lines, start=1)]
    spoken = list(dict.fromkeys([*lanes, *(step.lane for step in steps)]))
    where = [
        n
        for n, line in enumerate(lines, start=1)
        for at in (broken.since, broken.at)
        if at is not None and _covers(line, at)
    ]
    numbers = f" (steps {where[0]} and {where[-1]})" if len(where) > 1 else f" (step {where[0]})" if where else ""
    return Counterexample(
        lanes=tuple(spoken),
        steps=tuple(steps),
        setup=setup,
        rule=broken.sentence + numbers,
        schedule=" ".join(schedule),
        replays=replays,
    )


def length_until(trace: Trace, at: float) -> int:
    """How many lines a schedule takes until a moment."""
    return len(_until(trace.lines, at))


def _until(lines: Sequence[Line], at: float) -> list[Line]:
    kept: list[Line] = []
    for line in lines:
        if line.entry.began > at and not line.is_end:
            break
        kept.append(line)
        if line.is_end and line.entry.ended is not None and line.entry.ended >= at >= line.entry.began:
            break
    return kept


def changes_of(history: History) -> list[Change]:
    """The changes of tasks that workers made, in the order in which they were made."""
    found = [change for story in history.stories.values() for change in story.changes if change.service]
    return sorted(found, key=lambda change: change.at)


def is_shown(line: Line, changes: Sequence[Change]) -> bool:
    """Whether a line is worth showing: steps that are no event for anybody else are not, unless they changed a task."""
    return line.entry.step is None or line.entry.number > 0 or bool(_changes_of(line.entry, changes))


def _covers(line: Line, at: float) -> bool:
    entry = line.entry
    if entry.waits_for is not None and not line.is_end:
        return False
    return entry.step is not None and entry.began <= at <= (entry.ended or at)


def _changes_of(entry: Entry, changes: Sequence[Change]) -> list[Change]:
    end = float("inf") if entry.ended is None else entry.ended
    return [
        change
        for change in changes
        if change.row.backend_pid == entry.backend_pid and entry.began <= change.at <= end
    ]


def lane_step(number: int, line: Line, changes: Sequence[Change], titles: Mapping[str, str]) -> LaneStep:
    """One line for people. ``titles``: those of the tasks, by id."""
    entry = line.entry
    is_told = entry.waits_for is None or line.is_end
    return LaneStep(
        number=number,
        lane=entry.lane,
        text=short(bare(entry.text) or entry.text, SQL_SHOWN),
        result=_result(entry, titles) if is_told else "",
        transaction=entry.answer.transaction if is_told and entry.answer is not None else None,
        waits_for=None if is_told else entry.waits_for,
        goes_on=line.is_end,
        changes=tuple(change_words(change) for change in _changes_of(entry, changes)) if is_told else (),
    )


def _result(entry: Entry, titles: Mapping[str, str]) -> str:
    if entry.step is None:
        return ""
    answer = entry.answer
    if answer is None:
        return "" if entry.ended is None else "its connection is gone"
    withheld = "; the answer is withheld" if entry.withheld else ""
    met = [task for task, title in titles.items() if title in answer.values]
    met = met or [task for task in titles if answer.values[:1] == (task,)]
    if met and answer.tag.startswith("SELECT"):
        return f"task {', '.join(met)}{withheld}"
    return answer_words(entry.step.sql, answer) + withheld


def answer_words(sql: str, answer: StepEnded | Step) -> str:
    """What the server answered to a statement, in a few words: ``1 row``, ``nothing found``, ``error 40001: …``."""
    if answer.sqlstate:
        return f"error {answer.sqlstate}: {short(answer.message or '', MESSAGE_SHOWN)}"
    if ends_transaction(sql) and answer.tag == "ROLLBACK":  # also what a failed transaction answers to COMMIT
        return "rolled back"
    if answer.rows is None or ends_transaction(sql):
        return "done"
    if answer.rows == 0 and answer.tag.startswith("SELECT"):
        return "nothing found"
    return f"{answer.rows} row{'s' * (answer.rows != 1)}"
