"""A run while it is under way: a small live area on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from grader.model import CheckResult, Verdict
from grader.report import LiveProgress

CHECKS = [("2.health", "It is healthy."), ("2.read", "It reads."), ("3a.starts", "It starts.")]


class Terminal(io.StringIO):
    """A file that says it is a terminal, and can tell what would stand on its screen."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        rows, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\n|\r|[^\x1b\r\n]+", self.getvalue()):
            if token == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            elif token == "\r":
                column = 0
            elif token.endswith("A"):
                row -= int(token[2:-1] or 1)
            elif token.endswith("K"):
                rows[row] = ""
            elif not token.startswith("\x1b"):
                rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
                column += len(token)
        return "\n".join(rows).rstrip()


def verdict(id: str, verdict: Verdict = Verdict.PASS) -> CheckResult:
    return CheckResult(id, id.partition(".")[0], "T.", verdict, 2 if verdict is Verdict.PASS else 0, 2)


def console(file: io.StringIO, **environment: str) -> Console:
    return Console(file=file, width=80, _environ=environment)


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def area(progress: LiveProgress, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    plain = Console(file=file, width=80)
    with plain.capture() as captured:
        plain.print(progress)
    return captured.get()


def test_a_pipe_gets_a_line_for_each_part_that_is_finished() -> None:
    file = io.StringIO()
    clock = Clock()
    progress = LiveProgress(console(file), clock=clock)
    progress.begin(CHECKS)
    progress.note("PostgreSQL 18.6, embedded: [no] Docker engine answers\x1b[2J")
    progress.scenario_started("reads", "The grader reads.")
    progress.verdict(verdict("2.health"))
    progress.scenario_ended("reads")
    clock.now = 2.0
    progress.verdict(verdict("2.read", Verdict.FAIL))
    clock.now = 65.0
    progress.verdict(verdict("3a.starts"))
    progress.end()
    assert file.getvalue().splitlines() == [
        "Grading: 3 checks.",
        "PostgreSQL 18.6, embedded: [no] Docker engine answers",
        "Lab 02: the api-service: 1 pass, 1 fail; 2/4 points, 2.0 s into the run",
        "Exercise 3a: the worker: 1 pass; 2/2 points, 1 min 5 s into the run",
    ]


def test_a_forced_colour_or_a_dumb_terminal_gets_no_cursor_movements() -> None:
    forced, dumb, quiet = io.StringIO(), Terminal(), Terminal()
    for one in (
        console(forced, FORCE_COLOR="1", TERM="xterm"),
        console(dumb, TERM="dumb"),
        console(quiet, TERM="xterm", TTY_INTERACTIVE="0"),
    ):
        progress = LiveProgress(one)
        progress.begin(CHECKS)
        progress.end()
    for file in (forced, dumb, quiet):
        assert re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()) == "Grading: 3 checks.\n"


def test_the_live_area_shows_while_it_runs_and_leaves_nothing_behind() -> None:
    file = Terminal()
    progress = LiveProgress(console(file, TERM="xterm"))
    progress.begin(CHECKS)
    assert "0 of 3 checks" in file.screen()
    progress.end()
    assert file.screen() == ""
    assert file.getvalue().endswith(("\x1b[?25h", "\x1b[2K"))
    assert "\x1b[?25h" in file.getvalue()  # the cursor is back


def test_ending_twice_or_without_a_beginning_is_harmless() -> None:
    progress = LiveProgress(console(Terminal(), TERM="xterm"))
    progress.end()
    progress.begin(CHECKS)
    progress.end()
    progress.end()


def test_the_area_counts_and_names_what_runs_now() -> None:
    clock = Clock()
    progress = LiveProgress(console(io.StringIO()), clock=clock)
    progress.begin(CHECKS)
    progress.note("PostgreSQL 18.6")
    clock.now = 1.0
    progress.scenario_started("reads", "The grader reads.")
    progress.verdict(verdict("2.health"))
    progress.verdict(verdict("2.read", Verdict.FAIL))
    clock.now = 62.0
    shown = area(progress)
    assert "2 of 3 checks, 2 points so far, 1 fail  1:02" in shown
    assert "PostgreSQL 18.6" in shown
    assert re.search(r"reads  The grader reads\. +1:01$", shown, re.MULTILINE)
    progress.scenario_ended("reads")
    assert "The grader reads." not in area(progress)


def test_the_area_stays_small_whatever_runs() -> None:
    progress = LiveProgress(console(io.StringIO()))
    progress.begin(CHECKS)
    progress.note("n" * 10_000)
    for number in range(30):
        progress.scenario_started(f"scenario-{number}\n\n", "[red]long\x1b[2J " * 100)
    rows = area(progress).splitlines()
    assert len(rows) == 7
    assert max(map(len, rows)) <= 80
    assert "and 26 more" in rows[-1]


def test_a_later_verdict_of_a_check_takes_the_place_of_the_earlier() -> None:
    file = io.StringIO()
    progress = LiveProgress(console(file))
    progress.begin(CHECKS[:1])
    progress.verdict(verdict("2.health", Verdict.INCONCLUSIVE))
    progress.verdict(verdict("2.health"))
    assert "1 of 1 checks, 2 points" in area(progress)
    assert file.getvalue().count("Lab 02") == 1


def test_many_threads_may_report_at_once() -> None:
    file = io.StringIO()
    progress = LiveProgress(console(file))
    checks = [(f"{part}.check-{n}", "T.") for part in ("2", "3a", "3b", "x") for n in range(50)]
    progress.begin(checks)

    def run(id: str) -> None:
        progress.scenario_started(id, "It runs.")
        progress.verdict(verdict(id))
        progress.scenario_ended(id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, [id for id, _ in checks]))
    progress.end()
    lines = file.getvalue().splitlines()
    assert len(lines) == 5
    assert sum("50 pass; 100/100 points" in line for line in lines) == 4
