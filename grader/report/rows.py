"""Rows of a terminal: headings, checks, labelled facts and bars, wrapped to its width and fit for its encoding."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from grader.model import CheckResult, Verdict
from grader.report import outline
from grader.report.lanes import shorten
from grader.report.look import STYLES, Look

MAX_WIDTH = 100
"""Longer lines are hard to read, however wide the window is."""

BAR = 24
"""Cells of the bar of a part."""


class Rows:
    """Makes rows for one console; nothing is printed before ``show``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.look = Look.of(console)
        self.width = min(console.width, MAX_WIDTH)
        self.made: list[Text] = []

    def show(self) -> None:
        """Print every row that was made."""
        for row in self.made:
            # Rows are as long as they are to be; what rich wrapped would come out padded.
            self._console.print(row, soft_wrap=True)

    def blank(self) -> None:
        """An empty row."""
        self.made.append(Text())

    def add(self, row: Text) -> None:
        """A row as it is."""
        self.made.append(row)

    def heading(self, left: str, right: str) -> None:
        """The heading, a line across, and what it amounts to."""
        left, right = self.look.text(left), self.look.text(f" {right}" if right else "")
        across = self.width - Text(left).cell_len - Text(right).cell_len - 1
        self.add(Text.assemble((left, "bold"), " ", (self.look.rule * max(across, 3), "dim"), right))

    def check(self, check: CheckResult, most: int | None = None) -> None:
        """A check in two rows or more: sign, id, verdict and points, then its sentence (in ``most`` rows)."""
        style = STYLES[check.verdict]
        quiet = check.verdict is Verdict.PASS
        left = Text.assemble((self.look.sign(check.verdict), style), " ")
        left.append(self.look.text(check.id), "" if quiet else "bold")
        ratio = outline.ratio(check.points, check.max_points)
        right = Text.assemble((check.verdict.value, style), f" {ratio:>5}")
        space = self.width - left.cell_len - right.cell_len
        self.add(left.append(" " * max(space, 2)).append_text(right))
        if most is None:
            self.hanging(Text("  "), self.text(check.title, "dim" if quiet else ""))
            return
        for row in shorten(self.look.text(check.title), self.width - 2, most, self.look.text("…")):
            self.add(Text(f"  {row}"))

    def line(self, check: CheckResult, text: str, names: int) -> Text:
        """A check in one row: sign, id (in ``names`` cells), points, and the beginning of ``text``."""
        row = Text.assemble((self.look.sign(check.verdict), STYLES[check.verdict]), " ")
        row.append(self.look.text(check.id).ljust(names), "bold")
        row.append(f" {outline.ratio(check.points, check.max_points):>5}  ")
        room = max(self.width - row.cell_len, 10)
        beginning = self.beginning(" ".join(text.split()), room)
        return row.append(beginning, "dim")

    def beginning(self, text: str, room: int) -> str:
        """As much of ``text`` as fits into ``room`` cells, with a sign where it was cut."""
        text, dots = self.look.text(text), self.look.text("…")
        if Text(text).cell_len <= room:
            return text
        while text and Text(text + dots).cell_len > room:
            text = text[:-1]
        return text.rstrip() + dots

    def fact(self, label: str, fact: str | None, most: int | None = None) -> None:
        """A labelled text; nothing where there is none. In ``most`` rows, without its middle if need be."""
        if not fact:
            return
        before = Text(f"  {label:<10}", "cyan")
        if most is None:
            self.hanging(before, self.text(fact))
            return
        shown = shorten(self.look.text(fact), self.width - before.cell_len, most, self.look.text("…"))
        for index, row in enumerate(shown):
            self.add(Text.assemble(Text(" " * before.cell_len) if index else before, row))

    def bars(self, parts: Sequence[outline.Part]) -> None:
        """A row for each part: its name, its points as a bar, and in numbers."""
        names = max((Text(part.heading).cell_len for part in parts), default=0)
        for part in parts:
            full = int(BAR * part.points / part.max_points) if part.max_points else 0
            row = self.text(part.heading)
            row.append(" " * (names - row.cell_len + 2))
            row.append(self.look.bar_full * full, "green")
            row.append(self.look.bar_empty * (BAR - full), "dim")
            self.add(row.append(f" {outline.ratio(part.points, part.max_points):>6}"))

    def text(self, text: str, style: str = "") -> Text:
        """``text`` as the console can show it."""
        return Text(self.look.text(text), style)

    def say(self, text: str, style: str = "") -> None:
        """A paragraph."""
        self.hanging(Text(), self.text(text, style))

    def hanging(self, before: Text, text: Text) -> None:
        """``text`` wrapped beside ``before``, its later rows indented as far."""
        indent = before.cell_len
        for index, row in enumerate(text.wrap(self._console, max(self.width - indent, 20), overflow="fold")):
            row.rstrip()
            self.add(Text.assemble(Text(" " * indent) if index else before, row))
