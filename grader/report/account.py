"""What every format says of a report, in plain words, so that all of them say the same.

Five verdicts have to fit formats that know two or three. Here stands, once, what is a failure and what is not:
a check that is inconclusive or in error says nothing against the submission, in no format.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from grader.model import CheckResult, Outcome, Refusal, Report, Verdict
from grader.report import outline
from grader.report.text import Limits, cleaned, line

UNJUDGED = frozenset({Verdict.INCONCLUSIVE, Verdict.ERROR})
"""Verdicts that say nothing of the submission."""

NOT_TO_BE_USED = "The grader failed somewhere: this score is not to be used."
NOT_ALL_ASKED_FOR = "Only some of the checks were asked for; the score counts these alone."

SHOWN_EVIDENCE = 12
"""Lines of evidence in a format that is not the page."""

_BOUNDS = (4_000, 1_000, 250, 80, 20)
"""How long one text may be, in characters: the first that makes a format's whole fit is taken."""


class Standing(Enum):
    """What a run says of the submission, for formats that want one word."""

    PASS = "pass"
    """Every point of the lab was reached."""
    FAIL = "fail"
    """A check of the lab's own saw something broken."""
    UNJUDGED = "unjudged"
    """Points are missing, but nothing was seen broken, or the grader failed: this is not the submission's fault."""


class TooLarge(ValueError):
    """A report that no cutting makes small enough for a format."""

    def __init__(self, most: int) -> None:
        super().__init__(f"cannot be told in {most:,} bytes")


def standing(report: Report) -> Standing:
    """The run in one word."""
    if report.outcome is Outcome.ERROR:
        return Standing.UNJUDGED
    if report.outcome is Outcome.PASS:
        return Standing.PASS
    broken = any(check.verdict is Verdict.FAIL and not check.bonus for check in report.checks)
    return Standing.FAIL if broken else Standing.UNJUDGED


def headline(check: CheckResult) -> str:
    """A verdict and its points: ``fail, 0/6 points``."""
    return f"{check.verdict.value}, {outline.ratio(check.points, check.max_points)} points"


def explanation(check: CheckResult) -> str:
    """Why the verdict is what it is, in labelled lines; empty for a check that passed and has nothing to say."""
    if check.verdict in (Verdict.PASS, Verdict.FAIL):
        facts = [("expected", check.expected), ("observed", check.observed)]
        facts += [("hint", check.hint), ("read", check.read)] if check.verdict is Verdict.FAIL else []
    else:
        facts = [("meaning", outline.excuse(check.verdict)), ("reason", check.reason)]
    told = [f"{label}: {text}" for label, text in facts if text]
    if check.verdict is Verdict.FAIL:
        told += _evidence(check)
        if check.counterexample is not None:
            told.append(f"rule broken: {check.counterexample.rule}")
            told.append(f"order of steps: {check.counterexample.schedule}")
    return "\n".join(told)


def _evidence(check: CheckResult) -> list[str]:
    shown = check.evidence[:SHOWN_EVIDENCE]
    told = [f"{item.at:9.3f} s  {f'{item.service}  ' if item.service else ''}{item.text}" for item in shown]
    if len(check.evidence) > len(shown):
        told.append(f"and {len(check.evidence) - len(shown)} more in the full report")
    return told


def plain(number: float) -> float:
    """``number`` as JSON has it here, however it was read: without the dust of sums, and whole ones as integers."""
    rounded = round(number, 6)
    return int(rounded) if float(rounded).is_integer() else rounded


def caveats(report: Report) -> list[str]:
    """What a reader must know before the score is used."""
    told = []
    if report.outcome is Outcome.ERROR:
        told.append(NOT_TO_BE_USED)
    elif outline.of(report, Verdict.INCONCLUSIVE):
        told.append("Something could not be judged. This is not your fault; run it again.")
    if not report.complete:
        told.append(NOT_ALL_ASKED_FOR)
    return [*told, *report.notes]


def whose(refusal: Refusal) -> str:
    """What a refusal means, in a sentence."""
    if refusal.ours:
        return "The grader or its environment failed. This is not your fault, and nothing was judged."
    return "The submission cannot be graded as it is."


def cleaned_refusal(refusal: Refusal) -> Refusal:
    """The same refusal, fit to be shown."""
    return Refusal(line(refusal.submission), line(refusal.reason, 2_000), refusal.ours)


def fitted(report: Report, render: Callable[[Report], str], most: int) -> str:
    """``render`` of the report with its texts clean, and cut as little as makes the whole ``most`` bytes.

    Raises TooLarge when nothing does.
    """
    for bound in _BOUNDS:
        limits = Limits(
            line=min(300, bound), sentence=min(1_000, bound), block=bound, attachment=bound, statement=bound
        )
        said = render(cleaned(report, limits))
        if len(said.encode()) <= most:
            return said
    raise TooLarge(most)
