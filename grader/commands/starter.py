"""``grader starter``: make the starter from the solution, or say where the two differ."""

from __future__ import annotations

import sys
from pathlib import Path

from grader.starter import differences, generate


def make(solution: Path, starter: Path, *, check: bool) -> int:
    """Generate ``starter`` from ``solution``; with ``check`` only compare: status 1 when they differ."""
    if not check:
        generate(solution, starter)
        return 0
    found = differences(solution, starter)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0
