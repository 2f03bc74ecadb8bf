"""``grader checks``: the catalogue."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from grader.checkpoints import all_checks


def show(console: Console) -> int:
    """Print every check with its points, its sentence and where to read."""
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
