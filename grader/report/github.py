"""What GitHub shows of a run: a job summary, a comment on a pull request, and annotations.

Everything in them may come from a stranger's pull request. See ``markdown.py`` for the two texts; an annotation is a
workflow command of its own, whose text is escaped so that it cannot end its line and begin another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from grader.model import CheckResult, Refusal, Report, Verdict
from grader.report import account, outline
from grader.report.markdown import block, code, sentence
from grader.report.text import Limits, cleaned, line

SUMMARY_BYTES = 1_000_000
"""GitHub refuses a step's summary over 1 MiB."""

COMMENT_BYTES = 60_000
"""GitHub refuses a comment over 65,536 characters."""

MARK = "<!-- grader: report -->"
"""The first line of a comment, by which a workflow finds the one to replace."""

COMMENTED = 20
"""So many failures are explained in a comment; the job's summary has them all."""

ANNOTATIONS = 10
"""So many errors, and so many warnings, are shown of one step."""

_SIGNS = {
    Verdict.PASS: "✅",
    Verdict.FAIL: "❌",
    Verdict.SKIPPED: "⏭️",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.ERROR: "⚠️",
}


def render_summary(report: Report) -> str:
    """The text of ``summary.md``, to be appended to the file that ``GITHUB_STEP_SUMMARY`` names."""
    return account.fitted(report, lambda cut: _page(cut, whole=True), SUMMARY_BYTES)


def render_comment(report: Report) -> str:
    """The text of ``comment.md``: shorter, for a pull request."""
    return account.fitted(report, lambda cut: f"{MARK}\n{_page(cut, whole=False)}", COMMENT_BYTES)


def refuse_summary(refusal: Refusal) -> str:
    """A page that says why there is no report."""
    refusal = account.cleaned_refusal(refusal)
    title = f"## {code(refusal.submission)}: not graded"
    return f"{title}\n\n{account.whose(refusal)}\n\n{block(refusal.reason)}\n"


def refuse_comment(refusal: Refusal) -> str:
    """The same as a comment."""
    return f"{MARK}\n{refuse_summary(refusal)}"


def render_annotations(report: Report) -> str:
    """Workflow commands, one a line: an error for each check that failed, a warning for what could not be judged."""
    report = cleaned(report, Limits())
    failed = [
        _command("error", f"{check.id}: {account.headline(check)}", f"{check.title} Observed: {check.observed}")
        for check in outline.of(report, Verdict.FAIL)
    ]
    unjudged = [
        _command(
            "warning",
            f"{check.id}: {account.headline(check)}",
            f"{outline.excuse(check.verdict)} {check.reason or ''}",
        )
        for check in outline.of(report, *account.UNJUDGED)
    ]
    return "".join(_first(failed, "error") + _first(unjudged, "warning"))


def refuse_annotations(refusal: Refusal) -> str:
    """One workflow command: an error if the submission is to blame, else a warning."""
    refusal = account.cleaned_refusal(refusal)
    kind = "warning" if refusal.ours else "error"
    return _command(kind, "not graded", f"{account.whose(refusal)} {refusal.reason}")


@contextmanager
def without_commands(environment: dict[str, str]) -> Iterator[None]:
    """Inside, GitHub takes no printed line for a workflow command, if this runs there at all.

    A submission's words are in what is printed; the word that turns commands on again is random.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"\n::{token}::", flush=True)


# ---------------------------------------------------------------- the page


def _page(report: Report, *, whole: bool) -> str:
    pieces = [f"## {code(report.submission)}: {outline.score(report)}", outline.tally(report)]
    pieces += [f"> {sentence(caveat)}" for caveat in account.caveats(report)]
    pieces.append(_parts(report))
    if (step := outline.first_step(report)) is not None:
        pieces.append(f"**Your next step: {code(step.id)}**")
        pieces.append(_told(step))
    else:
        pieces.append(sentence(outline.without_step(report)))
    failed = [check for check in outline.of(report, Verdict.FAIL) if check is not step]
    most = len(report.checks) if whole else COMMENTED
    pieces += _section("What else failed", failed, most)
    pieces += _section("Could not be judged: not your fault", outline.of(report, *account.UNJUDGED), most)
    if whole:
        pieces.append(f"### Every check\n\n{_checks(report)}")
    postgres = f"PostgreSQL {report.postgres.version} ({report.postgres.provider})"
    pieces.append(
        code(
            f"{postgres}, isolation: {report.isolation}, seed {report.seed}, {outline.duration(report.duration_s)}"
        )
    )
    return "\n\n".join(pieces) + "\n"


def _parts(report: Report) -> str:
    rows = [
        f"| {sentence(part.heading)} | {outline.ratio(part.points, part.max_points)} |"
        for part in outline.parts(report)
    ]
    return "\n".join(["| part | points |", "| --- | ---: |", *rows])


def _checks(report: Report) -> str:
    rows = [
        f"| {_SIGNS[check.verdict]} {check.verdict.value} | {code(check.id)} "
        f"| {outline.ratio(check.points, check.max_points)} | {sentence(check.title)} |"
        for part in outline.parts(report)
        for check in part.checks
    ]
    return "\n".join(["| verdict | check | points | passes when |", "| --- | --- | ---: | --- |", *rows])


def _section(heading: str, checks: Sequence[CheckResult], most: int) -> list[str]:
    if not checks:
        return []
    pieces = [f"### {heading}"]
    for check in checks[:most]:
        summary = f"{_SIGNS[check.verdict]} {check.verdict.value}"
        pieces.append(f"<details><summary>{summary}: {_in_html(check)}</summary>\n\n{_told(check)}\n\n</details>")
    if len(checks) > most:
        pieces.append(f"And {len(checks) - most} more: see the job summary.")
    return pieces


def _in_html(check: CheckResult) -> str:
    """An id where HTML, and not Markdown, is read."""
    kept = "".join(letter if letter.isalnum() or letter in ".-" else "?" for letter in check.id)
    return f"<code>{kept}</code>"


def _told(check: CheckResult) -> str:
    told = f"{account.headline(check)}\n{account.explanation(check)}"
    return f"{sentence(check.title)}\n\n{block(told)}"


# ---------------------------------------------------------------- annotations


def _first(commands: Sequence[str], kind: str) -> list[str]:
    """As many as are shown; the last of them says what is left out."""
    if len(commands) <= ANNOTATIONS:
        return list(commands)
    more = len(commands) - ANNOTATIONS + 1
    return [*commands[: ANNOTATIONS - 1], _command(kind, f"{more} more", "The job's summary lists them all.")]


def _command(kind: str, title: str, message: str) -> str:
    escaped = line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={escaped}::{line(message, 500).replace('%', '%25')}\n"
