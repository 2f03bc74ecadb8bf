"""``grader replay RUN-DIR CHECK``: the schedule that broke a check, once more, step by step."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from grader.checkpoints import all_checks, select
from grader.commands.stage import ServerChoice, one_lab, stage
from grader.errors import BadCall
from grader.explore import (
    GRADER,
    WORKERS,
    Pair,
    Points,
    Situation,
    Undecided,
    broken_point,
    broken_rule,
    changes_of,
    is_shown,
    lane_step,
    place_words,
    point_lanes,
    point_of,
    set_up_database,
    walk,
)
from grader.history.events import Moment
from grader.history.timeline import History
from grader.history.words import change_words
from grader.lab import Lab
from grader.model import Counterexample, LaneStep
from grader.report import Look, draw_names, draw_step, line
from grader.saved import load
from grader.sources import opened
from grader.submission import load_submission

_STATEMENT = 4_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the call asks for. ``source``: the submission, where it is not where it was."""

    run: Path
    check: str
    source: str | None
    pause: bool
    server: ServerChoice


def replay(options: Options, console: Console) -> int:
    """Run it; 1 when the rule broke again, 0 when it held. Raises CannotGrade, GraderError or Ended."""
    run, takes = load(options.run)
    [check] = select(all_checks(), only=[options.check])
    histories = [takes[s.name][-1].history for s in check.on if s.name in takes]
    example = next((m for h in histories if h is not None for m in _examples(h)), None)
    if example is None:
        raise BadCall(f"{options.run}: nothing broke {options.check} in a way that can be run again")
    show = _Screen(console, pause=options.pause)
    with ExitStack() as stack:
        submission = load_submission(stack.enter_context(opened(options.source or run.folder)))
        there = stack.enter_context(stage(submission, options.server, show.say))
        lab = stack.enter_context(one_lab(there, "replay", run.seed))
        try:
            if example.name == "counterexample":
                return _schedule(lab, example.detail["recipe"], show)
            return _point(lab, example, show)
        except Undecided as reason:
            show.say(f"This time it could not be run to its end: {reason}.")
            return 0


def _examples(history: History) -> list[Moment]:
    found = list(history.moments("counterexample"))
    return found + [m for m in history.moments("point") if broken_point(history, m) is not None]


# ---------------------------------------------------------------- a schedule of two workers


def _schedule(lab: Lab, recipe: dict[str, Any], show: _Screen) -> int:
    situation = Situation(**recipe["situation"])
    set_up_database(lab, recipe["settings"])
    with closing(Pair(lab, WORKERS)) as pair:
        pair.park()
        tasks = situation.prepare(lab)
        show.say(f"At first: {situation.sentence}. Each worker has just looked, and found nothing.")
        show.begin([*pair.lanes, *([GRADER] if situation.holds_row else [])])
        pair.begin(tasks, hold_row=tasks[-1] if situation.holds_row else None)
        rows = lab.database.tasks()
        world = _Shown(pair, {task: str(rows[task]["title"]) for task in tasks}, show, len(recipe["schedule"]))
        walked = walk(world, tuple(recipe["schedule"]))
        broken = broken_rule(History(pair.events(), lab.patience), tasks, stuck=pair.stuck)
    if not walked.followed:
        show.say("The workers did not come by the same steps this time.")
    return show.end(broken.sentence if broken else None)


class _Shown:
    """A world that shows each step of a schedule when it has been taken; what comes when the rule is broken is not shown."""

    def __init__(self, pair: Pair, titles: dict[str, str], show: _Screen, steps: int) -> None:
        self._pair = pair
        self._titles = titles
        self._show = show
        self._steps_left = steps
        self._is_shown = True
        self._lines = 0
        self._told: set[tuple[float, str]] = set()

    def moves(self) -> Sequence[str]:
        """See ``World``."""
        moves = self._pair.moves()
        if self._is_shown:
            history = History(self._pair.events(), self._pair.lab.patience)
            self._show_news(history)
            if self._steps_left <= 0 and broken_rule(history, self._pair.tasks, is_over=False) is not None:
                self._show.say("Here it is broken; from now on nobody interferes.")
                self._is_shown = False
        return moves

    def take(self, move: str) -> None:
        """See ``World``."""
        if self._steps_left > 0:
            self._show.wait(self._pair.describe(move))
            self._pair.start_counting()
            self._steps_left -= 1
        self._pair.take(move)

    def _show_news(self, history: History) -> None:
        """Show the lines that are new, and at the last one of each worker the changes that became visible with it."""
        changes = changes_of(history)
        # What was changed early may become visible late.
        new = [change for change in changes if (change.at, change.row.task) not in self._told]
        self._told |= {(change.at, change.row.task) for change in new}
        lines = [each for each in self._pair.trace.lines[self._lines :] if is_shown(each, [])]
        self._lines = len(self._pair.trace.lines)
        for index, each in enumerate(lines):
            step = lane_step(0, each, [], self._titles)
            if not any(later.entry.lane == each.entry.lane for later in lines[index + 1 :]):
                mine = (change_words(change) for change in new if change.service == step.lane)
                step = replace(step, changes=tuple(mine))
            self._show.step(step)


# ---------------------------------------------------------------- a signal at one point


def _point(lab: Lab, example: Moment, show: _Screen) -> int:
    detail = example.detail
    point = point_of(detail)
    points = Points(lab, signal.Signals[detail["signal"]], lambda: show.wait(f"{detail['signal']} to the worker"))
    show.say(f"One worker, one task, and {place_words(example)}.")
    moment = points.once(point)
    if moment is None:
        raise Undecided("the worker did not come to that point")
    history = History(lab.events(), lab.patience)
    show.lanes(point_lanes(history, moment, 0))
    broken = broken_point(history, moment)
    return show.end(broken.sentence if broken else None)


# ---------------------------------------------------------------- what people see


class _Screen:
    """Prints steps as they happen, in lanes; waits for Enter where it is asked to."""

    def __init__(self, console: Console, *, pause: bool) -> None:
        self._console = console
        self._look = Look.of(console)
        self._pause = pause
        self._order = Counterexample((), (), "", "", "", 0)
        self._number = 0

    def say(self, text: str) -> None:
        """A line across the page."""
        self._console.print(self._look.text(line(text)), markup=False)

    def begin(self, lanes: Sequence[str]) -> None:
        """The lanes that steps will be in."""
        self._order = Counterexample(tuple(lanes), (), "", "", "", 0)
        self._print(draw_names(self._order, self._console.width, self._look))

    def step(self, step: LaneStep) -> None:
        """A step that was taken."""
        self._number += 1
        # Everything in it may come from the submission.
        numbered = replace(
            step,
            number=self._number,
            text=line(step.text, _STATEMENT),
            result=line(step.result),
            changes=tuple(map(line, step.changes)),
        )
        self._order = replace(self._order, steps=(*self._order.steps, numbered))
        self._print(draw_step(numbered, self._order, self._console.width, self._look))

    def lanes(self, order: Counterexample) -> None:
        """A whole order of steps."""
        self.begin(order.lanes)
        for step in order.steps:
            self.step(step)

    def wait(self, coming: str) -> None:
        """Wait for Enter, having said what comes next."""
        if self._pause:
            self._console.print(self._look.text(f"  next: {line(coming)} [Enter]"), markup=False, end="")
            self._console.input("")

    def end(self, broken: str | None) -> int:
        """Say what came of it; the exit status."""
        self.say("")
        self.say(f"It broke again: {broken}." if broken else "This time every rule held.")
        return 1 if broken else 0

    def _print(self, rows: Sequence[Text]) -> None:
        for row in rows:
            self._console.print(row, soft_wrap=True)
