"""From a run and its results to what people read, and to the exit status."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from grader.checkpoints.explanation import explain
from grader.declare import Check, section
from grader.judging import TAMPERED, Take
from grader.model import CheckResult, Outcome, Report
from grader.report import (
    BY_NAME,
    FORMATS,
    REFUSED,
    Advice,
    Recorded,
    line,
    render_html,
    render_terminal,
    write_all,
)
from grader.saved import Recording, Run, save
from grader.sources import absolute

_USUAL = Path("reports/starter")
"""Where make has a run saved when it is told nothing."""

EXIT_STATUS: Mapping[Outcome, int] = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.ERROR: 3}


def keep(run: Run, recordings: Sequence[Recording], output: Path) -> list[str]:
    """Save a run. What went wrong comes back, a line, since its verdicts are worth telling all the same."""
    try:
        save(output, run, recordings)
    except OSError as problem:
        why = problem.strerror or problem
        return [line(f"{output}: the run was not saved: {why}; to judge it again, or to replay it, grade again")]
    return []


def publish(
    run: Run,
    checks: Sequence[Check],
    results: Mapping[str, CheckResult],
    takes: Mapping[str, Sequence[Take]],
    output: Path,
    console: Console,
    formats: Sequence[str] = (),
    *,
    saved: Path | None,
    problems: Sequence[str] = (),
    verbose: bool = False,
) -> int:
    """Write every report, show the one for the terminal, and return the exit status.

    ``takes`` are what the results were judged by, by scenario; ``verbose`` has the terminal show every check.
    ``formats`` come on top of what is always written. One that is in ``output`` from before is written anew, so that
    no two files of a run tell different stories. ``saved`` is the folder that the run is in; None where it could not be
    saved, which is one of the ``problems`` that there were already.
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
        return render_html(report, recorded(checks, takes), reading(checks), advice(run, checks, saved))

    wanted = [each for name, each in BY_NAME.items() if name in formats or (output / each.file).exists()]
    others = {each.file: each.render for each in wanted}
    problems = [*problems, *write_all(report, output, {**FORMATS, "report.html": page, **others})]
    with suppress(OSError):
        (output / REFUSED).unlink()
    render_terminal(
        report,
        console,
        where=str(output),
        again=lambda check: again(_source(run), check),
        replay=None if saved is None else lambda check: replay(saved, check),
        verbose=verbose,
    )
    for problem in problems:
        console.print(problem, markup=False)
    return 3 if problems else EXIT_STATUS[report.outcome]


def refusal(problem: Exception) -> str:
    """Why there is nothing to report, as one line: it may quote a build, and names that a submission gave."""
    return f"grader: {line(str(problem), 2_000)}"


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


def advice(run: Run, checks: Sequence[Check], saved: Path | None) -> dict[str, Advice]:
    """What is known of each check besides its result, by id."""
    return {
        check.id: Advice(
            again=again(_source(run), check.id),
            replay="" if saved is None else replay(saved, check.id),
            why=check.why,
            faults=explain(check).faults,
        )
        for check in checks
    }


def _source(run: Run) -> str:
    """The submission as the call gave it, if that leads to it from here."""
    return run.source if absolute(run.source) == run.folder else run.folder


def again(source: str, check: str) -> str:
    """The command that runs one check again, in the words in which the grader was called."""
    if _by_make(source):
        return f"make grade CHECK={check}{'' if source == 'starter' else f' TARGET={source}'}"
    return f"{_grader()} grade {shlex.quote(source)} --only {check}"


def replay(saved: Path, check: str) -> str:
    """The command that runs the schedule again that broke a check of a saved run."""
    if _by_make(str(saved)):
        return f"make replay CHECK={check}{'' if saved == _USUAL else f' OUTPUT={saved}'}"
    return f"{_grader()} replay {shlex.quote(str(saved))} {check} --pause"


def _by_make(word: str) -> bool:
    """Whether make was called, and would pass this word on as it is."""
    return "MAKELEVEL" in os.environ and shlex.quote(word) == word


def _grader() -> str:
    """The grader's own name, for whoever called it; whoever called make has it in the environment that make made."""
    return ".venv/bin/grader" if "MAKELEVEL" in os.environ else "grader"
