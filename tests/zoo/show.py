"""The detection matrix as people see it: a page, and a summary for the terminal."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.text import Text

from grader.model import Verdict
from grader.report import Look
from grader.report.text import line
from tests.zoo.matrix import FEW, PHASES, Cell, Expected, Kind, Matrix, Outcome, Proof, Row, told

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 300

_HEADINGS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.SOLUTION: "The solution and the starter",
        Kind.STARTER: "The solution and the starter",
        Kind.RIGHT: "Right in a way of their own",
        Kind.WRONG: "Wrong in a known way",
    }
)

_OUTCOMES: Mapping[Outcome, tuple[str, str, str]] = MappingProxyType(
    {
        Outcome.AS_EXPECTED: ("", "", "green"),
        Outcome.MISSED: ("missed", "○", "bold red"),
        Outcome.BLAMED: ("blamed", "✗!", "bold red"),
        Outcome.INCONCLUSIVE: ("inconclusive", "?", "yellow"),
        Outcome.ERROR: ("error", "!", "bold magenta"),
    }
)
"""The class on the page, the sign there, and the style on a terminal."""


@dataclass(frozen=True, slots=True)
class Sign:
    """How a cell looks: a class, a sign beside the colour, and all of it in words."""

    style: str
    sign: str
    words: str
    first: bool = False
    """It begins a part of the lab."""


LEGEND = (
    Sign("proof", "✗", "failed, as it must"),
    Sign("luck", "(✗)", "failed, as it may"),
    Sign("passed", "·", "passed"),
    Sign("skipped", "–", "skipped, since a check that it builds on failed"),
    Sign("missed", "○", "missed: it should have failed"),
    Sign("blamed", "✗!", "blamed wrongly: it should have passed"),
    Sign("inconclusive", "?", "inconclusive"),
    Sign("error", "!", "error"),
)


def sign_of(cell: Cell, first: bool) -> Sign:
    """How one cell looks."""
    seen = "no verdict" if cell.seen is None else cell.seen.value
    words = f"{cell.check}: expected {cell.expected.value}, seen {seen}"
    if cell.outcome is not Outcome.AS_EXPECTED:
        style, sign, _ = _OUTCOMES[cell.outcome]
        said = f": {line(cell.words)}" if cell.words else ""
        return Sign(style, sign, f"{words}, {cell.outcome.value}{said}"[:_LONGEST], first)
    match cell.seen:
        case Verdict.FAIL:
            style, sign = ("proof", "✗") if cell.expected is Expected.FAIL else ("luck", "(✗)")
            return Sign(style, sign, words, first)
        case Verdict.SKIPPED:
            return Sign("skipped", "–", words, first)
        case Verdict.PASS:
            return Sign("passed", "·", words, first)
        case Verdict.INCONCLUSIVE | Verdict.ERROR | None:
            raise AssertionError(cell)
        case other:
            assert_never(other)


# ---------------------------------------------------------------- the page


def render_html(matrix: Matrix, entries: str = "entries") -> str:
    """The whole page, without script, and nothing fetched. Reports are linked as ``entries/NAME/report.html``."""
    css = (_TEMPLATES / "matrix.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css_hash = "sha256-" + base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    template = environment.get_template("matrix.html.j2")
    return template.render(page=_page(matrix, entries), css=css, css_hash=css_hash)


def _page(matrix: Matrix, entries: str) -> dict[str, object]:
    parts = [column.part for column in matrix.columns]
    firsts = [False, *(one != other for one, other in pairwise(parts))]
    return {
        "headline": headline(matrix),
        "made_at": matrix.made_at,
        "counts": [("submissions", len(matrix.rows)), *((o.value, matrix.count(o)) for o in Outcome)],
        "complete": matrix.complete,
        "rows": matrix.rows,
        "columns": [
            {"id": c.id, "title": c.title, "first": first} for c, first in zip(matrix.columns, firsts, strict=True)
        ],
        "groups": _groups(matrix, firsts, entries),
        "differences": [item for row in matrix.rows for item in _differences(row, entries)],
        "few": matrix.proved_by_few() if matrix.complete else None,
        "few_is": FEW,
        "proofs": [_proof(p, first) for p, first in zip(matrix.proofs(), firsts, strict=True)],
        "legend": LEGEND,
        "graded_seconds": matrix.graded_seconds,
        "seconds": seconds(matrix),
        "phases": shares(matrix),
    }


def _groups(matrix: Matrix, firsts: Sequence[bool], entries: str) -> list[dict[str, object]]:
    groups: dict[str, list[Row]] = {}
    for row in matrix.rows:
        groups.setdefault(_HEADINGS[row.subject.kind], []).append(row)
    return [
        {
            "heading": f"{heading}: {len(rows)}",
            "same": all(row.is_as_expected for row in rows),
            # A key that is no method of a dict: the template would find that first.
            "rows": [_row(row, firsts, entries) for row in rows],
        }
        for heading, rows in groups.items()
    ]


def _row(row: Row, firsts: Sequence[bool], entries: str) -> dict[str, object]:
    return {
        "id": row.subject.id,
        "name": row.subject.name,
        "why": row.subject.why,
        "link": f"{entries}/{row.subject.name}/report.html",
        "same": row.is_as_expected,
        "problem": row.graded.problem,
        "looks": [] if row.graded.problem else [sign_of(c, f) for c, f in zip(row.cells, firsts, strict=True)],
        "seconds": row.graded.seconds,
    }


def _differences(row: Row, entries: str) -> list[dict[str, str]]:
    common = {"name": row.subject.name, "link": f"{entries}/{row.subject.name}/report.html"}
    if row.graded.problem is not None:
        return [
            {**common, "style": "error", "outcome": Outcome.ERROR.value, "check": "", "words": row.graded.problem}
        ]
    return [
        {
            **common,
            "style": _OUTCOMES[cell.outcome][0],
            "outcome": cell.outcome.value,
            "check": cell.check,
            "words": difference(cell),
        }
        for cell in row.differences
    ]


def _proof(proof: Proof, first: bool) -> dict[str, object]:
    return {
        "check": proof.check,
        "count": len(proof.proved),
        "few": len(proof.proved) < FEW,
        "first": first,
        "words": f"{len(proof.proved)} of {len(proof.named)} that must fail it: {', '.join(proof.proved) or 'none'}",
    }


# ---------------------------------------------------------------- the words of both


def headline(matrix: Matrix) -> str:
    """What came of it, in one line."""
    number = len(matrix.rows)
    different = sum(not row.is_as_expected for row in matrix.rows)
    if not different:
        return f"All {number} submissions as expected"
    return f"{different} of {number} submissions not as expected"


def difference(cell: Cell) -> str:
    """What was expected of a cell, what was seen, and what the report says of it."""
    seen = "no verdict" if cell.seen is None else cell.seen.value
    said = f"; {line(cell.words)}" if cell.words else ""
    return f"expected {cell.expected.value}, seen {seen}{said}"[:_LONGEST]


def seconds(matrix: Matrix) -> str:
    """How long the call took, and what of it was graded."""
    graded = len(matrix.rows) - matrix.reused
    return (
        f"{matrix.whole:.0f} s for {graded} grades, {matrix.jobs} at a time; {matrix.reused} results of earlier "
        f"calls; {matrix.graded_seconds:.0f} s in all grades together. {matrix.not_reached} of "
        f"{len(matrix.rows) * len(matrix.columns)} cells were not run: the fault changes nothing that they run."
    )


def shares(matrix: Matrix) -> str:
    """The share of each phase in all grades together."""
    total = sum(matrix.phase(name) for name in PHASES) or 1.0
    return ", ".join(f"{name} {matrix.phase(name) / total:.0%}" for name in PHASES)


# ---------------------------------------------------------------- the terminal


def summarise(matrix: Matrix, console: Console) -> None:
    """Print what differs, the counts, what is proved too thinly, and where the seconds went."""
    look = Look.of(console)

    def say(*parts: str | tuple[str, str]) -> None:
        console.print(
            Text.assemble(*((look.text(p) if isinstance(p, str) else (look.text(p[0]), p[1])) for p in parts))
        )

    for row in matrix.rows:
        if not row.is_as_expected:
            say((row.subject.name, "bold"), f" {told(row)}" if row.graded.problem else "")
            for cell in row.differences:
                style = _OUTCOMES[cell.outcome][2]
                say("  ", (cell.outcome.value, style), f" {cell.check}: {difference(cell)}")
    say()
    say((headline(matrix), "bold green" if matrix.is_as_expected else "bold red"))
    say(", ".join(f"{matrix.count(outcome)} {outcome.value}" for outcome in Outcome))
    if matrix.complete:
        few = matrix.proved_by_few()
        if few:
            say(
                f"Proved by fewer than {FEW}: ", ", ".join(f"{proof.check} ({len(proof.proved)})" for proof in few)
            )
        else:
            say(f"Each check is proved by {FEW} wrong submissions or more.")
    say(seconds(matrix))
    say((shares(matrix), "dim"))


def style_of(row: Row) -> str:
    """The style of a row's line on a terminal: that of the worst of it."""
    return _OUTCOMES[max(row.outcomes, key=list(Outcome).index)][2]


def relative(path: Path) -> str:
    """A path as short as it can be told from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
