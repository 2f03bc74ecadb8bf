"""What a person sees while a run is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleRenderable, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from grader.model import CheckResult, Verdict
from grader.report import outline
from grader.report.look import STYLES, Look
from grader.report.text import line

SHOWN_SCENARIOS = 4
"""So many running scenarios fit the live area; it stays as small as a glance."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    sentence: str
    since: float


class LiveProgress:
    """Shows how far a run is: on a terminal a small area that leaves nothing behind, elsewhere a line a part.

    Every method may be called from any thread. ``end`` must be called whatever happens; calling it twice is
    harmless.
    """

    def __init__(
        self,
        console: Console,
        *,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``live`` chooses the form; by default a console that is a person's terminal gets the live area."""
        self._console = console
        self._look = Look.of(console)
        self._clock = clock
        self._is_live = _is_watched(console) if live is None else live
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._spinner = Spinner(self._look.spinner, style="cyan")
        self._began = clock()
        self._awaited: dict[str, list[str]] = {}
        self._results: dict[str, CheckResult] = {}
        self._running: dict[str, _Running] = {}
        self._note = ""

    def begin(self, checks: Sequence[tuple[str, str]]) -> None:
        """The run begins: the id and the title of every check that it will judge."""
        with self._lock:
            self._began = self._clock()
            for check, _ in checks:
                self._awaited.setdefault(check.partition(".")[0], []).append(check)
        if self._is_live:
            self._live = Live(self, console=self._console, transient=True, refresh_per_second=8)
            self._live.start(refresh=True)
        else:
            self._say(f"Grading: {len(checks)} {'check' if len(checks) == 1 else 'checks'}.")

    def note(self, text: str) -> None:
        """Something about the run worth a line, such as where its PostgreSQL comes from."""
        with self._lock:
            self._note = line(text)
        if not self._is_live:
            self._say(text)

    def scenario_started(self, name: str, sentence: str) -> None:
        """A scenario runs from now on."""
        with self._lock:
            self._running[name] = _Running(line(name), line(sentence), self._clock())

    def scenario_ended(self, name: str) -> None:
        """A scenario is over."""
        with self._lock:
            self._running.pop(name, None)

    def verdict(self, result: CheckResult) -> None:
        """A check has its verdict; a later one of the same check takes its place."""
        with self._lock:
            known = result.id in self._results
            self._results[result.id] = result
            part = result.id.partition(".")[0]
            done = [self._results[c] for c in self._awaited.get(part, ()) if c in self._results]
            finished = not known and len(done) == len(self._awaited.get(part, ()))
            elapsed = self._clock() - self._began
        if finished and not self._is_live:
            heading = outline.HEADINGS.get(part, part)
            self._say(
                f"{heading}: {_counts(done)}; {_points(done)} points, {outline.duration(elapsed)} into the run"
            )

    def end(self) -> None:
        """The run is over, or given up: the live area goes, the cursor comes back."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __rich__(self) -> ConsoleRenderable:
        """The live area as it is now."""
        now = self._clock()
        with self._lock:
            total = sum(len(checks) for checks in self._awaited.values())
            results = tuple(self._results.values())
            running = tuple(self._running.values())
            note = self._note
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner, self._bar(len(results), total), self._numbers(results, total, now))
        return Group(head, *self._details(note, running, now))

    def _say(self, text: str) -> None:
        self._console.print(Text(self._look.text(line(text))), soft_wrap=True)

    def _bar(self, done: int, total: int) -> Text:
        cells = 16
        full = cells * done // total if total else 0
        return Text.assemble((self._look.bar_full * full, "cyan"), (self._look.bar_empty * (cells - full), "dim"))

    def _numbers(self, results: Sequence[CheckResult], total: int, now: float) -> Text:
        points = outline.number(sum(r.points for r in results))
        shown = Text(f"{len(results)} of {total} checks, {points} points so far", no_wrap=True)
        failed = sum(r.verdict is Verdict.FAIL for r in results)
        if failed:
            shown.append(f", {failed} fail", STYLES[Verdict.FAIL])
        return shown.append(f"  {_watch(now - self._began)}", "dim")

    def _details(self, note: str, running: Sequence[_Running], now: float) -> list[ConsoleRenderable]:
        rows = Table.grid(padding=(0, 1), expand=True)
        rows.add_column(width=1)
        rows.add_column(no_wrap=True, ratio=1, overflow="ellipsis" if self._look.unicode else "crop")
        rows.add_column(no_wrap=True, justify="right")
        if note:
            rows.add_row("", Text(self._look.text(note), "dim"), Text())
        for item in running[:SHOWN_SCENARIOS]:
            what = Text.assemble(self._look.text(item.name), "  ", (self._look.text(item.sentence), "dim"))
            rows.add_row("", what, Text(_watch(now - item.since), "dim"))
        more = len(running) - SHOWN_SCENARIOS
        if more > 0:
            rows.add_row("", Text(f"and {more} more", "dim"), Text())
        return [rows] if rows.row_count else []


def _is_watched(console: Console) -> bool:
    # FORCE_COLOR makes rich take a CI log for a terminal; only a real one can move its cursor.
    return console.is_interactive and not console.is_dumb_terminal and console.file.isatty()


def _counts(results: Sequence[CheckResult]) -> str:
    counts = [(v.value, sum(r.verdict is v for r in results)) for v in Verdict]
    return ", ".join(f"{count} {word}" for word, count in counts if count)


def _points(results: Sequence[CheckResult]) -> str:
    return outline.ratio(sum(r.points for r in results), sum(r.max_points for r in results))


def _watch(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
