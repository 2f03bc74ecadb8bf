"""A counterexample as rows of a terminal: a column for every lane, time running down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from grader.model import Counterexample, LaneStep
from grader.report import outline
from grader.report.look import Look

STATEMENT_ROWS = 3
"""Rows that one statement may take, and one more where they are short; what is longer loses its middle."""

SHOWN_STEPS = 40
"""Of a longer counterexample, the beginning and the end are drawn."""

NARROWEST = 16
"""Cells below which a lane is no column any more: every step then names its lane."""

_SHORT = 30
_INDENT = 2
_GAP = 2


def draw(order: Counterexample, width: int, look: Look) -> list[Text]:
    """The steps of ``order``, the rule that they break and what held before them, in rows of ``width`` cells.

    Texts must be fit to be shown; what the encoding of ``look`` lacks is spelled out here. Rows end without blanks.
    """
    rows = _paragraph(order.setup, width, look)
    if order.steps:
        rows += _Grid.of(order, width, look).rows()
    rows += _paragraph(order.rule, width, look, "bold")
    return rows + _paragraph(outline.seen_again(order), width, look, "dim")


def draw_names(order: Counterexample, width: int, look: Look) -> list[Text]:
    """The row that names the lanes of ``order``."""
    return _Grid.of(order, width, look).names()


def draw_step(step: LaneStep, order: Counterexample, width: int, look: Look) -> list[Text]:
    """One step alone, in the lanes of ``order``: for steps that are shown as they happen."""
    return _Grid.of(order, width, look).step(step)


def wrap(text: str, width: int) -> list[str]:
    """``text`` in rows of at most ``width`` cells: broken at blanks, and within a word that is longer than a row."""
    rows, row = [], ""
    for word in text.split():
        joined = f"{row} {word}" if row else word
        if cell_len(joined) <= width:
            row = joined
            continue
        if row:
            rows.append(row)
        while cell_len(word) > width:
            # At least a character a row, be the row ever so narrow.
            head = _fitting(word, width) or word[:1]
            rows.append(head)
            word = word[len(head) :]
        row = word
    return [*rows, row] if row else rows


def shorten(text: str, width: int, rows: int, ellipsis: str = "…") -> list[str]:
    """``text`` wrapped to ``width``, without its middle where it would take more than ``rows``."""
    room = rows * width
    if cell_len(text) <= room and len(whole := wrap(text, width)) <= rows:
        return whole
    for budget in range(room - cell_len(ellipsis) - 2, 1, -1):
        head, tail = _head(text, budget - budget // 2), _head(text[::-1], budget // 2)[::-1]
        if len(said := wrap(f"{head} {ellipsis} {tail}", width)) <= rows:
            return said
    return [ellipsis]


def _fitting(text: str, width: int) -> str:
    """The beginning of ``text`` that takes at most ``width`` cells."""
    taken = 0
    for index, character in enumerate(text):
        taken += cell_len(character)
        if taken > width:
            return text[:index]
    return text


def _head(text: str, width: int) -> str:
    """Like ``_fitting``, but without half a word at its end, unless the word is nearly all of it."""
    head = _fitting(text, width)
    if text[len(head) : len(head) + 1].strip():
        whole = head.rpartition(" ")[0]
        head = whole if len(whole) * 2 > len(head) else head
    return head.strip()


def _paragraph(text: str, width: int, look: Look, style: str = "") -> list[Text]:
    return [Text(" " * _INDENT).append(row, style) for row in wrap(look.text(text), width - _INDENT)]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things are drawn, in cells: ``left`` is where the first lane begins, ``lane`` how wide each is."""

    order: Counterexample
    columns: tuple[str, ...]
    """The lanes beside each other; empty where they would be too narrow."""
    left: int
    lane: int
    look: Look

    @classmethod
    def of(cls, order: Counterexample, width: int, look: Look) -> _Grid:
        """The grid of ``order`` within ``width``."""
        lanes = outline.lanes(order)
        left = _INDENT + max(2, 2, *(len(str(step.number)) for step in order.steps)) + _GAP
        lane = (width - left - _GAP * (len(lanes) - 1)) // len(lanes)
        if lane < NARROWEST and len(lanes) > 1:
            return cls(order, (), left, width - left, look)
        return cls(order, lanes, left, lane, look)

    def rows(self) -> list[Text]:
        """The names of the lanes, then every step."""
        steps = self.order.steps
        rows = self.names()
        if len(steps) <= SHOWN_STEPS:
            return rows + self._steps(steps)
        half = SHOWN_STEPS // 2
        left_out = Text(" " * self.left).append(f"{len(steps) - 2 * half} steps more in the full report", "dim")
        return [*rows, *self._steps(steps[:half]), left_out, *self._steps(steps[-half:])]

    def names(self) -> list[Text]:
        """The row that names the lanes; none where every step names its own."""
        if not self.columns:
            return []
        row = Text()
        for index, lane in enumerate(self.columns):
            name = " ".join(shorten(self.look.text(lane), self.lane, 1, self.look.text("…")))
            row.append(" " * (self._at(index) - row.cell_len)).append(name, "bold")
            row.append(" " + self.look.rule * (self.lane - cell_len(name) - 1), "dim")
        row.rstrip()
        return [row]

    def _steps(self, steps: Sequence[LaneStep]) -> list[Text]:
        return [row for step in steps for row in self.step(step)]

    def step(self, step: LaneStep) -> list[Text]:
        """A step: its number, and beside it, in its lane, what it did and what came of it."""
        at = self._at(self.columns.index(step.lane)) if self.columns else self.left
        rows = []
        for index, cell in enumerate(self._cell(step) or [Text()]):
            number = "" if index else str(step.number).rjust(self.left - _GAP)
            rows.append(Text(number, "dim").append(" " * (at - len(number))).append_text(cell))
            rows[-1].rstrip()
        return rows

    def _cell(self, step: LaneStep) -> list[Text]:
        action = outline.action(step, self.order)
        if not self.columns:
            action = f"{step.lane}: {action}"
        most = STATEMENT_ROWS + (self.lane < _SHORT)
        rows = [Text(row) for row in shorten(self.look.text(action), self.lane, most, self.look.text("…"))]
        style = "yellow" if step.waits_for else "cyan"
        came = self._marked("→", outline.came_of(step), style)
        if len(rows) == len(came) == 1 and rows[0].cell_len + 1 + came[0].cell_len <= self.lane:
            rows[0].append(" ").append_text(came[0])
        else:
            rows += came
        for change in step.changes:
            rows += self._marked("*", change, "green")
        return rows

    def _marked(self, sign: str, text: str, style: str) -> list[Text]:
        """``text`` behind a sign, its later rows indented as far; nothing where there is no text."""
        before = self.look.text(sign) + " "
        rows = wrap(self.look.text(text), self.lane - len(before))
        return [Text(" " * len(before) if index else before, style).append(row) for index, row in enumerate(rows)]

    def _at(self, column: int) -> int:
        return self.left + column * (self.lane + _GAP)
