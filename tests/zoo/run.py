"""Grade the zoo and write the detection matrix: ``python -m tests.zoo.run [NAME …]``.

Each submission is graded by a process of its own: whole, but for faults, of which the checks that run nothing of what
they change come out as for the solution (``reach``). Results are kept in the output folder, and used again for
as long as neither the submission nor the grader changes, so that a call that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from grader.checkpoints import all_checks, select
from grader.ending import Ended, ended_by_signals
from grader.errors import BadCall
from grader.files import write_atomically
from grader.report import Look
from tests.zoo.attacks import LEVELS
from tests.zoo.grading import Call, Processes, graded, grader_hash, named, subjects
from tests.zoo.markdown import render_markdown
from tests.zoo.matrix import Column, Graded, Kind, Matrix, Subject, columns_of, compare, to_json, told
from tests.zoo.reach import Base, base_of
from tests.zoo.show import relative, render_html, style_of, summarise
from tests.zoo.submissions import SOLUTION

CORES_A_GRADE = 2
"""A grade runs scenarios side by side and keeps two cores busy: 55 s of CPU in 31 s, most of it in services that start
(which no parent is told of when they are killed). A second one on two cores gains nothing and costs verdicts: what the
grader measured at its start of the machine is not true any more when the other one gets going, and checks become
inconclusive (measured: four grades 158 s one by one, 157 s two at a time, with 7% of it in repeated scenarios).
"""

ENTRIES = "entries"
EPILOG = "exit status: 0 all is as expected, 1 something differs, 2 a bad call, 128 + n ended by signal n"


@dataclass(slots=True)
class Shown:
    """What a person sees while grades run: a bar on a terminal, elsewhere a line for each grade."""

    console: Console
    columns: Sequence[Column]
    total: int
    prefix: str = ""
    _running: dict[str, None] = field(default_factory=dict)
    _bar: Progress | None = None

    @contextmanager
    def bar(self) -> Iterator[None]:
        """Inside, there is a bar, if this is a terminal."""
        if not self.console.is_interactive or not self.console.file.isatty():
            yield
            return
        look = SpinnerColumn(Look.of(self.console).spinner)
        columns = (
            look,
            BarColumn(24),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns,
            TextColumn("left", style="dim"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", style="dim"),
            console=self.console,
            transient=True,
        ) as self._bar:
            self._bar.add_task("", total=self.total)
            yield
        self._bar = None

    def began(self, subject: Subject) -> None:
        """A grade begins; called by its thread."""
        self._running[subject.name] = None
        self._tell()

    def ended(self, subject: Subject, found: Graded) -> None:
        """A grade is over."""
        self._running.pop(subject.name, None)
        self._tell(1)
        row = compare(subject, found, self.columns)
        # With a bar, what is as expected needs no line.
        if self._bar is None or not row.is_as_expected:
            how = "kept" if found.reused else f"{found.seconds:.0f} s"
            said = Text.assemble(
                f"{self.prefix}{subject.name}: ", (told(row), style_of(row)), (f" ({how})", "dim")
            )
            self.console.print(said, soft_wrap=True)

    def _tell(self, step: int = 0) -> None:
        if self._bar is not None:
            running = ", ".join(tuple(self._running))
            self._bar.update(self._bar.task_ids[0], advance=step, description=running)


def grade_all(
    wanted: Sequence[Subject],
    one: Callable[[Subject, Processes], Graded],
    jobs: int,
    shown: Shown,
) -> Mapping[str, Graded]:
    """Grade so many at a time; the results by name. What goes wrong here, and signals, end all that runs."""
    processes = Processes()

    def work(subject: Subject) -> Graded:
        shown.began(subject)
        return one(subject, processes)

    found: dict[str, Graded] = {}
    with ThreadPoolExecutor(jobs, thread_name_prefix="grade") as pool:
        try:
            futures = {pool.submit(work, subject): subject for subject in wanted}
            for future in as_completed(futures):
                subject = futures[future]
                found[subject.name] = future.result()
                shown.ended(subject, found[subject.name])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise
    return found


@contextmanager
def taken(output: Path) -> Iterator[bool]:
    """Whether the output folder is ours alone until the end; it is made if need be."""
    output.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(output, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = True
    except BlockingIOError:
        ours = False
    try:
        yield ours
    finally:
        os.close(descriptor)


def zoo(options: argparse.Namespace, console: Console) -> int:
    """Grade, compare, write, and say; the exit status."""
    everything = subjects()
    wanted = named(options.names, everything)
    output: Path = options.output
    checks = select(all_checks(), only=options.checks)
    columns = columns_of(checks)
    only = tuple(check.id for check in checks) if options.checks else ()
    call = Call(only, options.scenarios, options.longest, options.isolation, options.image)
    before = grader_hash()
    start = time.monotonic()

    def one(subject: Subject, processes: Processes, base: Base | None = None) -> Graded:
        folder = output / ENTRIES / subject.name
        return graded(subject, folder, call, processes, fresh=options.fresh, base=base)

    solution = [] if options.whole else [subject for subject in everything if subject.kind is Kind.SOLUTION]
    rest = [subject for subject in wanted if subject not in solution]
    shown = Shown(console, columns, len(rest) + len(solution))
    with shown.bar():
        found = dict(grade_all(solution, one, options.jobs, shown))
        bases = [base_of(SOLUTION, output / ENTRIES / name) for name, of in found.items() if of.problem is None]
        found.update(grade_all(rest, partial(one, base=next(iter(bases), None)), options.jobs, shown))
    matrix = Matrix(
        columns=columns,
        rows=tuple(compare(subject, found[subject.name], columns) for subject in wanted),
        complete=len(wanted) == len(everything) and not only,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        whole=time.monotonic() - start,
        jobs=options.jobs,
    )
    write_atomically(output / "matrix.json", json.dumps(to_json(matrix), indent=1, ensure_ascii=False) + "\n")
    write_atomically(output / "matrix.html", render_html(matrix, ENTRIES))
    write_atomically(output / "matrix.md", render_markdown(matrix))
    summarise(matrix, console)
    if grader_hash() != before:
        console.print(
            "The grader's files changed meanwhile: these rows are not all of one grader.", style="yellow"
        )
    console.print(Text(f"The matrix: {relative(output / 'matrix.html')}"), soft_wrap=True)
    return 0 if matrix.is_as_expected else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        with ended_by_signals(), taken(options.output) as ours:
            if not ours:
                print(f"zoo: another call is writing to {options.output}; choose --output", file=sys.stderr)
                return 2
            return zoo(options, console)
    except BadCall as problem:
        print(f"zoo: {problem}", file=sys.stderr)
        return 2
    except Ended as ended:
        print(f"zoo: {ended}; what was graded is kept, and the next call goes on from there", file=sys.stderr)
        return ended.exit_status


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """Grades at a time that this machine bears."""
    return max(1, cores() // CORES_A_GRADE)


def positive(text: str) -> int:
    """A whole number of at least 1, of a command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.run", description="Grade the zoo.", epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone, by name or id (default: all)")
    parser.add_argument(
        "--jobs",
        type=positive,
        default=default_jobs(),
        metavar="N",
        help="grades at a time (default: one for two cores)",
    )
    parser.add_argument(
        "--scenarios", type=positive, metavar="N", help="scenarios at a time in each grade (default: the grader's)"
    )
    parser.add_argument(
        "--isolation",
        choices=LEVELS,
        default="",
        metavar="LEVEL",
        help=f"one of {', '.join(LEVELS)} (default: auto)",
    )
    parser.add_argument(
        "--image", default="", metavar="IMAGE", help="what services run in, for the level container"
    )
    parser.add_argument("--checks", nargs="+", default=(), metavar="ID", help="these checks alone")
    parser.add_argument(
        "--whole", action="store_true", help="grade faults by all checks, also by those that they cannot reach"
    )
    parser.add_argument("--fresh", action="store_true", help="grade again what has a result already")
    parser.add_argument("--longest", type=float, default=Call().longest, metavar="S", help="seconds for one grade")
    parser.add_argument("--output", type=Path, default=Path("reports/zoo"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
