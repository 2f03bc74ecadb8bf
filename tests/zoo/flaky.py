"""Grade the same again and again on busy cores, and tell every verdict that changed: ``python -m tests.zoo.flaky``.

Each run is a whole grade with a seed of its own. Its folder is kept; its histories only where they may be needed:
of the first run, and of those that found something else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.checkpoints import all_checks, select
from grader.declare import Check
from grader.ending import Ended, ended_by_signals
from grader.errors import BadCall
from grader.files import write_atomically
from tests.zoo.bounds import told as bound
from tests.zoo.changes import Tally, partings, tallies, word_of, words_of
from tests.zoo.grading import Call, Processes, graded, named, subjects
from tests.zoo.matrix import Graded, Subject, columns_of
from tests.zoo.run import Shown, cores, grade_all, positive, taken
from tests.zoo.show import relative

SHOWN_PARTINGS = 4
"""So many places where two histories part are shown of a scenario; the first ones tell the most."""

_BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(10**6):\n        pass"
"""Burns a core until whoever started it is gone."""

EPILOG = "exit status: 0 no verdict changed that may not, 1 one did, 2 a bad call, 128 + n ended by signal n"


@dataclass(slots=True)
class Runs:
    """What was graded up to now, submission by submission, in the order of runs."""

    output: Path
    found: dict[str, list[Graded]] = field(default_factory=dict)

    def folder(self, name: str, number: int) -> Path:
        """Where the grader writes that run, counted from 1."""
        return self.output / name / f"run-{number:02}"

    def add(self, name: str, result: Graded) -> None:
        """Take in the next run; its histories go if it found what the first one did."""
        known = self.found.setdefault(name, [])
        known.append(result)
        if len(known) > 1 and _verdicts(result) == _verdicts(known[0]) and result.problem is None:
            shutil.rmtree(self.folder(name, len(known)) / "history", ignore_errors=True)


def _verdicts(found: Graded) -> dict[str, str]:
    return {check: seen.verdict.value for check, seen in found.checks.items()}


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Inside, so many processes do nothing but use a core each."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            # A session of its own: Ctrl-C is for us.
            command = [sys.executable, "-S", "-c", _BUSY, str(os.getpid())]
            running.append(subprocess.Popen(command, start_new_session=True))
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


def repeat(options: argparse.Namespace, wanted: Sequence[Subject], checks: Sequence[Check], runs: Runs) -> None:
    """Grade every submission once, then every one again, and so on; ``runs`` has what is done, also when ended."""
    only = tuple(check.id for check in checks) if options.checks else ()
    call = Call(checks=only, longest=options.longest)
    shown = Shown(Console(highlight=False), columns_of(checks), options.runs * len(wanted))
    with busy(options.busy), shown.bar():
        for number in range(1, options.runs + 1):
            shown.prefix = f"run {number}, "

            def one(subject: Subject, processes: Processes, number: int = number) -> Graded:
                result = graded(subject, runs.folder(subject.name, number), call, processes, fresh=True)
                runs.add(subject.name, result)
                return result

            grade_all(wanted, one, options.jobs, shown)


# ---------------------------------------------------------------- what is told


def all_tallies(runs: Runs, wanted: Sequence[Subject], checks: Sequence[Check]) -> tuple[Tally, ...]:
    """Every check of every submission that was graded at all."""
    columns = columns_of(checks)
    graded_ones = [subject for subject in wanted if runs.found.get(subject.name)]
    return tuple(t for subject in graded_ones for t in tallies(subject, runs.found[subject.name], columns))


def tell(runs: Runs, found: Sequence[Tally], checks: Sequence[Check], console: Console) -> None:
    """Print every verdict that changed with its two histories, and the bounds."""
    on = {check.id: [scenario.name for scenario in check.on] for check in checks}
    for tally in (t for t in found if t.changed):
        _tell_change(runs, tally, on[tally.check], console)
    for name, results in runs.found.items():
        for number, result in enumerate(results, start=1):
            if result.problem is not None:
                console.print(Text(f"{name}, run {number}: {result.problem}", "bold magenta"), soft_wrap=True)
    for line in bounds(runs, found):
        console.print(Text(line), soft_wrap=True)


def bounds(runs: Runs, found: Sequence[Tally]) -> list[str]:
    """The last lines: for verdicts that never changed, for all grades, and for all verdicts together.

    A change that the entry allows is none here.
    """
    steady = sorted({len(t.verdicts) for t in found if not t.changed})
    lines = []
    for number in steady:
        same = sum(not t.changed and len(t.verdicts) == number for t in found)
        lines.append(f"each of the {same} verdicts that never changed: {bound(0, number)}")
    allowed = [t for t in found if t.changed and t.is_allowed]
    if allowed:
        lines.append(f"changed as their entries allow, and not counted below: {len(allowed)} verdicts")
    odd = {(t.subject, number) for t in found if not t.is_allowed for number in t.changed}
    grades = sum(len(results) for results in runs.found.values())
    judged = sum(len(t.verdicts) for t in found)
    changed = sum(len(t.changed) for t in found if not t.is_allowed)
    if grades:
        lines.append(f"overall, grades with a changed verdict: {bound(len(odd), grades)}")
        lines.append(f"overall, changed verdicts, as if they were independent: {bound(changed, judged)}")
    return lines


def _tell_change(runs: Runs, tally: Tally, scenarios: Sequence[str], console: Console) -> None:
    usual = next(n for n, verdict in enumerate(tally.verdicts, start=1) if verdict is tally.usual)
    other = tally.changed[0]
    seen = ", ".join(f"{word} {len(numbers)}" for word, numbers in tally.counts)
    which = ", ".join(map(str, tally.changed))
    allowed = " (its entry allows that)" if tally.is_allowed else ""
    style = "yellow" if tally.is_allowed else "bold red"
    console.print()
    console.print(
        Text(f"{tally.subject} under {tally.check}: {seen}; run {which}{allowed}", style), soft_wrap=True
    )
    console.print(Text(f"  {bound(len(tally.changed), len(tally.verdicts))}"), soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    table.add_row("", *(f"run {n}: {word_of(tally.verdicts[n - 1])}" for n in (usual, other)))
    folders = [_kept_like(runs, tally, n) for n in (usual, other)]
    table.add_row("  folder", *(Text(relative(folder)) for folder in folders))
    for scenario in scenarios:
        histories = [_history(folder, scenario) for folder in folders]
        table.add_row(f"  {scenario}", *(f"{len(events)} events" for events in histories))
        for parting in partings(*histories)[:SHOWN_PARTINGS]:
            where = f"    {parting.source}, event {parting.number}"
            table.add_row(where, Text(words_of(parting.left)), Text(words_of(parting.right)))
    console.print(table)


def _kept_like(runs: Runs, tally: Tally, number: int) -> Path:
    """The folder of that run, or of the first one, if that found the same and this one's histories are gone."""
    folder = runs.folder(tally.subject, number)
    return folder if (folder / "history").is_dir() else runs.folder(tally.subject, 1)


def _history(folder: Path, scenario: str) -> list[Mapping[str, Any]]:
    """The events of the last take; none when there is no such history."""
    for name in (f"{scenario}.2.jsonl", f"{scenario}.jsonl"):
        path = folder / "history" / name
        if path.is_file():
            return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    return []


def to_json(runs: Runs, found: Sequence[Tally], seconds: float) -> dict[str, Any]:
    """``flaky.json``: the runs of each submission, every verdict that changed, and the bounds."""
    return {
        "schema": "zoo/flaky/1",
        "seconds": round(seconds, 1),
        "submissions": {
            name: [
                {"seed": r.seed, "seconds": r.seconds, "patience": r.patience, "problem": r.problem}
                for r in results
            ]
            for name, results in runs.found.items()
        },
        "verdicts": sum(len(t.verdicts) for t in found),
        "changed": [
            {
                "submission": t.subject,
                "check": t.check,
                "expected": t.expected.value,
                "allowed": t.is_allowed,
                "verdicts": [word_of(verdict) for verdict in t.verdicts],
            }
            for t in found
            if t.changed
        ],
        "bounds": bounds(runs, found),
    }


# ---------------------------------------------------------------- the command


def flaky(options: argparse.Namespace, console: Console) -> int:
    """Repeat, and tell; the exit status. What was graded is told of also when a signal ends it."""
    checks = select(all_checks(), only=options.checks)
    wanted = named(options.entries, subjects())
    for subject in wanted:
        shutil.rmtree(options.output / subject.name, ignore_errors=True)
    runs = Runs(options.output)
    start = time.monotonic()
    ended = 0
    try:
        repeat(options, wanted, checks, runs)
    except Ended as signal:
        ended = signal.exit_status
        print(f"flaky: {signal}; this is what was graded until then", file=sys.stderr)
    found = all_tallies(runs, wanted, checks)
    content = to_json(runs, found, time.monotonic() - start)
    write_atomically(options.output / "flaky.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    tell(runs, found, checks, console)
    failed = any(t.changed and not t.is_allowed for t in found)
    lost = any(result.problem is not None for results in runs.found.values() for result in results)
    return ended or int(failed or lost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with ended_by_signals(), taken(options.output) as ours:
            if not ours:
                print(f"flaky: another call is writing to {options.output}; choose --output", file=sys.stderr)
                return 2
            return flaky(options, Console(highlight=False))
    except BadCall as problem:
        print(f"flaky: {problem}", file=sys.stderr)
        return 2
    except Ended as ended:
        print(f"flaky: {ended}", file=sys.stderr)
        return ended.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.flaky", description=__doc__, epilog=EPILOG)
    parser.add_argument("--runs", type=positive, default=10, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--entries", nargs="+", default=(), metavar="NAME", help="these alone (default: all)")
    parser.add_argument("--checks", nargs="+", default=(), metavar="ID", help="these alone (default: all)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="grades at a time (default: 1)")
    parser.add_argument(
        "--busy", type=int, default=cores(), metavar="N", help="busy processes beside it (default: one a core)"
    )
    parser.add_argument("--longest", type=float, default=Call().longest, metavar="S", help="seconds for one grade")
    parser.add_argument("--output", type=Path, default=Path("reports/flaky"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
