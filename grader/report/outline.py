"""A report as its reader meets it: by part, what failed, what waits for what, what to do first.

Every renderer takes its order and its words from here, so that all of them tell the same story. Nothing
here makes a text fit to be shown: that is ``text.py``'s, and comes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from grader.model import CheckResult, Counterexample, LaneStep, Outcome, Report, Verdict

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "2": "Lab 02: the api-service",
        "3a": "Exercise 3a: the worker",
        "3b": "Exercise 3b: the queue",
        "x": "Beyond the lab (bonus)",
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """The checks of one part of the lab, in the order in which they build on each other."""

    name: str
    checks: tuple[CheckResult, ...]

    @property
    def heading(self) -> str:
        """The part in words; a part that is not of this lab speaks for itself."""
        return HEADINGS.get(self.name, self.name)

    @property
    def points(self) -> float:
        """Points reached."""
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        """Points that the part's checks could give."""
        return sum(check.max_points for check in self.checks)

    @property
    def judged(self) -> tuple[CheckResult, ...]:
        """The checks that were not skipped."""
        return tuple(check for check in self.checks if check.verdict is not Verdict.SKIPPED)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Checks that were skipped for one and the same cause.

    ``on`` is the id of the check to be mended first, or None where no reason names one; ``reason`` is what
    the first of them says.
    """

    on: str | None
    reason: str
    checks: tuple[CheckResult, ...]

    @property
    def max_points(self) -> float:
        """Points that these checks could give."""
        return sum(check.max_points for check in self.checks)

    def __str__(self) -> str:
        """The group as a sentence: ``12 checks wait for 3a.starts``."""
        one = len(self.checks) == 1
        if self.on is None:
            return f"{'1 check was' if one else f'{len(self.checks)} checks were'} skipped: {self.reason}"
        return f"{'1 check waits' if one else f'{len(self.checks)} checks wait'} for {self.on}"


def parts(report: Report) -> tuple[Part, ...]:
    """The parts of the report by name (``2``, ``3a`` …), each with its checks in the report's order."""
    names = sorted({check.part for check in report.checks})
    return tuple(Part(name, tuple(c for c in report.checks if c.part == name)) for name in names)


def of(report: Report, *verdicts: Verdict) -> tuple[CheckResult, ...]:
    """The checks with one of these verdicts, part by part."""
    return tuple(c for part in parts(report) for c in part.checks if c.verdict in verdicts)


def waiting(report: Report, checks: Sequence[CheckResult]) -> tuple[Waiting, ...]:
    """The skipped ones of ``checks``, grouped by what they wait for in the end.

    A check that waits for one that waits itself counts with the latter's cause.
    """
    by_id = {check.id: check for check in report.checks}
    groups: dict[str, list[CheckResult]] = {}
    causes: dict[str, str | None] = {}
    for check in checks:
        if check.verdict is Verdict.SKIPPED:
            cause = _cause(check, by_id)
            key = cause or check.reason or ""
            causes[key] = cause
            groups.setdefault(key, []).append(check)
    return tuple(
        Waiting(causes[key], group[0].reason or "no reason was given", tuple(group))
        for key, group in groups.items()
    )


def _cause(check: CheckResult, by_id: Mapping[str, CheckResult]) -> str | None:
    found: str | None = None
    seen = {check.id}
    while check.verdict is Verdict.SKIPPED:
        # Sentences end in dots, ids do not.
        words = (word.rstrip(".") for word in re.findall(r"[\w.-]+", check.reason or ""))
        named = next((word for word in words if word in by_id and word not in seen), None)
        if named is None:
            break
        found = named
        seen.add(named)
        check = by_id[named]
    return found


def first_step(report: Report) -> CheckResult | None:
    """The failed check to begin with: the first in order, the lab's own before the bonus."""
    failed = of(report, Verdict.FAIL)
    return next((c for c in failed if not c.bonus), next(iter(failed), None))


def without_step(report: Report) -> str:
    """What to say when no check failed."""
    if of(report, Verdict.ERROR):
        return "Nothing failed. Where the grader itself did, give the report to whoever runs the course."
    if of(report, Verdict.INCONCLUSIVE):
        return "Nothing failed. Run what could not be judged again, on a machine with less to do."
    if report.outcome is Outcome.PASS:
        return "Nothing is left to do: everything that was checked holds."
    return "Nothing failed, but not every check was run."


def excuse(verdict: Verdict) -> str:
    """What a verdict means for the submission, in a sentence."""
    match verdict:
        case Verdict.PASS:
            return "The grader saw it hold."
        case Verdict.FAIL:
            return "The grader saw it broken."
        case Verdict.SKIPPED:
            return "It builds on a check that did not pass."
        case Verdict.INCONCLUSIVE:
            return "There is too little to judge by. This is not your fault."
        case Verdict.ERROR:
            return "The grader itself failed here. This is not your fault."
    assert_never(verdict)


def explored(report: Report) -> tuple[CheckResult, ...]:
    """The checks that say how much they explored, part by part, however they came out."""
    return tuple(check for check in of(report, *Verdict) if check.coverage)


def lanes(order: Counterexample) -> tuple[str, ...]:
    """The lanes of a counterexample, each once, the one of every step among them."""
    return tuple(dict.fromkeys([*order.lanes, *(step.lane for step in order.steps)]))


def is_statement(step: LaneStep) -> bool:
    """Whether the step's text is SQL; signals and the like are none."""
    return step.transaction is not None or step.waits_for is not None or step.goes_on


def action(step: LaneStep, order: Counterexample) -> str:
    """What a step does, in one line; the end of a statement that had to wait does not repeat its SQL."""
    if not step.goes_on:
        return step.text
    began = [s.number for s in order.steps if s.lane == step.lane and s.waits_for and s.number < step.number]
    return f"(step {max(began)} goes on)" if began else f"(goes on) {step.text}".rstrip()


def came_of(step: LaneStep) -> str:
    """What came of a step: ``1 row, in a transaction``, ``waits for worker-A``; empty where nothing is known."""
    waits = f"waits for {step.waits_for}" if step.waits_for else ""
    transaction = {"T": "in a transaction", "E": "failed transaction"}.get(step.transaction or "", "")
    return ", ".join(said for said in (step.result, waits, transaction) if said)


def seen_again(order: Counterexample) -> str:
    """How often a counterexample was run again; empty where it was not."""
    runs = "1 run" if order.replays == 1 else f"{order.replays} runs"
    return f"seen again in {order.replays} of {runs} on fresh processes" if order.replays else ""


def score(report: Report) -> str:
    """The score line: ``Score 88/100, bonus 7/10``."""
    said = [f"Score {ratio(report.score, report.max_score)}"] if report.max_score else []
    if report.max_bonus:
        said.append(f"{'bonus' if said else 'Bonus'} {ratio(report.bonus, report.max_bonus)}")
    return ", ".join(said) or "No points to be had"


def tally(report: Report) -> str:
    """How many checks came out how: ``30 pass, 4 fail, 2 skipped``."""
    counts = [(v.value, len(of(report, v))) for v in Verdict]
    return ", ".join(f"{count} {word}" for word, count in counts if count) or "no checks"


def ratio(points: float, of_points: float) -> str:
    """Points reached and to be had: ``2/5``, ``2.5/5``."""
    return f"{number(points)}/{number(of_points)}"


def number(value: float) -> str:
    """A number of points without needless decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """A length of time for people: ``0.4 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
