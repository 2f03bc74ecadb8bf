"""Making text of a submission fit to be shown: no control sequence, no surprise, no flood.

Titles, logs, messages and answers come from code that nobody has read. Whatever a renderer shows goes
through here first. What a terminal or a browser would act on is taken out or made visible; markup (HTML,
rich's ``[red]``) is left alone, because that is the renderer's to escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from grader.model import Attachment, CheckResult, Counterexample, Evidence, LaneStep, Report

# ECMA-48 sequences in their 7-bit and 8-bit forms. The payload of a string sequence (OSC: titles, links,
# clipboard) ends before the next ESC, so that matching stays linear; one without an end loses its opening only.
_SEQUENCE = re.compile(
    r"""
      (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]                                      # CSI: colours, cursor
    | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] ) [^\x07\x1b\x9c]* (?: \x07 | \x1b\\ | \x9c )   # OSC, DCS and kin
    | \x1b [ -/]* [0-~]                                                            # every other escape
    """,
    re.VERBOSE,
)

# What is left of C0 and C1, and what reorders, hides or breaks a line without being seen: bidirectional
# controls, zero-width characters (not the two joiners, which scripts and emoji need), separators, tags,
# the halves of surrogate pairs, and the characters that XML forbids.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)

_INVALID = re.compile("[\x00\ud800-\udfff]")
"""What some readers of JSON refuse: PostgreSQL's ``jsonb`` the first, every UTF-8 encoder the rest."""


def line(text: str, limit: int = 300) -> str:
    """``text`` as one line: white space folded, unseen characters spelled out, cut after ``limit`` characters."""
    shown = _without_controls(text, limit, lambda head: re.sub(r"[\t\r\n\v\f\x85\u2028\u2029 ]+", " ", head))
    return _cut(shown.strip(), limit, len(text))


def block(text: str, limit: int = 4_000, lines: int = 60) -> str:
    """``text`` with its line breaks, cut after ``limit`` characters or ``lines`` lines, whichever comes first."""
    shown = _without_controls(text, limit, lambda head: re.sub(r"\r\n?", "\n", head).expandtabs(4))
    kept = shown.rstrip().lstrip("\n").split("\n")
    if len(kept) > lines:
        kept = [*kept[:lines], f"... (cut after {lines:,} lines)"]
    return _cut("\n".join(row.rstrip() for row in kept), limit, len(text))


def valid(text: str, limit: int = 1_000_000) -> str:
    """``text`` as data: untouched, but for NUL and lone surrogates (U+FFFD in their place) and its length."""
    return _cut(_INVALID.sub("\ufffd", text[: limit + 1]), limit, len(text))


def encodable(text: str, encoding: str) -> str:
    """``text`` with what ``encoding`` cannot express spelled out as escapes."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _without_controls(text: str, limit: int, fold: Callable[[str], str]) -> str:
    # Only the head is looked at: removing sequences shortens it, but seldom to less than an eighth.
    head = _SEQUENCE.sub("", text[: 8 * limit])
    return _UNSEEN.sub(_spelled, fold(head))


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _cut(shown: str, limit: int, length: int) -> str:
    if len(shown) <= limit and length <= 8 * limit:
        return shown
    return f"{shown[:limit].rstrip()} ... (cut, {length:,} characters in all)"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a report's texts a renderer shows, in characters."""

    line: int = 300
    sentence: int = 1_000
    block: int = 4_000
    attachment: int = 40_000
    statement: int = 8_000


def cleaned(report: Report, limits: Limits) -> Report:
    """The same report with every text in it fit to be shown."""
    return replace(
        report,
        lab=line(report.lab, limits.line),
        submission=line(report.submission, limits.line),
        isolation=line(report.isolation, limits.line),
        started_at=line(report.started_at, limits.line),
        machine=line(report.machine, limits.line),
        notes=tuple(line(note, limits.line) for note in report.notes),
        postgres=replace(
            report.postgres,
            provider=line(report.postgres.provider, limits.line),
            version=line(report.postgres.version, limits.line),
            reason=line(report.postgres.reason, limits.line),
        ),
        checks=tuple(_cleaned_check(check, limits) for check in report.checks),
    )


def _cleaned_check(check: CheckResult, limits: Limits) -> CheckResult:
    def maybe(text: str | None) -> str | None:
        return None if text is None else block(text, limits.block)

    return replace(
        check,
        id=line(check.id, limits.line),
        part=line(check.part, limits.line),
        title=line(check.title, limits.line),
        expected=maybe(check.expected),
        observed=maybe(check.observed),
        hint=maybe(check.hint),
        read=None if check.read is None else line(check.read, limits.line),
        reason=maybe(check.reason),
        scenario=None if check.scenario is None else line(check.scenario, limits.line),
        evidence=tuple(_cleaned_evidence(item, limits) for item in check.evidence),
        attachments=tuple(
            Attachment(line(item.title, limits.line), block(item.text, limits.attachment, lines=2_000))
            for item in check.attachments
        ),
        coverage=None if check.coverage is None else line(check.coverage, limits.sentence),
        counterexample=None if check.counterexample is None else _cleaned_order(check.counterexample, limits),
    )


def _cleaned_evidence(item: Evidence, limits: Limits) -> Evidence:
    service = None if item.service is None else line(item.service, limits.line)
    return Evidence(item.at, line(item.text, limits.line), service)


def _cleaned_order(order: Counterexample, limits: Limits) -> Counterexample:
    return replace(
        order,
        lanes=tuple(line(lane, limits.line) for lane in order.lanes),
        steps=tuple(_cleaned_step(step, limits) for step in order.steps),
        setup=line(order.setup, limits.sentence),
        rule=line(order.rule, limits.sentence),
        schedule=line(order.schedule, limits.sentence),
    )


def _cleaned_step(step: LaneStep, limits: Limits) -> LaneStep:
    return replace(
        step,
        lane=line(step.lane, limits.line),
        text=line(step.text, limits.statement),
        result=line(step.result, limits.line),
        waits_for=None if step.waits_for is None else line(step.waits_for, limits.line),
        changes=tuple(line(change, limits.line) for change in step.changes),
    )
