"""A chart as inline SVG. Places are per cents of the width, so that one picture fits a phone and a wall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from markupsafe import Markup, escape

from grader.history.tasks import STATES
from grader.report.chart.drawing import Chart, Lane, Mark
from grader.report.chart.scale import RIGHT, Scale
from grader.report.chart.spans import Span

AXIS = 22
"""Pixels above the lanes that the axis takes."""

_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "start": '<path d="M0 -7V7"/>',
        "exit": '<circle r="5"/>',
        "died": '<path d="M-5 -5L5 5M5 -5L-5 5"/>',
        "alive": '<path d="M-6 0H5M1 -4L5 0L1 4"/>',
        "signal": '<path d="M-5 -8H5L0 1Z"/>',
        "kill": '<path d="M-6 -6L6 6M6 -6L-6 6"/>',
        "claim": '<path d="M-5 -6L6 0L-5 6Z"/>',
        "done": '<path d="M-6 0L-2 5L6 -5"/>',
        "failed": '<path d="M-5 -5H5V5H-5Z"/>',
        "recover": '<path d="M-5 5L0 -6L5 5Z"/>',
        "insert": '<path d="M-4 0H4M0 -4V4"/>',
        "step": '<path d="M0 -5V5"/>',
        "error": '<path d="M0 -7V2M0 5V7"/>',
        "poll": '<circle r="2.5"/>',
        "log": '<circle r="2"/>',
        "plug": '<path d="M-2 3L2 -3"/>',
        "torn": '<path d="M-4 3L4 -3M-4 -3L4 3"/>',
        "note": '<path d="M-3 7V-7L6 -3L-3 0"/>',
    }
)

_SOLID = frozenset({"exit", "signal", "claim", "failed", "recover", "poll", "log", "note"})
"""Shapes that are filled; the others are lines."""

LEGEND: tuple[tuple[str, str], ...] = (
    ("claim", "a task is claimed"),
    ("done", "completed"),
    ("failed", "the work failed"),
    ("recover", "taken back to pending"),
    ("signal", "a signal"),
    ("kill", "SIGKILL"),
    ("exit", "the process ends"),
    ("died", "it ends with an error"),
    ("alive", "it does not end"),
    ("step", "a statement"),
    ("poll", "statements that changed nothing, together"),
    ("log", "a line of its log"),
    ("torn", "a connection dropped"),
    ("note", "what the grader does"),
)
"""What the shapes stand for."""

_FLAT_MIDDLE = 14
_PROCESS_MIDDLE = 24
_LOG_LEVEL = 40
_NARROW = 0.45


def symbols_markup() -> Markup:
    """The shapes that every picture of a page uses, once; each with a place around it that a finger finds."""
    shapes = "".join(
        f'<symbol id="s-{name}" overflow="visible"><circle class="reach" r="9"/><g class="shape{" solid" if name in _SOLID else ""}">{shape}</g></symbol>'
        for name, shape in _SHAPES.items()
    )
    hatch = (
        '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch-back" width="6" height="6"/><rect class="hatch-line" width="2.5" height="6"/></pattern>'
    )
    return Markup(
        '<svg class="symbols" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
        f"{shapes}{hatch}</defs></svg>"
    )


def legend_markup() -> Markup:
    """What the shapes stand for, as a list."""
    item = Markup(
        '<li><svg width="20" height="18" aria-hidden="true"><use class="mark {}" href="#s-{}" x="10" y="9"/></svg> {}</li>'
    )
    looks = {"died": "exit bad", "torn": "plug bad", "alive": "alive bad"}
    shapes = [item.format(looks.get(symbol, symbol), symbol, words) for symbol, words in LEGEND]
    swatch = Markup(
        '<li><svg class="span {}" width="28" height="14" aria-hidden="true"><rect width="28" height="14" rx="2"/></svg> {}</li>'
    )
    states = [swatch.format(f"state {state}", state) for state in STATES]
    return Markup("").join([*shapes, *states, swatch.format("lock", "waits")])


def height(chart: Chart) -> int:
    """Pixels that a chart takes from top to bottom."""
    return AXIS + sum(lane.height for lane in chart.lanes) + 4


def names_markup(chart: Chart) -> Markup:
    """The names of the lanes, as a picture of their own: it stays while the other one is scrolled."""
    rows = []
    for lane, top in _placed(chart):
        middle = top + (_PROCESS_MIDDLE if lane.sort == "process" else lane.height / 2) + 4
        rows.append(Markup('<text class="name {}" x="0" y="{}">{}</text>').format(lane.sort, middle, lane.name))
    return Markup('<svg class="names" height="{}" aria-hidden="true">{}</svg>').format(
        height(chart), Markup("").join(rows)
    )


def plot_markup(chart: Chart, key: str, label: str) -> Markup:
    """The lanes with all that is in them. ``key`` is unique on the page; ``label`` names the picture for those
    who do not see it. Every mark names the line of the list that tells what it stands for.
    """
    parts = [*_axis(chart), *_rules(chart)]
    tops = {lane.name: top for lane, top in _placed(chart)}
    parts += _links(chart, tops)
    for lane, top in _placed(chart):
        parts += _lane(chart, lane, top, key)
    return Markup('<svg class="plot" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height(chart), label, Markup("").join(parts)
    )


def _placed(chart: Chart) -> Iterator[tuple[Lane, int]]:
    top = AXIS
    for lane in chart.lanes:
        yield lane, top
        top += lane.height


def _axis(chart: Chart) -> Iterator[Markup]:
    bottom = height(chart)
    for lane, top in _placed(chart):
        yield Markup('<line class="ground" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(top + lane.height - 0.5)
    for tick in chart.scale.ticks():
        x = _x(chart.scale, tick)
        yield Markup('<line class="tick" x1="{0}" x2="{0}" y1="16" y2="{1}"/>').format(x, bottom)
        yield Markup('<text class="time" x="{}" y="12">{:g} s</text>').format(x, tick)


def _rules(chart: Chart) -> Iterator[Markup]:
    for at, symbol in chart.rules:
        x = _x(chart.scale, at)
        yield Markup('<line class="rule-{2}" x1="{0}" x2="{0}" y1="16" y2="{1}"/>').format(
            x, height(chart), symbol
        )


def _links(chart: Chart, tops: Mapping[str, int]) -> Iterator[Markup]:
    for link in chart.links:
        if link.service not in tops or link.task not in tops:
            continue
        ends = (tops[link.service] + _PROCESS_MIDDLE, tops[link.task] + 4)
        yield Markup('<line class="link {}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
            link.symbol, *ends, x=_x(chart.scale, link.at)
        )


def _lane(chart: Chart, lane: Lane, top: int, key: str) -> Iterator[Markup]:
    for span in lane.spans:
        yield _span(chart.scale, span, top)
    labelled = -100.0
    for mark in lane.marks:
        yield _mark(chart.scale, lane, mark, top, key)
        x = chart.scale.at(mark.at)
        before = mark.symbol in ("signal", "kill")
        if mark.label and (not before or x - labelled > 9):
            yield _label(mark, x, top)
            labelled = x if before else labelled


def _span(scale: Scale, span: Span, top: int) -> Markup:
    offset, tall = {"life": (_PROCESS_MIDDLE - 3, 6), "transaction": (_PROCESS_MIDDLE - 7, 14)}.get(
        span.look, (4, 16) if span.look.startswith("state") else (5, 18)
    )
    left = scale.at(span.start)
    wide = max(scale.at(span.end) - left, 0.15)
    word = Markup("")
    if span.label and wide > 1.05 * len(span.label):
        word = Markup('<text x="5" y="12">{}</text>').format(span.label)
    return Markup(
        '<svg class="span {}" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}">'
        '<title>{}</title><rect width="100%" height="100%" rx="2"/>{}</svg>'
    ).format(span.look, left, wide, top + offset, tall, span.text, word)


def _mark(scale: Scale, lane: Lane, mark: Mark, top: int, key: str) -> Markup:
    left = scale.at(mark.at)
    looks = [mark.symbol, *(["bad"] if mark.bad else []), *(["proof"] if mark.proof else [])]
    told = Markup('data-row="{}-{}"').format(key, mark.row)
    if mark.symbol in ("wait", "request") and mark.until is not None:
        wide = max(scale.at(mark.until) - left, _NARROW)
        offset, tall = (_PROCESS_MIDDLE - 6, 12) if lane.sort == "process" else (7, 14)
        return Markup('<rect class="mark {}" x="{:.2f}%" width="{:.2f}%" y="{}" height="{}" rx="2" {}/>').format(
            " ".join(looks), left, min(wide, 100 - left), top + offset, tall, told
        )
    return Markup('<use class="mark {}" href="#s-{}" x="{:.2f}%" y="{}" {}/>').format(
        " ".join(looks), _symbol(mark), left, top + _level(lane, mark), told
    )


def _symbol(mark: Mark) -> str:
    worse = {"exit": "died", "step": "error", "plug": "torn"}
    name = worse.get(mark.symbol, mark.symbol) if mark.bad else mark.symbol
    return {"wait": "step", "request": "step"}.get(name, name)


def _level(lane: Lane, mark: Mark) -> int:
    if lane.sort != "process":
        return _FLAT_MIDDLE
    if mark.symbol == "signal":
        return _PROCESS_MIDDLE - 4
    return (
        _LOG_LEVEL
        if mark.symbol in ("log", "plug") and not (mark.symbol == "plug" and mark.bad)
        else _PROCESS_MIDDLE
    )


def _label(mark: Mark, x: float, top: int) -> Markup:
    """A word beside a mark: of a signal on its left, of an end on its right, so that the two do not meet."""
    before = mark.symbol in ("signal", "kill") and x > 8
    return Markup('<text class="word {}{}" x="{:.2f}%" dx="{}" y="{}">{}</text>').format(
        mark.symbol + (" bad" if mark.bad else ""),
        " before" if before else "",
        min(x, RIGHT),
        -8 if before else 9,
        top + (12 if before or mark.symbol in ("signal", "kill") else _PROCESS_MIDDLE + 4),
        mark.label,
    )


def _x(scale: Scale, at: float) -> Markup:
    return escape(f"{scale.at(at):.2f}%")
