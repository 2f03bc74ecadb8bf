"""How scenarios and checks are declared. A declaration that is not complete is refused when it is made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import Internal
from grader.judgement import Judgement

if TYPE_CHECKING:
    from grader.lab import Lab

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that what a check names to be read is relative to."""

PARTS = ("2", "3a", "3b", "x")
"""The parts of the lab, in order; ``x`` is beyond the lab and gives bonus points."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that is done to a submission and recorded. It judges nothing.

    ``timeout`` bounds every single wait, in seconds on a quiet machine. ``seconds`` is about how long it
    takes with a right submission, so that long ones can be started first.
    """

    name: str
    sentence: str
    drive: Callable[[Lab], None]
    timeout: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence that holds of a submission or does not, judged from histories alone.

    ``on``: the scenarios whose histories ``judge`` takes, in this order. ``after``: checks that must pass for
    this one to mean anything. ``explained_by``: checks whose failure explains it when this one cannot be judged,
    so that it is skipped then, and not inconclusive.
    """

    id: str
    points: float
    sentence: str
    why: str
    judge: Callable[..., Judgement]
    on: tuple[Scenario, ...]
    after: tuple[Check, ...]
    hint: str
    read: str
    explained_by: tuple[Check, ...] = ()

    @property
    def part(self) -> str:
        """The part of the lab it belongs to."""
        return self.id.partition(".")[0]

    @property
    def bonus(self) -> bool:
        """Whether its points come on top of the lab's 100."""
        return self.part == "x"


def scenario(*, timeout: float = 10, seconds: float = 2) -> Callable[[Callable[[Lab], None]], Scenario]:
    """Declare a scenario: its name is the function's, its sentence the first paragraph of the docstring."""

    def declare(drive: Callable[[Lab], None]) -> Scenario:
        return Scenario(drive.__name__, _sentence(drive), drive, timeout, seconds)

    return declare


def check(
    id: str,
    *,
    points: float,
    on: Scenario | Sequence[Scenario],
    hint: str,
    read: str,
    after: Check | Sequence[Check] = (),
    explained_by: Check | Sequence[Check] = (),
) -> Callable[[Callable[..., Judgement]], Check]:
    """Declare a check: a pure function of as many histories as there are scenarios in ``on``.

    Its sentence is the first paragraph of the docstring; the second says why it matters. Raises Internal for a check
    that a student could not understand: no sentence, no reason, no hint, no place to read, an id that is none.
    """
    scenarios = (on,) if isinstance(on, Scenario) else tuple(on)
    before = (after,) if isinstance(after, Check) else tuple(after)
    reasons = (explained_by,) if isinstance(explained_by, Check) else tuple(explained_by)

    def declare(judge: Callable[..., Judgement]) -> Check:
        if not re.fullmatch(rf"({'|'.join(PARTS)})\.[a-z]+(-[a-z]+)*", id):
            raise Internal(f"check {id!r}: an id is PART.words-with-hyphens")
        if not scenarios or not all(isinstance(s, Scenario) for s in scenarios):
            raise Internal(f"check {id}: name the scenarios that it judges")
        if len(inspect.signature(judge).parameters) != len(scenarios):
            raise Internal(f"check {id}: its function takes one history for each of its scenarios")
        if not hint.strip():
            raise Internal(f"check {id}: a student needs a hint")
        if points <= 0:
            raise Internal(f"check {id}: {points} points")
        document, _, anchor = read.partition("#")
        if anchor not in anchors(PROJECT / document):
            raise Internal(f"check {id}: no heading for {read!r}")
        return Check(id, points, _sentence(judge), _why(judge), judge, scenarios, before, hint, read, reasons)

    return declare


def _sentence(function: Callable[..., object]) -> str:
    sentence = _paragraph(function, 0)
    if not sentence.endswith("."):
        raise Internal(f"{function.__name__}: its docstring begins with a sentence that a student understands")
    return sentence


def _why(function: Callable[..., object]) -> str:
    why = _paragraph(function, 1)
    if not why.endswith("."):
        raise Internal(f"{function.__name__}: the second paragraph of its docstring says why it matters")
    return why


def _paragraph(function: Callable[..., object], number: int) -> str:
    paragraphs = [*inspect.cleandoc(function.__doc__ or "").split("\n\n"), ""]
    return " ".join(paragraphs[number].split())


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors of a Markdown page's headings, by the rule that GitHub uses.

    Lower case, everything but letters, digits, spaces, hyphens and underscores left out, spaces to hyphens.
    """
    return frozenset(anchor for _, _, anchor in _headings(document))


@cache
def section(read: str) -> str | None:
    """The section that ``read`` (file and anchor) names, heading included, as Markdown; None where there is none."""
    document, _, anchor = read.partition("#")
    path = PROJECT / document
    headings = _headings(path)
    place = next((n for n, heading in enumerate(headings) if heading[2] == anchor), None)
    if place is None:
        return None
    first, level, _ = headings[place]
    end = next((number for number, other, _ in headings[place + 1 :] if other <= level), None)
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[first:end])


def _headings(document: Path) -> list[tuple[int, int, str]]:
    """Line (from 0), level and anchor of every heading."""
    if not document.is_file():
        return []
    found = []
    fenced = False
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines()):
        if line.startswith("```"):
            fenced = not fenced
        heading = re.match(r"(#{1,6}) +(.*?)\s*#*$", line)
        if heading and not fenced:
            kept = re.sub(r"[^\w\- ]", "", heading[2].lower())
            found.append((number, len(heading[1]), kept.replace(" ", "-")))
    return found
