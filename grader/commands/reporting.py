"""From a run and its results to what people read, and to the exit status."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from grader.checkpoints.explanation import explain
from grader.declare import Check, section
from grader.judging import TAMPERED, Take
from grader.model import CheckResult, Outcome, Report
from grader.report import BY_NAME, FORMATS, REFUSED, Advice, Recorded, render_html, render_terminal, write_all
from grader.saved import Run

EXIT_STATUS: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ERROR: 3}


def publish(
    run: Run,
    checks: Sequence[Check],
    results: Mapping[str, CheckResult],
    takes: Mapping[str, Sequence[Take]],
    output: Path,
    console: Console,
    formats: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> int:
    """Write every report, show the one for the terminal, and return the exit status.

    ``takes`` are what the results were judged by, by scenario; ``verbose`` has the terminal show every check.
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
        notes=(*_tampering(results), *run.notes),
        complete=run.complete,
        machine=run.machine,
    )

    def page(report: Report) -> str:
        return render_html(report, recorded(checks, takes), reading(checks), advice(run, checks, output))

    wanted = [each for name, each in BY_NAME.items() if name in formats or (output / each.file).exists()]
    others = {each.file: each.render for each in wanted}
    problems = write_all(report, output, {**FORMATS, "report.html": page, **others})
    with suppress(OSError):
        (output / REFUSED).unlink()
    render_terminal(
        report,
        console,
        where=str(output),
        again=lambda check: again(run.submission, check),
        replay=lambda check: replay(run.submission, output, check),
        verbose=verbose,
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


def recorded(checks: Sequence[Check], takes: Mapping[str, Sequence[Take]]) -> list[Recorded]:
    """Every recording of the scenarios that these checks were judged by, in the order of the checks."""
    scenarios = dict.fromkeys(scenario for check in checks for scenario in check.on)
    return [
        Recorded(scenario.name, scenario.sentence, take.history, number)
        for scenario in scenarios
        for number, take in enumerate(takes.get(scenario.name, ()), start=1)
        if take.history is not None
    ]


def reading(checks: Sequence[Check]) -> dict[str, str]:
    """The sections of the lab that these checks name, as Markdown; none where the lab is not at hand."""
    found = {check.read: section(check.read) for check in checks}
    return {read: text for read, text in found.items() if text}


def advice(run: Run, checks: Sequence[Check], output: Path) -> dict[str, Advice]:
    """What is known of each check besides its result, by id."""
    return {
        check.id: Advice(
            again=again(run.submission, check.id),
            replay=replay(run.submission, output, check.id),
            why=check.why,
            faults=explain(check).faults,
        )
        for check in checks
    }


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
