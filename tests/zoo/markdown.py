"""The detection matrix as a page of the documentation, ``labs/detection.md``: too wide to be shown as a table. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from grader.model import Verdict
from tests.zoo.matrix import Cell, Expected, Kind, Matrix, Row
from tests.zoo.show import difference, headline, shares

_WIDTH = 100
_MARKUP = re.compile(r"[\\*_<>\[\]#|]")


def render_markdown(matrix: Matrix) -> str:
    """The whole page: what differs, then every check with its counts, then every submission with its failures."""
    right, wrong = ([row for row in matrix.rows if row.subject.kind is kind] for kind in (Kind.RIGHT, Kind.WRONG))
    solution, starter = (
        [row for row in matrix.rows if row.subject.kind is kind] for kind in (Kind.SOLUTION, Kind.STARTER)
    )
    sections = [
        "# The detection matrix",
        "<!-- Made by make zoo, which writes it as matrix.md. -->",
        _paragraph(
            f"Every submission of [the zoo](trust.md#the-zoo) under every [check](checkpoints.md), {matrix.made_at}. "
            f"**{headline(matrix)}.** The grades took {matrix.graded_seconds / 60:.0f} minutes together "
            f"({shares(matrix)}). {matrix.not_reached:,} of {len(matrix.rows) * len(matrix.columns):,} cells were not "
            "run: the fault changes nothing that they run, and they come out as for the solution."
        ),
        *_differences(matrix.rows),
        "## Check by check",
        _paragraph(
            "Of the wrong submissions that must fail a check, how many did; of those that may, how many did; of all "
            "others, how many passed it, and how many of them were not judged, since a check that it builds on failed. "
            "Then, of the right submissions and the solution, but for those that forgo the check, how many passed it."
        ),
        _table(matrix, [*solution, *right], wrong),
        "## The solution and the starter",
        _list([*solution, *starter]),
        f"## Right submissions: {len(right)}",
        _list(right),
        f"## Wrong submissions: {len(wrong)}",
        _list(wrong),
    ]
    return "\n\n".join(sections) + "\n"


def _differences(rows: Iterable[Row]) -> Iterator[str]:
    found = [_item(f"`{row.subject.name}`: {said}") for row in rows for said in _different(row)]
    if found:
        yield "## What is not as expected"
        yield "\n".join(found)
        yield "What became of them is told in [trust](trust.md#measured)."


def _different(row: Row) -> Iterator[str]:
    if row.graded.problem is not None:
        yield f"no grade: {_plain(row.graded.problem)}"
    for cell in row.differences:
        yield f"{cell.outcome.value} `{cell.check}`: {_plain(difference(cell))}"


# ---------------------------------------------------------------- check by check


def _table(matrix: Matrix, right: Sequence[Row], wrong: Sequence[Row]) -> str:
    lines = [
        "| check | must fail | may fail | others | not judged | right |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for column in matrix.columns:
        of_wrong = [cell for row in wrong for cell in row.cells if cell.check == column.id]
        of_right = [cell for row in right for cell in row.cells if cell.check == column.id]
        must, may, others = ([c for c in of_wrong if c.expected is expected] for expected in Expected)
        counts = (
            _share(must, Verdict.FAIL),
            _share(may, Verdict.FAIL) if may else "",
            _share(others, Verdict.PASS),
            str(_count(others, Verdict.SKIPPED)),
            _share([c for c in of_right if c.expected is Expected.PASS], Verdict.PASS),
        )
        lines.append(f"| `{column.id}` | {' | '.join(counts)} |")
    return "\n".join(lines)


def _count(cells: Iterable[Cell], verdict: Verdict) -> int:
    return sum(cell.seen is verdict for cell in cells)


def _share(cells: Sequence[Cell], verdict: Verdict) -> str:
    return f"{_count(cells, verdict)} of {len(cells)}"


# ---------------------------------------------------------------- submission by submission


def _list(rows: Iterable[Row]) -> str:
    return "\n".join(_item(" ".join((_name(row), _plain(row.subject.why), *_verdicts(row)))) for row in rows)


def _name(row: Row) -> str:
    id = f"{row.subject.id} " if row.subject.id else ""
    return f"{id}**{row.subject.name}**:"


def _verdicts(row: Row) -> Iterator[str]:
    """What it failed, and what was not judged for that; a right one's reasons are why that is fair."""
    if row.graded.problem is not None:
        yield "No grade."
        return
    failed = [cell for cell in row.cells if cell.seen is Verdict.FAIL]
    if failed:
        yield (
            "Failed "
            + ", ".join(
                f"`{cell.check}`" + (" (it may)" if cell.expected is Expected.MAY_FAIL else "") for cell in failed
            )
            + "."
        )
    else:
        yield "Passed all."
    if skipped := _count(row.cells, Verdict.SKIPPED):
        yield f"Not judged: {skipped}."
    for check, reason in row.subject.reasons.items():
        yield f"`{check}`: {_plain(reason)}"


# ---------------------------------------------------------------- lines


def _plain(text: str) -> str:
    """Text that means nothing to Markdown, but for the code in it."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else _MARKUP.sub(r"\\\g<0>", p) for p in parts)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> str:
    return textwrap.fill(
        f"- {text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
