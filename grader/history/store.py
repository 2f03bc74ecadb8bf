"""A history on disk: one JSON object a line, in the order of recording."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from grader.errors import BadCall
from grader.history.events import Event, from_json


def save(events: Iterable[Event], path: Path) -> None:
    """Write the events of one scenario. Lone surrogates are written as JSON escapes, so that nothing is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        for event in events:
            file.write(json.dumps(event.to_json()) + "\n")


def load(path: Path) -> list[Event]:
    """Read what ``save`` wrote; BadCall names the line that is none of ours."""
    events = []
    with path.open(encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            try:
                events.append(from_json(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                raise BadCall(f"{path}, line {number}: not an event of a history ({problem})") from problem
    return events
