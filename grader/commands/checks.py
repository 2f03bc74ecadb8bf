"""``grader checks``: the catalogue."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from grader.checkpoints import all_checks
from grader.commands.explain import page


def show(console: Console, *, markdown: bool = False) -> int:
    """Print every check with its points and its sentence; or the page of all checkpoints, in Markdown."""
    if markdown:
        sys.stdout.write(page())
        return 0
    table = Table(box=None, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("points", justify="right")
    table.add_column("passes when")
    checks = all_checks()
    for check in checks:
        table.add_row(check.id, f"{check.points:g}", check.sentence)
    console.print(table)
    lab = sum(check.points for check in checks if not check.bonus)
    bonus = sum(check.points for check in checks if check.bonus)
    console.print(f"{len(checks)} checks, {lab:g} points and {bonus:g} bonus points")
    return 0
