"""From a run and its results to what people read, and to the exit status."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from grader.declare import Check
from grader.model import CheckResult, Outcome, Report
from grader.report import BY_NAME, FORMATS, REFUSED, render_terminal, write_all
from grader.saved import Run

EXIT_STATUS: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ERROR: 3}


def publish(
    run: Run,
    checks: Sequence[Check],
    results: Mapping[str, CheckResult],
    output: Path,
    console: Console,
    formats: Sequence[str] = (),
) -> int:
    """Write every report, show the one for the terminal, and return the exit status.

    ``formats`` come on top of what is always written. One that is in ``output`` from before is written anew, so that
    no two files of a run tell different stories.
    """
    report = Report(
        lab=run.lab,
        submission=run.submission,
        checks=tuple(results[check.id] for check in checks),
        isolation=run.isolation,
        postgres=run.postgres,
        seed=run.seed,
        started_at=run.started_at,
        duration_s=run.duration_s,
        notes=run.notes,
        complete=run.complete,
    )
    wanted = [each for name, each in BY_NAME.items() if name in formats or (output / each.file).exists()]
    problems = write_all(report, output, {**FORMATS, **{each.file: each.render for each in wanted}})
    with suppress(OSError):
        (output / REFUSED).unlink()
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
