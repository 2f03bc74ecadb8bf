"""The detection matrix: what each submission of the zoo is expected to get, against what it got. Pure.

Rows are submissions, columns are checks. Nothing here runs anything or reads a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

from grader.declare import Check
from grader.model import Verdict

FEW = 3
"""A check that fewer wrong submissions prove is not proved well."""

PHASES = ("set-up", "scenarios", "repeats", "taking down", "the rest")
"""The parts of a grade: until the first event, the scenarios, those that were repeated, ending all that was started;
the rest is the copy of the submission, the grader's own start, and the reports."""


class Kind(Enum):
    """What a submission is there for."""

    WRONG = "wrong"
    RIGHT = "right"
    SOLUTION = "solution"
    STARTER = "starter"


class Expected(Enum):
    """What a check must find."""

    FAIL = "fail"
    MAY_FAIL = "may fail"
    PASS = "pass"


class Outcome(Enum):
    """What is to be said of a cell; all but the first are differences."""

    AS_EXPECTED = "as expected"
    MISSED = "missed"
    """It should have failed."""
    BLAMED = "blamed wrongly"
    """It should have passed."""
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Subject:
    """A submission and what the grader must find: ``must_fail`` every time, ``may_fail`` with luck, all else passes.

    ``reasons`` say, check by check, why it is fair that a right submission fails it.
    """

    name: str
    kind: Kind
    id: str
    why: str
    must_fail: frozenset[str]
    may_fail: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def expects(self, check: str) -> Expected:
        """What this check must find."""
        if check in self.must_fail:
            return Expected.FAIL
        return Expected.MAY_FAIL if check in self.may_fail else Expected.PASS


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check found, with the words of the report (empty where it passed)."""

    verdict: Verdict
    words: str = ""


@dataclass(frozen=True, slots=True)
class Graded:
    """One whole grade. ``problem`` says why there is none, and then ``checks`` is empty.

    ``seconds`` on the clock, and those of each of ``PHASES``; ``patience`` is how many
    times slower than a quiet machine this one was; ``reused`` that it is of an earlier call. ``not_reached`` are the
    checks that were not run for it, since nothing that they run is changed: they come out as for the solution.
    """

    checks: Mapping[str, Seen]
    problem: str | None = None
    seconds: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    patience: float = 1.0
    seed: int | None = None
    reused: bool = False
    not_reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Column:
    """A check, and the ids of those that it builds on directly, or whose failure can keep it from being judged."""

    id: str
    title: str
    after: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """The part of the lab it belongs to."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Cell:
    """One submission under one check. ``seen`` is None where the check has no verdict at all."""

    check: str
    expected: Expected
    seen: Verdict | None
    outcome: Outcome
    words: str = ""

    @property
    def proves(self) -> bool:
        """Whether it shows that the check can fail: it had to, and it did."""
        return self.expected is Expected.FAIL and self.seen is Verdict.FAIL


@dataclass(frozen=True, slots=True)
class Row:
    """One submission under every check."""

    subject: Subject
    graded: Graded
    cells: tuple[Cell, ...]

    @property
    def differences(self) -> tuple[Cell, ...]:
        """The cells that are not as expected."""
        return tuple(cell for cell in self.cells if cell.outcome is not Outcome.AS_EXPECTED)

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """``AS_EXPECTED`` alone, or every kind of difference that there is."""
        if self.graded.problem is not None:
            return frozenset({Outcome.ERROR})
        return frozenset(cell.outcome for cell in self.differences) or frozenset({Outcome.AS_EXPECTED})

    @property
    def is_as_expected(self) -> bool:
        """Whether nothing about it is a difference."""
        return self.outcomes == {Outcome.AS_EXPECTED}


@dataclass(frozen=True, slots=True)
class Proof:
    """The wrong submissions that must fail a check, and those of them that were seen to."""

    check: str
    named: tuple[str, ...]
    proved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it. ``complete`` when every submission and every check is in it; ``whole`` is the seconds of the call."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    complete: bool
    made_at: str
    whole: float
    jobs: int

    @property
    def is_as_expected(self) -> bool:
        """Whether there is no difference anywhere."""
        return all(row.is_as_expected for row in self.rows)

    def count(self, outcome: Outcome) -> int:
        """Submissions with this outcome. One with two kinds of differences counts for both."""
        return sum(outcome in row.outcomes for row in self.rows)

    def proofs(self) -> tuple[Proof, ...]:
        """Column by column, which wrong submissions prove that the check can fail."""
        wrong = [row for row in self.rows if row.subject.kind is Kind.WRONG]
        return tuple(
            Proof(
                column.id,
                tuple(row.subject.name for row in wrong if column.id in row.subject.must_fail),
                tuple(
                    row.subject.name for row in wrong if any(c.check == column.id and c.proves for c in row.cells)
                ),
            )
            for column in self.columns
        )

    def proved_by_few(self) -> tuple[Proof, ...]:
        """The checks that fewer than ``FEW`` wrong submissions prove."""
        return tuple(proof for proof in self.proofs() if len(proof.proved) < FEW)

    @property
    def graded_seconds(self) -> float:
        """Seconds of all grades together, also of those that are of an earlier call."""
        return sum(row.graded.seconds for row in self.rows)

    def phase(self, name: str) -> float:
        """Seconds that this phase took in all grades together."""
        return sum(row.graded.phases.get(name, 0.0) for row in self.rows)

    @property
    def not_reached(self) -> int:
        """Cells that were not run, since the fault changes nothing that their check runs."""
        return sum(len(row.graded.not_reached) for row in self.rows)

    @property
    def reused(self) -> int:
        """Submissions that were not graded by this call, since nothing of theirs had changed."""
        return sum(row.graded.reused for row in self.rows)


def columns_of(checks: Iterable[Check]) -> tuple[Column, ...]:
    """The columns of a matrix, in the catalogue's order."""
    return tuple(Column(c.id, c.sentence, tuple(b.id for b in (*c.after, *c.explained_by))) for c in checks)


def compare(subject: Subject, graded: Graded, columns: Sequence[Column]) -> Row:
    """The row of one submission."""
    if graded.problem is not None:
        return Row(subject, graded, ())
    after = {column.id: column.after for column in columns}
    return Row(subject, graded, tuple(_cell(subject, graded, column.id, after) for column in columns))


def _cell(subject: Subject, graded: Graded, check: str, after: Mapping[str, tuple[str, ...]]) -> Cell:
    seen = graded.checks.get(check)
    if seen is None:
        return Cell(check, subject.expects(check), None, Outcome.ERROR, "the report does not have this check")
    outcome = _outcome(subject, check, {name: found.verdict for name, found in graded.checks.items()}, after)
    return Cell(check, subject.expects(check), seen.verdict, outcome, seen.words)


def _outcome(
    subject: Subject, check: str, verdicts: Mapping[str, Verdict], after: Mapping[str, tuple[str, ...]]
) -> Outcome:
    expected = subject.expects(check)
    match verdicts[check]:
        case Verdict.PASS:
            return Outcome.MISSED if expected is Expected.FAIL else Outcome.AS_EXPECTED
        case Verdict.FAIL:
            return Outcome.BLAMED if expected is Expected.PASS else Outcome.AS_EXPECTED
        case Verdict.SKIPPED:
            return _outcome_of_skipped(subject, check, verdicts, after)
        case Verdict.INCONCLUSIVE:
            return Outcome.INCONCLUSIVE
        case Verdict.ERROR:
            return Outcome.ERROR
        case other:
            assert_never(other)


def _outcome_of_skipped(
    subject: Subject, check: str, verdicts: Mapping[str, Verdict], after: Mapping[str, tuple[str, ...]]
) -> Outcome:
    """A skip follows from what it builds on: fair after a failure, and as unclear as what is unclear before it."""
    roots = {name: verdicts[name] for name in _roots(check, verdicts, after)}
    failed = {name for name, verdict in roots.items() if verdict is Verdict.FAIL}
    if failed:
        if subject.expects(check) is Expected.FAIL:
            return Outcome.MISSED
        # What a right submission forgoes must cost it those points alone.
        costs_more = subject.kind is Kind.RIGHT and failed <= subject.must_fail
        return Outcome.BLAMED if costs_more else Outcome.AS_EXPECTED
    return Outcome.INCONCLUSIVE if Verdict.INCONCLUSIVE in roots.values() else Outcome.ERROR


def _roots(check: str, verdicts: Mapping[str, Verdict], after: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The checks that were judged, did not pass, and that this one builds on, be it by way of others."""
    found = set()
    for needed in after.get(check, ()):
        verdict = verdicts.get(needed)
        if verdict is Verdict.SKIPPED:
            found |= _roots(needed, verdicts, after)
        elif verdict not in (None, Verdict.PASS):
            found.add(needed)
    return found


def to_json(matrix: Matrix) -> dict[str, Any]:
    """``matrix.json``: the whole matrix as JSON types."""
    return {
        "schema": "zoo/matrix/1",
        "made_at": matrix.made_at,
        "complete": matrix.complete,
        "as_expected": matrix.is_as_expected,
        "submissions": {outcome.value: matrix.count(outcome) for outcome in Outcome},
        "seconds": {
            "whole": round(matrix.whole, 2),
            "jobs": matrix.jobs,
            "reused": matrix.reused,
            "cells_not_reached": matrix.not_reached,
            "grades": round(matrix.graded_seconds, 2),
            "phases": {name: round(matrix.phase(name), 2) for name in PHASES},
        },
        "checks": [
            {"id": proof.check, "must_fail": list(proof.named), "proved_by": list(proof.proved)}
            for proof in matrix.proofs()
        ],
        "rows": [_row_to_json(row) for row in matrix.rows],
    }


def _row_to_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.subject.name,
        "kind": row.subject.kind.value,
        "id": row.subject.id,
        "why": row.subject.why,
        "outcomes": sorted(outcome.value for outcome in row.outcomes),
        "problem": row.graded.problem,
        "seconds": row.graded.seconds,
        "phases": dict(row.graded.phases),
        "patience": row.graded.patience,
        "seed": row.graded.seed,
        "reused": row.graded.reused,
        "not_reached": sorted(row.graded.not_reached),
        "cells": [
            {
                "check": cell.check,
                "expected": cell.expected.value,
                "seen": None if cell.seen is None else cell.seen.value,
                "outcome": cell.outcome.value,
                "words": cell.words,
            }
            for cell in row.cells
        ],
    }


def told(row: Row) -> str:
    """A row in one line: as expected, or every difference with the checks that it concerns."""
    if row.graded.problem is not None:
        return f"{Outcome.ERROR.value}: {row.graded.problem}"
    by_outcome = {
        outcome: [cell.check for cell in row.differences if cell.outcome is outcome]
        for outcome in Outcome
        if outcome is not Outcome.AS_EXPECTED
    }
    parts = [f"{outcome.value} {', '.join(checks)}" for outcome, checks in by_outcome.items() if checks]
    return "; ".join(parts) or Outcome.AS_EXPECTED.value
