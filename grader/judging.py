"""From histories to results. Pure: a saved run is judged by the same functions, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.declare import Check
from grader.errors import Internal
from grader.history.events import ClockSet, Refused
from grader.history.hits import limit_words, limits_hit
from grader.history.timeline import History
from grader.history.witnesses import disagreements
from grader.judgement import Judgement, NotObserved, broken
from grader.model import CheckResult, Evidence, Verdict

TAMPERED = "tampered with"
"""How what was observed begins where the record cannot be believed."""


SLOWER = 2.0
"""A machine that has become so many times slower since the start is another one, with less to say of a failure."""


@dataclass(frozen=True, slots=True)
class Take:
    """One recording of a scenario: its history, or the grader's own failure while it drove it.

    ``tampering`` is what its two witnesses, the wire and the audit, tell differently: it cannot be believed then.
    ``patience`` is how slow the machine was, where there is no history to tell.
    """

    history: History | None
    seconds: float
    error: str | None = None
    tampering: tuple[Evidence, ...] = ()
    patience: float = 1.0

    @classmethod
    def recorded(cls, history: History, seconds: float, error: str | None = None) -> Take:
        """What was recorded in ``seconds``; of a scenario that failed with an ``error`` of ours nothing is judged."""
        if error is not None:
            return cls(None, seconds, error, patience=history.patience)
        try:
            return cls(history, seconds, tampering=disagreements(history))
        except Exception as problem:  # a bug in the comparison must never become a student's failure
            return cls(None, seconds, f"{type(problem).__name__}: {problem}", patience=history.patience)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A result, and the scenarios that it makes worthless for what builds on it (None: all)."""

    result: CheckResult
    spoils: frozenset[str] | None = None

    def keeps_from(self, check: Check) -> bool:
        """Whether a check that builds on this one cannot be judged."""
        if self.result.verdict is Verdict.PASS:
            return False
        return self.spoils is None or any(scenario.name in self.spoils for scenario in check.on)


@dataclass(slots=True)
class Judge:
    """Judges checks as soon as everything that they need is there.

    ``takes`` are added scenario by scenario; a scenario may have a second take, which is looked at only where the
    first was inconclusive, or where it failed and the machine had become much slower than was allowed for.
    """

    checks: Sequence[Check]
    takes: dict[str, list[Take]] = field(default_factory=dict)
    _judged: dict[tuple[object, ...], _Judged] = field(default_factory=dict)

    def add(self, scenario: str, take: Take) -> None:
        """Add a recording of a scenario."""
        self.takes.setdefault(scenario, []).append(take)

    def results(self) -> dict[str, CheckResult]:
        """The results that can be said by now, by check id. Pure in what was added."""
        found: dict[str, _Judged] = {}
        known = -1
        while len(found) > known:  # what explains a check may come after it
            known = len(found)
            for check in self.checks:
                if check.id not in found and (judged := self._look_at(check, found)) is not None:
                    found[check.id] = judged
        return {check.id: found[check.id].result for check in self.checks if check.id in found}

    def _look_at(self, check: Check, known: Mapping[str, _Judged]) -> _Judged | None:
        selected = {c.id for c in self.checks}
        for needed in check.after:
            if needed.id not in selected:
                continue
            before = known.get(needed.id)
            if before is None:
                return None
            if before.keeps_from(check):
                return _result_of(check, Verdict.SKIPPED, reason=_why_skipped(before.result))
        takes = [self.takes.get(s.name, []) for s in check.on]
        if any(not found for found in takes):
            return None
        key = (check.id, *map(len, takes))
        if key not in self._judged:
            self._judged[key] = _judge_takes(check, [found[0] for found in takes], [found[-1] for found in takes])
        judged = self._judged[key]
        unclear = judged.result.verdict is Verdict.INCONCLUSIVE
        return self._explained(check, judged, known) if unclear else judged

    def _explained(self, check: Check, unclear: _Judged, known: Mapping[str, _Judged]) -> _Judged | None:
        """What to say of a check that could not be judged: it is skipped if a fault of the submission's explains that.

        Nothing yet, as long as nobody knows.
        """
        selected = {c.id for c in self.checks}
        reasons = [known.get(reason.id) for reason in check.explained_by if reason.id in selected]
        for reason in reasons:
            if reason is None or not reason.keeps_from(check):
                continue
            if reason.result.verdict in (Verdict.FAIL, Verdict.SKIPPED):
                return _result_of(check, Verdict.SKIPPED, reason=_why_skipped(reason.result))
        return unclear if None not in reasons else None


def _why_skipped(before: CheckResult) -> str:
    if before.verdict is Verdict.SKIPPED and before.reason:
        return before.reason
    words = {
        Verdict.FAIL: "failed",
        Verdict.INCONCLUSIVE: "could not be judged",
        Verdict.ERROR: "could not be judged because the grader failed",
    }
    return f"builds on {before.id}, which {words.get(before.verdict, 'did not pass')}"


def _judge_takes(check: Check, first: Sequence[Take], last: Sequence[Take]) -> _Judged:
    """By the first takes; by the last ones where those do not do."""
    judged = _judge(check, first)
    slower = max(_patience(after) / _patience(before) for before, after in zip(first, last, strict=True))
    if judged.result.verdict is Verdict.INCONCLUSIVE:
        return _judge(check, last) if any(a is not b for a, b in zip(first, last, strict=True)) else judged
    if judged.result.verdict is not Verdict.FAIL or slower < SLOWER or any(take.tampering for take in first):
        return judged
    again = _judge(check, last)
    if again.result.verdict is not Verdict.PASS:
        return again
    reason = (
        f"Could not be judged: the machine became {slower:.1f} times slower meanwhile. It failed at first"
        f" ({judged.result.observed}), and held when it was tried again with more time. Grade again when less is running."
    )
    return _result_of(check, Verdict.INCONCLUSIVE, reason=reason, seconds=again.result.duration_s)


def _patience(take: Take) -> float:
    return take.patience if take.history is None else take.history.patience


def _judge(check: Check, takes: Sequence[Take]) -> _Judged:
    seconds = max(take.seconds for take in takes)
    histories = [take.history for take in takes if take.history is not None]
    errors = [take.error for take in takes if take.error is not None]
    if errors or len(histories) < len(takes):
        return _result_of(check, Verdict.ERROR, reason=errors[0] if errors else "no history", seconds=seconds)
    hits = tuple(hit for history in histories for hit in limits_hit(history))
    if (moved := next((event for history in histories for event in history.of(ClockSet)), None)) is not None:
        words = (
            f"Could not be judged: the machine's clock was set, by {moved.seconds:+.1f} s, while it was recorded"
        )
        return _result_of(check, Verdict.INCONCLUSIVE, reason=words, seconds=seconds)
    if differences := [evidence for take in takes for evidence in take.tampering]:
        return _Judged(_tampered(check, differences, seconds))
    if (refused := next((event for history in histories for event in history.of(Refused)), None)) is not None:
        return _Judged(_refused(check, refused, seconds))
    try:
        judgement = check.judge(*histories)
        return _Judged(_with_limits(_from_judgement(check, judgement, seconds), hits), judgement.spoils)
    except NotObserved as reason:
        limits = f"; {limit_words(hits)}" if hits else ""
        words = f"Could not be judged: {reason}{limits}"
        return _result_of(check, Verdict.INCONCLUSIVE, reason=words, seconds=seconds)
    except Exception as problem:  # a bug in a check must never become a student's failure
        return _result_of(check, Verdict.ERROR, reason=f"{type(problem).__name__}: {problem}", seconds=seconds)


def _tampered(check: Check, differences: Sequence[Evidence], seconds: float) -> CheckResult:
    """What the record says cannot be believed, whatever it is."""
    failed = broken(
        *differences,
        expected="every change of a task is told alike by the wire and by the audit in the database",
        observed=f"{TAMPERED}: {differences[0].text}",
        hint=(
            "Change tasks by statements over DATABASE_URL alone, and leave the audit as it is. If this is not what was"
            " done, show this report to whoever grades."
        ),
    )
    return _from_judgement(check, failed, seconds)


def _refused(check: Check, refused: Refused, seconds: float) -> CheckResult:
    """The scenario could not go on, for something of the submission's that is not a service."""
    failed = broken(
        Evidence(refused.at, refused.why),
        expected="a table that takes every row that the contract allows, and commands that can be run",
        observed=refused.why,
        hint="Does a migration ask for more than the contract: a length, a CHECK, a trigger that refuses?",
    )
    return _from_judgement(check, failed, seconds)


def _with_limits(result: CheckResult, hits: tuple[Evidence, ...]) -> CheckResult:
    """A verdict's reason is the limit that was hit, where one was."""
    if not hits or result.verdict is not Verdict.FAIL:
        return result
    words = limit_words(hits)
    return replace(
        result, observed=f"{result.observed} ({words})", reason=words, evidence=(*hits, *result.evidence)
    )


def _from_judgement(check: Check, judgement: Judgement, seconds: float) -> CheckResult:
    failed = judgement.verdict is Verdict.FAIL
    if failed and not (judgement.expected and judgement.observed):
        raise Internal(f"check {check.id} fails without saying what it expected and what it saw")
    return CheckResult(
        id=check.id,
        part=check.part,
        title=check.sentence,
        verdict=judgement.verdict,
        points=round(judgement.share * check.points, 2),
        max_points=check.points,
        bonus=check.bonus,
        expected=judgement.expected,
        observed=judgement.observed,
        hint=(judgement.hint or check.hint) if failed else None,
        read=check.read,
        reason=judgement.reason,
        duration_s=round(seconds, 3),
        scenario="+".join(s.name for s in check.on),
        evidence=judgement.evidence,
        attachments=judgement.attachments,
        coverage=judgement.coverage,
        counterexample=judgement.counterexample,
    )


def _result_of(check: Check, verdict: Verdict, *, reason: str, seconds: float = 0.0) -> _Judged:
    result = CheckResult(
        id=check.id,
        part=check.part,
        title=check.sentence,
        verdict=verdict,
        points=0.0,
        max_points=check.points,
        bonus=check.bonus,
        read=check.read,
        reason=reason,
        duration_s=round(seconds, 3),
        scenario="+".join(s.name for s in check.on),
    )
    return _Judged(result)
