"""Verdicts over several runs: which of them changed, and where the histories part. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.model import Verdict
from tests.zoo.matrix import Column, Expected, Graded, Outcome, Subject, compare

Event = Mapping[str, Any]
"""An event of a history, as JSON."""

_OF_THE_MACHINE = frozenset({"clock-set", "stalled", "usage-sampled"})
"""Kinds of events that come when the clock says so, whatever the submission does."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One check of one submission over all runs, in their order. A verdict is None where a grade had no report."""

    subject: str
    check: str
    expected: Expected
    verdicts: tuple[Verdict | None, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def usual(self) -> Verdict | None:
        """The verdict of the most runs; of two that are as frequent, the one that came first."""
        return Counter(self.verdicts).most_common(1)[0][0]

    @property
    def changed(self) -> tuple[int, ...]:
        """The runs, counted from 1, whose verdict is another than the usual one."""
        usual = self.usual
        return tuple(number for number, verdict in enumerate(self.verdicts, start=1) if verdict is not usual)

    @property
    def is_allowed(self) -> bool:
        """Whether every run is as the entry says: then it may change, since the entry says so (``may_fail``)."""
        return all(outcome is Outcome.AS_EXPECTED for outcome in self.outcomes)

    @property
    def counts(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Each verdict that was seen, with its runs; the most frequent first."""
        return tuple(
            (word_of(verdict), tuple(n for n, other in enumerate(self.verdicts, start=1) if other is verdict))
            for verdict, _ in Counter(self.verdicts).most_common()
        )


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the events of one source part: its ``number``-th event (from 1), in one history and in the other.

    ``after`` is in seconds since the beginning of the scenario, in the history where it is earlier. None: that
    history has no further event of this source.
    """

    source: str
    number: int
    after: float
    left: Event | None
    right: Event | None


def tallies(subject: Subject, runs: Sequence[Graded], columns: Sequence[Column]) -> tuple[Tally, ...]:
    """A tally for each column."""
    rows = [compare(subject, found, columns) for found in runs]
    cells = [{cell.check: cell for cell in row.cells} for row in rows]
    return tuple(
        Tally(
            subject.name,
            column.id,
            subject.expects(column.id),
            tuple(found[column.id].seen if found else None for found in cells),
            tuple(found[column.id].outcome if found else Outcome.ERROR for found in cells),
        )
        for column in columns
    )


def word_of(verdict: Verdict | None) -> str:
    """A verdict, or that there is none, in words."""
    return "no verdict" if verdict is None else verdict.value


def partings(left: Iterable[Event], right: Iterable[Event]) -> tuple[Parting, ...]:
    """Where two histories of one scenario part by the kinds of their events, source by source, the earliest first.

    Two services run side by side, so that the order of their events says nothing; each has its own order.
    """
    ours, theirs = _by_source(left), _by_source(right)
    found = []
    for source in sorted({*ours, *theirs}):
        one, other = ours.get(source, []), theirs.get(source, [])
        both = zip(one, other, strict=False)
        at = next((n for n, (a, b) in enumerate(both) if a[1]["kind"] != b[1]["kind"]), min(len(one), len(other)))
        if at < max(len(one), len(other)):
            a = one[at] if at < len(one) else None
            b = other[at] if at < len(other) else None
            after = min(item[0] for item in (a, b) if item is not None)
            found.append(Parting(source, at + 1, after, a and a[1], b and b[1]))
    return tuple(sorted(found, key=lambda parting: parting.after))


def _by_source(events: Iterable[Event]) -> dict[str, list[tuple[float, Event]]]:
    """Each source's events in the order of their times, with the seconds since the first event of all."""
    ordered = sorted(events, key=lambda event: event["at"])
    found: dict[str, list[tuple[float, Event]]] = {}
    for event in ordered:
        if event["kind"] not in _OF_THE_MACHINE:
            after = round(event["at"] - ordered[0]["at"], 6)
            found.setdefault(_source(event), []).append((after, event))
    return found


def _source(event: Event) -> str:
    match event["kind"]:
        case "row-changed":
            return "the table"
        case "log-line" | "log-cut":
            return f"{event['service']}, its log"
        case "http-exchange":
            return "requests"
        case "signal-sent":
            return "signals"
        case _:
            return str(event.get("service", "the grader"))


def words_of(event: Event | None) -> str:
    """An event in a few words: its kind, its time, and what tells it from others of its kind."""
    if event is None:
        return "nothing more"
    details = (
        event.get(key) for key in ("signal", "name", "tag", "sqlstate", "status", "operation", "waited_for", "by")
    )
    known = " ".join(str(detail) for detail in details if detail not in (None, ""))
    sql = " ".join(str(event.get("sql", "")).split())[:30]
    return " ".join(part for part in (event["kind"], f"{event['at']:.3f} s", known, sql) if part)
