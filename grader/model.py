"""The vocabulary of a grade: verdicts, results, the report. Frozen values; imports nothing of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What the grader can say of one check; the value is the word used in every report."""

    PASS = "pass"
    """The grader saw it hold."""
    FAIL = "fail"
    """The grader saw it broken, and can show when and how."""
    SKIPPED = "skipped"
    """A check that this one builds on did not pass."""
    INCONCLUSIVE = "inconclusive"
    """What was seen does not suffice for a verdict; not the submission's fault."""
    ERROR = "error"
    """The grader's own fault."""


class Outcome(Enum):
    """What a whole run amounts to; decides the exit status of ``grader grade``."""

    PASS = "pass"
    """Every point of the lab was reached (bonus points are not needed)."""
    FAIL = "fail"
    """At least one point was not reached."""
    ERROR = "error"
    """The grader failed somewhere; the score is not to be used."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of proof from the history.

    ``at`` is in seconds since the start of the run; ``service`` is the instance it concerns (``api``,
    ``worker-A`` …) or None for the database and the grader.
    """

    at: float
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of one check, with everything a report needs to explain it.

    ``points`` is what was reached of ``max_points``. ``observed`` is set when the verdict is pass or fail,
    ``expected`` and ``hint`` when it is fail; ``reason`` when it is skipped, inconclusive or error, and when it is
    fail and a limit was hit: then it says which. ``read`` is a file and anchor relative to the project, such as
    ``labs/lab-03-worker-service.md#graceful-shutdown``. ``scenario`` names the recorded scenario that was judged
    (several are joined by ``+``). ``coverage`` says, for a check that explores, how much was explored and whether
    that was all of it; ``counterexample`` is the order of steps that broke the rule, where one was found.
    """

    id: str
    part: str
    title: str
    verdict: Verdict
    points: float
    max_points: float
    bonus: bool = False
    expected: str | None = None
    observed: str | None = None
    hint: str | None = None
    read: str | None = None
    reason: str | None = None
    duration_s: float = 0.0
    scenario: str | None = None
    evidence: tuple[Evidence, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    coverage: str | None = None
    counterexample: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class LaneStep:
    """One line of a counterexample: something that happened in one lane.

    ``number`` counts from 1 in the order in which things happened; ``lane`` is one of the counterexample's lanes.
    ``text`` is the SQL of a statement (one line, bounded), the name of a signal, or what else happened.
    ``result`` is what came of it in a few words (``1 row``, ``task 7``, ``error 40001``, ``answer withheld``), empty
    when it has to wait. ``transaction`` is PostgreSQL's letter after it (I: none open, T: open, E: failed) or None for
    what is no statement. ``waits_for`` names who holds what it waits for. ``changes`` are changes of rows that it
    made, in words (``task 7: pending → processing, assigned_worker B``).
    """

    number: int
    lane: str
    text: str
    result: str = ""
    transaction: str | None = None
    waits_for: str | None = None
    goes_on: bool = False
    """It is the end of a statement that had to wait at an earlier number."""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The order of steps that breaks a rule: as small as it could be made, and seen again on fresh processes.

    ``setup`` says what the table held at the beginning; ``rule`` the rule that broke, with numbers of steps;
    ``schedule`` the order in a form that can be run again (``A A B B A``); ``replays`` how often it was run again,
    and broke the same rule each time.
    """

    lanes: tuple[str, ...]
    steps: tuple[LaneStep, ...]
    setup: str
    rule: str
    schedule: str
    replays: int

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Counterexample:
        """What ``dataclasses.asdict`` turned into ``fields``, by way of JSON or not. KeyError where one is missing."""
        steps = ({**known(LaneStep, step), "changes": tuple(step["changes"])} for step in fields["steps"])
        told = {"lanes": tuple(fields["lanes"]), "steps": tuple(LaneStep(**step) for step in steps)}
        return cls(**{**known(cls, fields), **told})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text of the submission that a person has to read, such as an answer to a checkpoint question."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class PostgresInfo:
    """Where the database server of a run came from."""

    provider: str
    """``docker``, ``embedded`` or ``given``."""
    version: str
    reason: str
    """Why this provider was taken, in a few words."""


@dataclass(frozen=True, slots=True)
class Report:
    """One graded run. ``max_score`` and ``max_bonus`` count the checks of this run alone.

    ``started_at`` is ISO 8601 in UTC; ``duration_s`` in seconds; ``notes`` are things about the run that a
    reader must know (a machine that stalled, checks that were left out, a repeated scenario).
    """

    lab: str
    submission: str
    checks: tuple[CheckResult, ...]
    isolation: str
    postgres: PostgresInfo
    seed: int
    started_at: str
    duration_s: float
    notes: tuple[str, ...] = ()
    complete: bool = True
    """False when the run was asked for some of the checks only."""
    machine: str = ""
    """The machine that graded, in a line; empty where it was not noted."""

    @property
    def score(self) -> float:
        """Points reached of the lab's own."""
        return sum(c.points for c in self.checks if not c.bonus)

    @property
    def max_score(self) -> float:
        """Points of the lab that this run could give."""
        return sum(c.max_points for c in self.checks if not c.bonus)

    @property
    def bonus(self) -> float:
        """Bonus points reached."""
        return sum(c.points for c in self.checks if c.bonus)

    @property
    def max_bonus(self) -> float:
        """Bonus points that this run could give."""
        return sum(c.max_points for c in self.checks if c.bonus)

    @property
    def outcome(self) -> Outcome:
        """Error if any check is in error, pass if no point of the lab is missing, else fail."""
        if any(c.verdict is Verdict.ERROR for c in self.checks):
            return Outcome.ERROR
        return Outcome.PASS if self.score >= self.max_score else Outcome.FAIL


@dataclass(frozen=True, slots=True)
class Refusal:
    """What there is instead of a report when nothing could be judged.

    ``reason`` is one line for a person: what is wrong, and what to do. ``ours`` tells whose it is: the grader's or
    its environment's, so that nothing may be held against the submission; else the submission's, which cannot be
    graded as it is.
    """

    submission: str
    reason: str
    ours: bool


def known(cls: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """What ``cls`` takes of ``fields``: a later version of the grader may have added keys. KeyError without one."""
    return {field.name: fields[field.name] for field in dataclasses.fields(cls)}
