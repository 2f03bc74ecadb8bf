"""Reports of every kind, for tests of the formats: one of each verdict, hostile ones, and strategies for any."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from grader.model import (
    Attachment,
    CheckResult,
    Counterexample,
    Evidence,
    LaneStep,
    PostgresInfo,
    Refusal,
    Report,
    Verdict,
)

SOME = settings(max_examples=40, deadline=None, database=None)
"""For a machine that others use too: no test fails because it took long."""

HOSTILE = (
    "\x00\x01\x1b[31mred\x1b[0m\x1b]8;;http://example.org\x07link\x1b]8;;\x07\u202egnp.exe\u2066\ufeff\ufffe\uffff\ud800",
    "<script>alert(1)</script><img src=x onerror=alert(1)>]]>&xxe;<!--",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "::set-output name=grade::100\n::error::mine\r\n##[set-env name=PATH]x\n::stop-commands::x",
    "```\n</details>\n# heading\n[click](javascript:alert(1)) @everyone #1 GH-12 https://example.org ![x](y) | a | b |",
    "`` ` ```` ~~~",
    "a\r\nb\u2028c\u2029d\x85e\x0bf\x0cg",
    "'\"; DROP TABLE tasks; --",
    "{{ 7 * 7 }} ${7*7} %s %(x)s {0}",
    "x" * 100_000,
    "\n" * 10_000,
    "漢字 👩‍👩‍👧 ẛ̣",
    "",
)
"""What a submission may put into its titles, logs and answers."""

POSTGRES = PostgresInfo("embedded", "18.6", "no Docker engine answers")


def check(id: str, verdict: Verdict, points: float = 0, **more: Any) -> CheckResult:
    """A check with what its verdict asks for."""
    known: dict[str, Any] = {
        "part": id.partition(".")[0],
        "title": f"This is what {id.partition('.')[2]} is about.",
        "max_points": 4,
        "bonus": id.startswith("x."),
        "read": "labs/lab.md#part",
        "duration_s": 1.5,
    }
    if verdict is Verdict.FAIL:
        known |= {"expected": "one claim", "observed": "two claims", "hint": "Lock the row."}
        known["evidence"] = (Evidence(1.25, "task 7 claimed", "worker-A"), Evidence(1.5, "task 7 claimed again"))
        known["counterexample"] = Counterexample(
            ("worker-A",), (LaneStep(1, "worker-A", "SELECT 1"),), "one task", "claimed twice", "A B A", 3
        )
    if verdict not in (Verdict.PASS, Verdict.FAIL):
        known["reason"] = "a good reason"
    return CheckResult(id=id, verdict=verdict, points=points, **{**known, **more})


def report(*checks: CheckResult, **more: Any) -> Report:
    """A report with these checks."""
    known: dict[str, Any] = {
        "lab": "lab-03",
        "submission": "team-7",
        "isolation": "self-check",
        "seed": 4711,
        "started_at": "2025-03-04T10:11:12+00:00",
        "duration_s": 83.4,
        "postgres": POSTGRES,
    }
    return Report(checks=checks, **{**known, **more})


ONE_OF_EACH = report(
    check("2.health", Verdict.PASS, 4),
    check("3a.processes", Verdict.FAIL, 1.5),
    check("3a.sigint", Verdict.SKIPPED),
    check("3b.burst", Verdict.INCONCLUSIVE, reason="Could not be judged: the two never overlapped"),
    check("x.fencing", Verdict.ERROR, reason="KeyError: 7"),
    notes=("The machine stalled for up to 1.2 s.",),
)
PASSED = report(check("2.health", Verdict.PASS, 4), check("x.fencing", Verdict.FAIL))
FAILED = report(check("2.health", Verdict.FAIL), check("2.read", Verdict.SKIPPED))
UNJUDGED = report(
    check("2.health", Verdict.PASS, 4), check("2.read", Verdict.INCONCLUSIVE), check("x.a", Verdict.FAIL)
)
BROKEN = report(check("2.health", Verdict.FAIL), check("2.read", Verdict.ERROR))

REFUSED = Refusal("team-7", "flowforge.toml: unknown key 'wroker'; did you mean 'worker'?", ours=False)
OURS = Refusal("team-7", "no PostgreSQL: start Docker, or give GRADER_DATABASE_URL", ours=True)


def hostile_report(text: str) -> Report:
    """A report in which every text is ``text``, with one check of each verdict."""
    step = LaneStep(1, text, text, text, text[:1] or None, text, changes=(text,))
    order = Counterexample((text,), (step,), text, text, text, 1)
    checks = tuple(
        CheckResult(
            id=text,
            part=text,
            title=text,
            verdict=verdict,
            points=0,
            max_points=1,
            expected=text,
            observed=text,
            hint=text,
            read=text,
            reason=text,
            scenario=text,
            evidence=(Evidence(1, text, text),),
            attachments=(Attachment(text, text),),
            coverage=text,
            counterexample=order,
        )
        for verdict in Verdict
    )
    postgres = PostgresInfo(text, text, text)
    return Report(text, text, checks, text, postgres, 1, text, 1.0, notes=(text,))


# ---------------------------------------------------------------- any report

_TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60), st.text(st.characters(), max_size=20))
_POINTS = st.integers(1, 40).map(lambda quarters: quarters / 4)
_IDS = st.from_regex(r"(2|3a|3b|x)\.[a-z]{1,8}(-[a-z]{1,8})?", fullmatch=True)
_SECONDS = st.floats(0, 1e6)


@st.composite
def _checks(draw: st.DrawFn, id: str) -> CheckResult:
    verdict = draw(st.sampled_from(Verdict))
    most = draw(_POINTS)
    points = {Verdict.PASS: most, Verdict.FAIL: draw(st.sampled_from([0.0, most / 2]))}.get(verdict, 0.0)
    maybe = st.none() | _TEXT
    return check(
        id,
        verdict,
        points,
        max_points=most,
        title=draw(_TEXT),
        observed=draw(maybe),
        reason=draw(maybe),
        hint=draw(maybe),
        duration_s=draw(_SECONDS),
        evidence=tuple(draw(st.lists(st.builds(Evidence, _SECONDS, _TEXT, maybe), max_size=3))),
    )


@st.composite
def any_report(draw: st.DrawFn) -> Report:
    """A report as a run may make it, with whatever texts."""
    ids = draw(st.lists(_IDS, max_size=8, unique=True))
    return dataclasses.replace(
        report(*(draw(_checks(id)) for id in ids)),
        submission=draw(_TEXT),
        started_at=draw(st.sampled_from(["2025-03-04T10:11:12+00:00", "2025-03-04T10:11:12Z", "yesterday"])),
        notes=tuple(draw(st.lists(_TEXT, max_size=2))),
        complete=draw(st.booleans()),
        duration_s=draw(_SECONDS),
    )
