"""How long whole grades take, and where the time goes: ``python -m tests.bench.bench_grade [runs]``.

Medians over runs. "start-up" is the time until the first scenario begins; "CPU" is what the grader and
all that it started and collected used together (wait4), as a share of what the cores could give; the rest was waiting.
"MB" is the grader's own peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CASES = {
    "solution": ("solution",),
    "starter": ("starter",),
    "one check": ("solution", "--only", "3a.sigterm-finishes-task"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One grade: seconds on the clock, of CPU, until the first scenario; peak memory of the grader in MB."""

    wall: float
    cpu: float
    start: float
    memory: float


def measure(arguments: tuple[str, ...]) -> Measured:
    """Grade once, in a process of its own."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "grader", "grade", *arguments, "--postgres", "embedded"]
        start = time.perf_counter()
        process = subprocess.Popen([*command, "--output", output], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) not in (0, 1):
            raise SystemExit(f"grading {' '.join(arguments)} ended with status {status}")
        return Measured(
            wall, usage.ru_utime + usage.ru_stime, first_scenario(Path(output)), usage.ru_maxrss / 1024
        )


def first_scenario(output: Path) -> float:
    """When the first service was started, in seconds of the run."""
    times: list[float] = []
    for path in (output / "history").glob("*.jsonl"):
        events = (json.loads(line) for line in path.read_text().splitlines())
        times += [event["at"] for event in events if event["kind"] == "service-started"]
    return min(times)


def main() -> None:
    """Print one line a case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cores = os.cpu_count() or 1
    print(
        f"{'medians of ' + str(runs):18} {'wall s':>7} {'min':>6} {'max':>6} {'start-up s':>11} {'CPU':>5} {'MB':>5}"
    )
    for name, arguments in CASES.items():
        found = [measure(arguments) for _ in range(runs)]
        walls = [m.wall for m in found]
        busy = median(m.cpu / (m.wall * cores) for m in found)
        print(
            f"{name:18} {median(walls):7.2f} {min(walls):6.2f} {max(walls):6.2f} "
            f"{median(m.start for m in found):11.2f} {busy:5.0%} {median(m.memory for m in found):5.0f}"
        )


if __name__ == "__main__":
    main()
