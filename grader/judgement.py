"""What a check says of a history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from grader.model import Attachment, Counterexample, Evidence, Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reasons. ``share`` is the part of the check's points that was reached, 0 to 1.

    ``spoils`` names the scenarios of which nothing can be judged any more by the checks that build on this one, when
    it fails. None: nothing at all that builds on it can be judged.
    """

    verdict: Verdict
    share: float
    expected: str | None = None
    observed: str | None = None
    hint: str | None = None
    reason: str | None = None
    evidence: tuple[Evidence, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    coverage: str | None = None
    counterexample: Counterexample | None = None
    spoils: frozenset[str] | None = None


class NotObserved(Exception):
    """The situation to be judged is not in the history: the verdict is inconclusive, with this reason."""


def need(value: T | None, reason: str) -> T:
    """The value; NotObserved with ``reason`` when there is none.

    ``reason`` completes the sentence "Could not be judged: …".
    """
    if value is None:
        raise NotObserved(reason)
    return value


def together(parts: Iterable[Callable[[], Judgement]]) -> list[Judgement]:
    """What each part of a check says; the first broken one alone, where there is one, whatever the others lack.

    Raises the first NotObserved of a part when none is broken.
    """
    found: list[Judgement] = []
    doubts: list[NotObserved] = []
    for part in parts:
        try:
            judgement = part()
        except NotObserved as doubt:
            doubts.append(doubt)
            continue
        if judgement.verdict is Verdict.FAIL:
            return [judgement]
        found.append(judgement)
    if doubts:
        raise doubts[0]
    return found


def holds(
    observed: str,
    *evidence: Evidence,
    attachments: tuple[Attachment, ...] = (),
    coverage: str | None = None,
) -> Judgement:
    """The check passes; ``observed`` says what was seen, ``coverage`` how much was explored."""
    return Judgement(
        Verdict.PASS, 1.0, observed=observed, evidence=evidence, attachments=attachments, coverage=coverage
    )


def broken(
    *evidence: Evidence,
    expected: str,
    observed: str,
    hint: str | None = None,
    share: float = 0.0,
    attachments: tuple[Attachment, ...] = (),
    coverage: str | None = None,
    counterexample: Counterexample | None = None,
    spoils: Collection[str] | None = None,
) -> Judgement:
    """The check fails. ``hint`` replaces the check's own when it can be more to the point here.

    ``spoils``: the names of the scenarios that say nothing any more; what builds on this check and is judged by
    others is judged all the same. None: everything that builds on it is skipped.
    """
    return Judgement(
        Verdict.FAIL,
        share,
        expected,
        observed,
        hint=hint,
        evidence=evidence,
        attachments=attachments,
        coverage=coverage,
        counterexample=counterexample,
        spoils=None if spoils is None else frozenset(spoils),
    )
