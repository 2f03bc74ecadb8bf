"""From a run and its results to what people read, and to the exit status."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from grader.declare import Check
from grader.judging import TAMPERED
from grader.model import CheckResult, Outcome, Report
from grader.report import render_terminal, write_all
from grader.saved import Run

EXIT_STATUS: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ERROR: 3}


def publish(
    run: Run, checks: Sequence[Check], results: Mapping[str, CheckResult], output: Path, console: Console
) -> int:
    """Write every report, show the one for the terminal, and return the exit status."""
    report = Report(
        lab=run.lab,
        submission=run.submission,
        checks=tuple(results[check.id] for check in checks),
        isolation=run.isolation,
        postgres=run.postgres,
        seed=run.seed,
        started_at=run.started_at,
        duration_s=run.duration_s,
        notes=(*_tampering(results), *run.notes),
        complete=run.complete,
    )
    problems = write_all(report, output)
    render_terminal(
        report,
        console,
        where=str(output),
        again=lambda check: again(run.submission, check),
        replay=lambda check: replay(run.submission, output, check),
    )
    for problem in problems:
        console.print(problem, markup=False)
    return 3 if problems else EXIT_STATUS[report.outcome]


def _tampering(results: Mapping[str, CheckResult]) -> tuple[str, ...]:
    """A note, before all others, when the record of the run cannot be believed."""
    touched = [result for result in results.values() if (result.observed or "").startswith(TAMPERED)]
    if not touched:
        return ()
    checks = ", ".join(result.id for result in touched)
    return (
        f"TAMPERED: the audit in the database and the wire disagree; no points for {checks}. {touched[0].observed}",
    )


def again(submission: str, check: str) -> str:
    """The command that runs one check again, in the words in which the grader was called."""
    if "MAKELEVEL" in os.environ:
        target = "" if submission == "starter" else f" TARGET={submission}"
        return f"make grade CHECK={check}{target}"
    return f"grader grade {submission} --only {check}"


def replay(submission: str, output: Path, check: str) -> str:
    """The command that runs the schedule again that broke a check."""
    if "MAKELEVEL" in os.environ:
        target = "" if submission == "starter" else f" TARGET={submission}"
        return f"make replay CHECK={check}{target}"
    return f"grader replay {output} {check} --pause"
