"""Where everything of a scenario goes: lanes from top to bottom, time from left to right. Pure; no markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from grader.history.events import ServiceStarted
from grader.history.tasks import Story
from grader.history.timeline import SCENARIO_OVER, History
from grader.report.chart.happenings import CLIENT, DATABASE, GRADER, Happening, Kind
from grader.report.chart.scale import Scale, near
from grader.report.chart.spans import Span, database_spans, life_spans, task_spans, transaction_spans
from grader.report.text import line

MOST_PROCESSES = 12
MOST_TASKS = 10

HEIGHTS: Mapping[str, int] = MappingProxyType({"process": 46, "flat": 28, "task": 24})
"""Pixels that a lane of each sort takes."""

_SYMBOLS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.START: "start",
        Kind.EXIT: "exit",
        Kind.ALIVE: "alive",
        Kind.SIGNAL: "signal",
        Kind.KILL: "kill",
        Kind.CLAIM: "claim",
        Kind.COMPLETION: "done",
        Kind.FAILURE: "failed",
        Kind.RECOVERY: "recover",
        Kind.INSERT: "insert",
        Kind.CHANGE: "step",
        Kind.STATEMENT: "step",
        Kind.WAIT: "wait",
        Kind.QUIET: "poll",
        Kind.LOG: "log",
        Kind.REQUEST: "request",
        Kind.CONNECTION: "plug",
        Kind.NOTE: "note",
    }
)

_RANKS: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.WAIT: 1,
        Kind.NOTE: 1,
        Kind.STATEMENT: 2,
        Kind.REQUEST: 2,
        Kind.CHANGE: 3,
        Kind.INSERT: 3,
        Kind.CONNECTION: 4,
    }
    | {Kind.LOG: 5, Kind.QUIET: 4}
)
"""What is drawn first where not everything can be; what is not named comes before all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment. ``row`` is its place among the happenings that are told; ``label`` a word beside it."""

    at: float
    symbol: str
    text: str
    row: int
    until: float | None = None
    label: str = ""
    bad: bool = False
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the picture. ``sort`` is ``process``, ``flat`` or ``task``."""

    name: str
    sort: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]

    @property
    def height(self) -> int:
        """In pixels."""
        return HEIGHTS[self.sort]


@dataclass(frozen=True, slots=True)
class Link:
    """A claim or a completion: from the lane of who did it to the lane of the task."""

    at: float
    service: str
    task: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A scenario, laid out. ``rules`` are moments marked through all lanes; ``left_out`` says what is not drawn."""

    scale: Scale
    lanes: tuple[Lane, ...]
    links: tuple[Link, ...]
    rules: tuple[tuple[float, str], ...]
    left_out: tuple[str, ...]


def draw(
    history: History, told: Sequence[Happening], rows: Sequence[int], proof: Iterable[float] = ()
) -> Chart | None:
    """The picture of a scenario; None where no service was started in its record.

    ``told`` are its happenings (folded), ``rows`` the numbers of those that get a mark; ``proof`` the moments that
    some verdict rests on.
    """
    services = tuple(dict.fromkeys(e.service for e in history.of(ServiceStarted)))
    if not services or not told:
        return None
    end = _end(history, told)
    # What the grader does to rows shows in the lanes of the tasks.
    drawn = [r for r in rows if not (told[r].lane == GRADER and told[r].kind in (Kind.INSERT, Kind.CHANGE))]
    proofs = tuple(sorted(proof))
    marks: dict[str, list[Mark]] = {}
    for row in drawn:
        marks.setdefault(told[row].lane, []).append(_mark(told[row], row, proofs))
    stories, other_tasks = _shown_tasks(history, proofs)
    shown = services[:MOST_PROCESSES]
    lanes = [
        *_flat(GRADER, (), marks),
        *_flat(CLIENT, (), marks),
        *(_process(history, service, end, marks) for service in shown),
        *_flat(DATABASE, database_spans(history, end), marks),
        *(Lane(f"task {line(s.task, 30)}", "task", spans, ()) for s in stories if (spans := task_spans(s, end))),
    ]
    links = tuple(
        Link(told[row].at, told[row].lane, f"task {line(told[row].task or '', 30)}", _SYMBOLS[told[row].kind])
        for row in drawn
        if told[row].kind in (Kind.CLAIM, Kind.COMPLETION, Kind.FAILURE, Kind.RECOVERY)
    )
    left_out = list(other_tasks)
    if len(services) > len(shown):
        left_out.append(f"{len(services) - len(shown)} more processes: {', '.join(services[len(shown) :][:8])}")
    stops = [m.at for lane in lanes for m in lane.marks if m.symbol not in ("log", "plug")]
    start = min(told[0].at, *(s.start for lane in lanes for s in lane.spans))
    return Chart(Scale.over(start, end, stops), tuple(lanes), links, _rules(told, drawn), tuple(left_out))


def _end(history: History, told: Sequence[Happening]) -> float:
    over = history.moment(SCENARIO_OVER)
    return over.at if over is not None else max(h.until or h.at for h in told)


def telling(told: Sequence[Happening], most: int) -> tuple[int, ...]:
    """The numbers of at most ``most`` happenings, in order: what says the most of a scenario comes before the rest."""

    def rank(number: int) -> tuple[int, int]:
        happening = told[number]
        return (0 if happening.bad else _RANKS.get(happening.kind, 0), number)

    return tuple(sorted(sorted(range(len(told)), key=rank)[:most]))


def _mark(happening: Happening, row: int, proofs: tuple[float, ...]) -> Mark:
    label = ""
    if happening.kind in (Kind.SIGNAL, Kind.KILL):
        label = happening.text.partition(" ")[0]
    elif happening.kind is Kind.EXIT:
        label = _end_label(happening.text)
    elif happening.kind is Kind.ALIVE:
        label = "still running"
    symbol = _SYMBOLS[happening.kind]
    return Mark(
        happening.at,
        symbol,
        line(happening.text, 200),
        row,
        happening.until,
        label,
        happening.bad,
        near(proofs, happening.at),
    )


def _end_label(text: str) -> str:
    """``status 0``, ``signal 15``; something left behind speaks for itself when it is pointed at."""
    words = text.split()
    return " ".join(words[2:4]) if words[:1] in (["exited"], ["ended"]) else ""


def _flat(name: str, spans: tuple[Span, ...], marks: Mapping[str, list[Mark]]) -> list[Lane]:
    """A lane for what is not a process, where there is anything in it but the end of the scenario."""
    found = [mark for mark in marks.get(name, []) if not mark.text.startswith("the scenario is over")]
    return [Lane(name, "flat", spans, tuple(found))] if found or spans else []


def _process(history: History, service: str, end: float, marks: Mapping[str, list[Mark]]) -> Lane:
    name = line(service, 40)
    spans = (*life_spans(history, service, end), *transaction_spans(history, service, end))
    return Lane(name, "process", spans, tuple(marks.get(name, ())))


def _shown_tasks(history: History, proofs: tuple[float, ...]) -> tuple[list[Story], list[str]]:
    """The tasks that get a lane: those that a verdict rests on and those that moved most; and a word on the others."""
    stories = list(history.stories.values())
    if len(stories) <= MOST_TASKS:
        return stories, []

    def weight(story: Story) -> tuple[bool, int]:
        return any(near(proofs, c.at) for c in story.changes), sum(c.status_moved for c in story.changes)

    best = sorted(range(len(stories)), key=lambda n: (weight(stories[n]), -n), reverse=True)[:MOST_TASKS]
    rest = [story for number, story in enumerate(stories) if number not in best]
    ends: dict[str, int] = {}
    for story in rest:
        word = line(story.status or "deleted", 20)
        ends[word] = ends.get(word, 0) + 1
    words = ", ".join(f"{count} {word}" for word, count in ends.items())
    return [stories[number] for number in sorted(best)], [f"{len(rest)} more tasks, in the end {words}"]


def _rules(told: Sequence[Happening], drawn: Sequence[int]) -> tuple[tuple[float, str], ...]:
    rules = [(told[r].at, _SYMBOLS[told[r].kind]) for r in drawn if told[r].kind in (Kind.SIGNAL, Kind.KILL)]
    return tuple(rules) if len(rules) <= MOST_PROCESSES else ()
