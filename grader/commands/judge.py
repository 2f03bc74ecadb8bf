"""``grader judge RUN-DIR``: judge a saved run again, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from grader.checkpoints import all_checks
from grader.commands.reporting import publish
from grader.errors import BadCall
from grader.judging import Judge
from grader.saved import load


def judge(
    folder: Path, output: Path | None, console: Console, formats: Sequence[str] = (), *, verbose: bool = False
) -> int:
    """Judge the run in ``folder`` and write its reports anew (there, or to ``output``); the exit status."""
    run, takes = load(folder)
    known = {check.id: check for check in all_checks()}
    if gone := [name for name in run.checks if name not in known]:
        raise BadCall(f"{folder}: this grader has no check {', '.join(gone)}; judge it with the one that ran it")
    checks = [known[name] for name in run.checks]
    results = Judge(checks, takes).results()
    if missing := [check.id for check in checks if check.id not in results]:
        raise BadCall(f"{folder}: no history for {', '.join(missing)}; grade the submission again")
    return publish(run, checks, results, takes, output or folder, console, formats, saved=folder, verbose=verbose)
