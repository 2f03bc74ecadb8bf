"""The benchmark's table, for a terminal of 80 columns and in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from string import ascii_lowercase
from textwrap import wrap
from typing import Final

from tests.bench.races.cases import Case
from tests.bench.races.ways import Outcome

COLUMNS: Final = ("explorer", "stress test", "frontrun")
WIDTH: Final = 80
_HEADS: Final = {"wrong": ("wrong designs", "caught"), "right": ("right designs", "alarms")}


@dataclass(frozen=True, slots=True)
class Row:
    """One design: the outcomes of each way's runs, by column, or the reason why it was not asked."""

    case: Case
    found: Mapping[str, Sequence[Outcome] | str]


@dataclass(frozen=True, slots=True)
class Cell:
    """``count`` such as ``4/5``, ``seconds`` such as ``1.20``; ``mark`` is the letter of a note, or empty."""

    count: str
    seconds: str
    mark: str


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by design and column, and the notes that their marks stand for."""

    rows: tuple[tuple[Case, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


def table_of(rows: Sequence[Row]) -> Table:
    """Count, take medians, and number the notes: why a way came to no verdict, or was not asked."""
    notes: list[str] = []
    told = []
    for row in rows:
        cells = []
        for column in COLUMNS:
            outcomes = row.found[column]
            if isinstance(outcomes, str):
                cells.append(Cell("–", "–", _mark(notes, outcomes)))
                continue
            if not outcomes:
                cells.append(Cell("–", "–", ""))
                continue
            why = next((f"no verdict in one run or more: {o.note}" for o in outcomes if o.answer == "none"), None)
            caught = sum(o.answer == "broken" for o in outcomes)
            seconds = f"{median(o.seconds for o in outcomes):.2f}"
            cells.append(Cell(f"{caught}/{len(outcomes)}", seconds, _mark(notes, why) if why else ""))
        told.append((row.case, tuple(cells)))
    return Table(tuple(told), tuple(notes))


def _mark(notes: list[str], note: str) -> str:
    if note not in notes:
        notes.append(note)
    return ascii_lowercase[notes.index(note)]


def in_text(table: Table) -> str:
    """For a terminal."""
    lines = [f"{'':29}" + "".join(f"{column:>17}" for column in COLUMNS)]
    for kind, (head, count) in _HEADS.items():
        of_kind = [(case, cells) for case, cells in table.rows if case.kind == kind]
        if of_kind:
            lines.append(f"{head:29}" + f"{count:>9}{'s':>8}" * len(COLUMNS))
        for case, cells in of_kind:
            told = "".join(f"{cell.count:>8}{cell.mark or ' '}{cell.seconds:>8}" for cell in cells)
            lines.append(f" {case.name:28}{told}".rstrip())
    for letter, note in zip(ascii_lowercase, table.notes, strict=False):
        lines += wrap(f"{letter}  {note}", WIDTH, subsequent_indent="   ")
    return "\n".join(lines)


def in_markdown(table: Table) -> str:
    """For a page."""
    lines: list[str] = []
    for kind, (head, count) in _HEADS.items():
        of_kind = [(case, cells) for case, cells in table.rows if case.kind == kind]
        if not of_kind:
            continue
        lines.append(f"| {head} | " + " | ".join(f"{column}: {count} | s" for column in COLUMNS) + " |")
        lines.append("|---|" + "---:|---:|" * len(COLUMNS))
        for case, cells in of_kind:
            told = " | ".join(f"{c.count}{f' ({c.mark})' if c.mark else ''} | {c.seconds}" for c in cells)
            lines.append(f"| `{case.name}` | {told} |")
        lines.append("")
    for letter, note in zip(ascii_lowercase, table.notes, strict=False):
        lines += [*wrap(f"({letter}) {note}", 100), ""]
    return "\n".join(lines).rstrip() + "\n"
