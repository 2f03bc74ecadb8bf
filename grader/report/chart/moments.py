"""What a scenario noted, in words. A name that is not known here is shown as it is, with what it says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grader.history.events import Json

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "scenario-over": "the scenario is over: what still runs is ended now",
        "row-locked": "the grader locks the row of task {task}",
        "row-let-go": "the grader lets the row go",
        "table-locked": "the grader locks the table",
        "database-gone": "the grader takes the database away",
        "database-back": "the database is back",
        "claim-held": "the grader holds a claim back on its way",
        "commit-held": "the grader holds a COMMIT back on its way",
        "commit-cut": "the grader cuts the connection before a COMMIT arrives",
        "answer-withheld": "the grader withholds the answer to a completion",
        "answer-given": "the withheld answer is given",
        "held": "the grader holds a claim of task {task} open",
        "let-go": "the grader lets what it held back go on",
        "cut": "the grader cuts a connection in the middle of a claim of task {task}",
        "killed": "{victim} is killed with task {task} in hand; {other} goes on",
        "aged": "tasks are made to look {seconds:g} s older",
        "stopped": "{service} is stopped (SIGSTOP) with task {task} in hand",
        "woken": "{service} wakes up (SIGCONT)",
        "idle-begins": "the idle time begins",
        "idle-ends": "the idle time ends",
        "failing": "the work of task {task} is to fail",
        "handed-over": "from now on another worker goes on with task {task}",
        "fails-at-once": "the work of task {task} failed before it could be stopped in its middle",
        "not-left": "task {task} was not left in processing",
        "left-too-long": "task {task} has been in processing for longer than the timeout from now on",
        "posted": "task {task} was posted",
        "at-work": "the worker is at work",
        "point": "{signal} to {service} {where} step {step}: it left the task {left}",
        "explored": "explored {schedules} schedules: {situation}",
    }
)
"""By name; a name that several scenarios note has words that are true in each of them."""

_SHOWN_DETAILS = 4


def moment_words(name: str, detail: Mapping[str, Json]) -> str:
    """A moment in one sentence."""
    if name in WORDS:
        try:
            return WORDS[name].format_map(detail)
        except (KeyError, ValueError, TypeError, IndexError):
            pass  # noted by another version of the scenario: fall through to what it says
    told = [f"{key} {value}" for key, value in detail.items() if isinstance(value, str | int | float | bool)]
    words = name.replace("-", " ")
    return f"{words}: {', '.join(told[:_SHOWN_DETAILS])}" if told else words
