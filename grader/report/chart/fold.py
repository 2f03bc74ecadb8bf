"""Telling together what is told again and again: empty polls, repeated requests, heartbeats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from grader.report.chart.happenings import Happening, Kind
from grader.report.text import line

FEWEST = 4
"""Quiet lines in a row that are worth folding."""

LONGEST = 480

_LOUD = frozenset(
    {Kind.START, Kind.EXIT, Kind.SIGNAL, Kind.KILL, Kind.CLAIM, Kind.COMPLETION, Kind.FAILURE}
    | {Kind.RECOVERY, Kind.NOTE}
)
"""What ends every run of quiet lines, whoever's they are: before and after are then told apart."""

_CHANGING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"  # a time
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?|\b\d{10,}(?:\.\d+)?|:\d{4,5}\b"  # a time of day, an epoch, a port
)


def fold(happenings: Sequence[Happening]) -> tuple[Happening, ...]:
    """The same story with runs of quiet lines of one lane told in one line each, at the time of the first.

    What a lane does, or writes, for the first time is told for itself; a log line that it wrote before (times aside)
    is quiet. What leaves a transaction open stays
    outside of a run that it would end: what follows in that transaction is told as a whole.
    """
    kept: list[Happening] = []
    runs: dict[str, list[Happening]] = {}
    written: set[tuple[str, str]] = set()

    def close(lanes: Iterable[str]) -> None:
        for lane in list(lanes):
            kept.extend(_told(runs.pop(lane, [])))

    for happening in happenings:
        happening = _with_repeats(happening, written)
        if happening.quiet:
            runs.setdefault(happening.lane, []).append(happening)
            continue
        close(list(runs) if happening.kind in _LOUD else [happening.lane])
        kept.append(happening)
    close(runs)
    return tuple(sorted(kept, key=lambda h: h.at))


def _with_repeats(happening: Happening, written: set[tuple[str, str]]) -> Happening:
    is_log = happening.kind is Kind.LOG and not happening.bad
    if not is_log and (not happening.quiet or happening.kind is Kind.INSERT):
        return happening
    shape = f"log: {_CHANGING.sub('', happening.text).strip()}" if is_log else happening.shape
    is_new = (happening.lane, shape) not in written
    written.add((happening.lane, shape))
    return replace(happening, quiet=not is_new, shape=shape)


def _told(run: list[Happening]) -> list[Happening]:
    """A run in one line, and behind it what begins a transaction that the run does not end."""
    last = max((index for index, item in enumerate(run) if not item.open), default=-1)
    head, tail = run[: last + 1], run[last + 1 :]
    if len(head) < FEWEST:
        return run
    counts: dict[str, int] = {}
    for item in head:
        counts[item.shape] = counts.get(item.shape, 0) + 1
    times = [f"{count} × {line(shape, 160)}" if count > 1 else line(shape, 160) for shape, count in counts.items()]
    first, end = head[0], max(item.until or item.at for item in head)
    kind = first.kind if len(counts) == 1 else Kind.QUIET
    text = line("; ".join(times), LONGEST)
    if kind is Kind.INSERT:
        tasks = [item.task or "?" for item in head]
        text = f"{len(tasks)} tasks inserted: {line(', '.join(tasks), 120)}"
    return [replace(first, kind=kind, text=text, until=end, task=None, shape=text), *tail]
