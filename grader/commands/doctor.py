"""``grader doctor``: whether a grade works on this machine, with what, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from grader.commands.machine import Finding, Level
from grader.report import Look, line

_STYLES = {Level.OK: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


def show(findings: Iterable[Finding], console: Console) -> int:
    """Print one line a finding as they come; the exit status: 0 when a grade works, else 3."""
    look = Look.of(console)
    problems = 0
    for finding in findings:
        problems += finding.level is Level.PROBLEM
        row = Text.assemble((f"{finding.level.value:8}", _STYLES[finding.level]), f"{finding.subject:12}")
        advice = f" → {finding.advice}" if finding.advice else ""
        row.append(look.text(line(f"{finding.found}{advice}", 800)))
        console.print(row, soft_wrap=True)
    if problems:
        what = "1 problem" if problems == 1 else f"{problems} problems"
        console.print(f"{what} to be solved before a grade works")
        return 3
    console.print("a grade works here")
    return 0
