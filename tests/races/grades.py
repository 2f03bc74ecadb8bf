"""Grading an entry of the zoo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parents[2]


def verdicts(folder: Path, output: Path, checks: Collection[str] = ()) -> dict[str, str]:
    """Check id to verdict; of all checks if none is named."""
    only = ["--only", *sorted(checks)] if checks else []
    command = [sys.executable, "-m", "grader", "grade", str(folder), "--postgres", "embedded"]
    subprocess.run(
        [*command, "--output", str(output), *only], cwd=ROOT, timeout=240, stdout=subprocess.DEVNULL, check=False
    )
    report = json.loads((output / "report.json").read_text())
    return {check["id"]: check["verdict"] for check in report["checks"]}
