"""``grader explain CHECK``: what a check does, why it matters, typical faults, what to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console

from grader.checkpoints import all_checks, select
from grader.checkpoints.explanation import Explanation, explain
from grader.commands.reporting import again
from grader.declare import PARTS
from grader.report.outline import HEADINGS, number

_WIDTH = 79
_PAGE_WIDTH = 100
_LABS = "labs/"


def show(ids: Sequence[str], console: Console) -> int:
    """Print what there is to say of each of these checks. BadCall for one that does not exist."""
    for index, check in enumerate(select(all_checks(), only=ids)):
        if index:
            console.print()
        for line in _lines(explain(check), min(console.width, _WIDTH)):
            console.print(line, markup=False, soft_wrap=True)
    return 0


def _lines(each: Explanation, width: int) -> Iterator[str]:
    check = each.check
    yield f"{check.id}  {_points(each)}, {HEADINGS[check.part]}"
    yield from _wrapped(check.sentence, width)
    yield from _titled("Why it matters", [check.why], width)
    yield from _titled("What the grader does", each.scenarios, width)
    yield from _titled("Typical faults", each.faults, width)
    yield from _titled("What to look at", [check.hint], width)
    yield from _titled("What to read", [check.read], width)
    if each.after:
        yield from _titled("Judged when this passes", each.after, width)
    yield from _titled("Run it alone", [again("starter", check.id)], width)


def _titled(title: str, texts: Sequence[str], width: int) -> Iterator[str]:
    if texts:
        yield ""
        yield title
    for text in texts:
        bullet = "- " if len(texts) > 1 else "  "
        yield from _wrapped(text, width, f"  {bullet}" if len(texts) > 1 else bullet)


def _wrapped(text: str, width: int, before: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=before,
        subsequent_indent=" " * len(before),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _points(each: Explanation) -> str:
    points = each.check.points
    return f"{number(points)} {'bonus ' if each.check.bonus else ''}point{'' if points == 1 else 's'}"


# ---------------------------------------------------------------- the page


def page() -> str:
    """The text of ``labs/checkpoints.md``: every check, from its declaration."""
    checks = all_checks()
    lab = number(sum(check.points for check in checks if not check.bonus))
    bonus = number(sum(check.points for check in checks if check.bonus))
    lines = [
        "# The checkpoints",
        "",
        "<!-- Made by make checkpoints from the declarations in grader/checkpoints/. Change those. -->",
        "",
        *_wrapped(
            f"{len(checks)} checks, {lab} points and {bonus} bonus points. Each is one sentence that holds of a "
            "submission or does not. `make explain CHECK=3a.starts` prints the same of one check on a terminal.",
            _PAGE_WIDTH,
        ),
        "",
        "| check | points | part |",
        "| --- | ---: | --- |",
    ]
    lines += [f"| [`{c.id}`](#{_anchor(c.id)}) | {number(c.points)} | {HEADINGS[c.part]} |" for c in checks]
    for part in PARTS:
        lines += ["", f"## {HEADINGS[part]}"]
        for check in checks:
            if check.part == part:
                lines += _section(explain(check))
    return "\n".join(lines) + "\n"


def _section(each: Explanation) -> Iterator[str]:
    check = each.check
    yield from ("", f"### {check.id}", "")
    yield from _wrapped(f"**{check.sentence}** ({_points(each)})", _PAGE_WIDTH)
    yield ""
    yield from _wrapped(check.why, _PAGE_WIDTH)
    yield from ("", "What the grader does:", "")
    for sentence in each.scenarios:
        yield from _wrapped(_literal(sentence), _PAGE_WIDTH, "- ")
    if each.faults:
        yield from ("", "Typical faults:", "")
        for fault in each.faults:
            yield from _wrapped(_literal(fault), _PAGE_WIDTH, "- ")
    yield ""
    yield from _wrapped(f"What to look at: {_literal(check.hint)}", _PAGE_WIDTH)
    place = check.read.removeprefix(_LABS)
    yield ""
    yield f"What to read: [{place.partition('#')[2].replace('-', ' ')}]({place})."
    if each.after:
        names = ", ".join(f"[`{id}`](#{_anchor(id)})" for id in each.after)
        yield from ("", f"Judged when {names} pass{'' if len(each.after) > 1 else 'es'}.")


def _literal(text: str) -> str:
    """A sentence of ours with nothing in it that Markdown would take for markup, but for code."""
    return text.replace("*", "\\*").replace("<", "&lt;")


def _anchor(id: str) -> str:
    return id.replace(".", "")
