"""Three ways of finding races, side by side: ``python -m tests.bench.bench_races``.

The grader's explorer (the check 3b.interleavings), the lab's own stress test (the scenario two_workers), and frontrun,
each on designs that are wrong in a known way and on designs that are right. Counts how often each of them says that a
rule is broken, and takes the median of its seconds, from the start of the workers on. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill

from grader.commands.stage import ServerChoice, stage
from grader.ending import Ended, ended_by_signals
from grader.submission import load_submission
from tests.bench.races.cases import Case, all_cases
from tests.bench.races.frontrun_way import LIMIT, frontrun, why_not
from tests.bench.races.table import COLUMNS, WIDTH, Row, in_markdown, in_text, table_of
from tests.bench.races.ways import Outcome, explorer, stress

RUNS = (5, 20, 3)
"""Of each way, in the order of the columns."""


def measure(case: Case, runs: Sequence[int]) -> tuple[Row, str]:
    """Run every way on one design; the row, and the server's version. ``runs``: how often, by column."""
    with tempfile.TemporaryDirectory(prefix="races-") as folder:
        made = case.make(Path(folder))
        with stage(load_submission(made), ServerChoice("embedded", None, ""), lambda _: None) as there:
            reason = why_not()
            found: dict[str, list[Outcome] | str] = {
                "explorer": [explorer(there) for _ in range(runs[0])],
                "stress test": [stress(there) for _ in range(runs[1])],
                "frontrun": reason or [frontrun(there, case, made) for _ in range(runs[2])],
            }
            return Row(case, found), there.postgres.version


def in_short(row: Row) -> str:
    """One line for a design that is done."""
    told = []
    for column in COLUMNS:
        outcomes = row.found[column]
        answers = outcomes if isinstance(outcomes, str) else _answers(outcomes)
        told.append(f"{column} {answers}")
    return f"{row.case.name}: " + "; ".join(told)


def _answers(outcomes: Sequence[Outcome]) -> str:
    words = {"broken": "broken", "holds": "holds", "none": "no verdict"}
    counts = {words[answer]: sum(o.answer == answer for o in outcomes) for answer in words}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def facts(postgres: str, load: float, runs: Sequence[int]) -> str:
    """What was measured on, and how often. ``load``: the machine's before the first run."""
    other = f", frontrun {version('frontrun')}" if find_spec("frontrun") else ""
    counts = ", ".join(f"{column} {count}" for column, count in zip(COLUMNS, runs, strict=True))
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores ({platform.machine()}), "
        f"load {load:.1f} before the first run, Python {platform.python_version()}, PostgreSQL {postgres}{other}. "
        f"Runs: {counts}. Seconds are medians; frontrun gets {LIMIT:g} s for a design, more on a slow machine."
    )


def main() -> None:
    """Print a line for each design, then the table."""
    parser = argparse.ArgumentParser(description="Three ways of finding races, side by side.")
    parser.add_argument("--runs", type=int, nargs=3, default=RUNS, metavar=("EXPLORER", "STRESS", "FRONTRUN"))
    parser.add_argument("--only", nargs="+", metavar="DESIGN", help="such as select-then-update")
    parser.add_argument("--output", type=Path, help="the table in Markdown, as a file")
    options = parser.parse_args()
    cases = [case for case in all_cases() if options.only is None or case.name in options.only]
    if not cases:
        parser.error("no such design")
    try:
        with ended_by_signals():
            compare(cases, options.runs, options.output)
    except Ended as ended:
        raise SystemExit(ended.exit_status) from None


def compare(cases: Sequence[Case], runs: Sequence[int], output: Path | None) -> None:
    """Measure and print; write Markdown to ``output``."""
    rows, postgres, load = [], "", os.getloadavg()[0]
    for number, case in enumerate(cases, start=1):
        row, postgres = measure(case, runs)
        rows.append(row)
        print(f"{number:2}/{len(cases)} {in_short(row)}", flush=True)
    table = table_of(rows)
    about = fill(facts(postgres, load, runs), WIDTH)
    print(f"\n{in_text(table)}\n\n{about}")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(f"{in_markdown(table)}\n{about}\n", encoding="utf-8")
        print(f"The same in Markdown: {output}")


if __name__ == "__main__":
    main()
