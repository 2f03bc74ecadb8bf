"""Walks the schedules of a situation until one breaks a rule, or all were walked; and makes sure of what it found."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grader.explore.counterexample import length_until, to_counterexample
from grader.explore.minimise import Size, minimised
from grader.explore.pair import DEADLOCK_TIMEOUT, Pair
from grader.explore.rules import Broken, broken_rule
from grader.explore.search import Frontier, Schedule, Walked, switches, walk
from grader.explore.situations import Situation
from grader.explore.undecided import SleepsOn, Undecided
from grader.history.timeline import History
from grader.lab import Lab
from grader.lab.held import LATE

WORKERS: Final = ("worker-A", "worker-B")

REPLAYS: Final = 3
"""So often a schedule that broke a rule is run again, each time by new processes; it has to break it every time."""

LIMIT: Final = 12.0
"""Seconds (times patience) after which a search ends where it is."""

MINIMISING: Final = 4.0
"""Seconds (times patience) that making a counterexample smaller may take."""

LONG_SLEEP: Final = 0.8
"""Seconds (times patience); workers that sleep longer are started anew for every schedule."""

MOST_UNDECIDED: Final = 3
"""Schedules in a row that cannot be walked to their end, before the search gives up."""

TELL_EVERY: Final = 5.0
"""Seconds between two lines that tell how far a long search has come."""

RENEWED_AFTER: Final = 1000
"""Schedules after which the workers are started anew: done tasks pile up in the table."""


@dataclass(frozen=True, slots=True)
class Run:
    """One schedule, walked and judged."""

    walked: Walked
    broken: Broken | None
    disturbed: str | None
    needed: int
    """How many choices were made until the rule broke, or until the end."""
    lines: int
    """Lines of the trace until then."""

    @property
    def size(self) -> Size:
        """What minimising compares."""
        needed = self.walked.schedule[: self.needed]
        return needed, switches(needed), self.lines


class Explorer:
    """One situation. ``settings`` are the database's for the services (planner switches)."""

    def __init__(
        self,
        lab: Lab,
        situation: Situation,
        *,
        bound: int | None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.lab = lab
        self.situation = situation
        self.settings = dict(settings or {})
        self.bound = None if lab.deep else bound
        self._pair: Pair | None = None
        self._is_slow: bool | None = None
        self._since_renewed = 0
        self._told_at = lab.clock.now()
        self._by_level: Counter[int] = Counter()
        self._undecided = 0
        self._strayed = 0
        """Schedules in which somebody did not come by the same steps as before."""
        self._reason: str | None = None
        self._left_alone = False
        self._frontier = Frontier(self.bound)

    def run(self) -> None:
        """Explore, and note what was explored and what was found."""
        set_up_database(self.lab, self.settings)
        start = self.lab.clock.now()
        found: Run | None = None
        try:
            found = self._search(start)
            if found is not None:
                self._confirm(found)
        except Undecided as reason:
            self._reason = str(reason)
        finally:
            self._renew()
        self._note_coverage(start, found)

    # ------------------------------------------------------------ searching

    def _search(self, start: float) -> Run | None:
        limit = None if self.lab.deep else start + LIMIT * self.lab.patience
        in_a_row = 0
        again: set[Schedule] = set()
        while limit is None or self.lab.clock.now() < limit:
            beginning = self._frontier.pop()
            if beginning is None:
                break
            try:
                run = self._walk(beginning, self._frontier)
            except Undecided as reason:
                self._renew()
                self._undecided += 1
                in_a_row += 1
                self._reason = str(reason)
                if in_a_row >= MOST_UNDECIDED:
                    break
                continue
            in_a_row = 0
            self._tell_now_and_then()
            if not run.walked.followed and run.broken is None and beginning not in again:
                # A driver may do once what it never does again, such as preparing a statement.
                again.add(beginning)
                self._frontier.add(beginning, run.walked.preemptions)
                continue
            self._by_level[run.walked.preemptions] += 1
            self._strayed += not run.walked.followed
            if run.disturbed is not None and run.broken is not None:
                self._undecided += 1
                self._reason = run.disturbed
                self._renew()
            elif run.broken is not None:
                if self._is_left_alone(run.broken):
                    self._left_alone = True
                    return None
                return run
        return None

    def _is_left_alone(self, broken: Broken) -> bool:
        """Whether nobody takes up a stuck task even when nobody interferes.

        Its row alone does not tell that it is stuck then: a lease in another table does, or a worker's own clock. Or
        nothing does; that is for other checks to judge, which wait for the timeout.
        """
        return self.situation.stuck > 0 and broken.rule == "not-completed" and self._by_level.total() == 1

    def _tell_now_and_then(self) -> None:
        now = self.lab.clock.now()
        if now - self._told_at > TELL_EVERY:
            self._told_at = now
            walked, waiting = self._by_level.total(), len(self._frontier)
            self.lab.tell(f"{self.situation.sentence}: {walked} schedules walked, at least {waiting} to come")

    def _walk(self, beginning: Schedule, frontier: Frontier | None = None) -> Run:
        """Walk one schedule. Raises Undecided."""
        pair, tasks = self._ready_pair()
        self._frontier.symmetric = self._frontier.symmetric and pair.is_symmetric
        pair.begin(tasks, hold_row=tasks[-1] if self.situation.holds_row else None)
        walked = walk(pair, beginning, frontier)
        history = History(pair.events(), self.lab.patience)
        broken = broken_rule(history, tasks, stuck=pair.stuck)
        at = broken.at if broken else float("inf")
        return Run(walked, broken, pair.disturbed, pair.choices_until(at), length_until(pair.trace, at))

    def _ready_pair(self) -> tuple[Pair, list[str]]:
        """Workers that are about to look for tasks, and tasks; the workers of the last schedule if they can be used.

        Raises Undecided.
        """
        if self._is_slow is None:
            self._is_slow = self._sleep_long()
        if self._is_slow:
            # Their first look comes at once, and the next one only after a long sleep.
            self._renew()
            tasks = self.situation.prepare(self.lab)
            self._pair = Pair(self.lab, WORKERS, slow=True)
            self._pair.arrive()
            return self._pair, tasks
        if self._pair is not None and (self._since_renewed >= RENEWED_AFTER or not self._pair.is_reusable):
            self._renew()
        if self._pair is None:
            self._pair = Pair(self.lab, WORKERS)
            self._since_renewed = 0
        self._since_renewed += 1
        self._pair.park()
        return self._pair, self.situation.prepare(self.lab)

    def _sleep_long(self) -> bool:
        """Whether the workers sleep for longer than it takes to start new ones, whatever their interval is set to.

        Raises Undecided.
        """
        self._pair = Pair(self.lab, WORKERS)
        for actor in self._pair.actors:
            actor.worker.back_within = LONG_SLEEP
        try:
            self._pair.park()
        except SleepsOn:
            return True
        for actor in self._pair.actors:
            actor.worker.back_within = LATE
        return self._pair.slowest_return > LONG_SLEEP * self.lab.patience / 2

    def _renew(self) -> None:
        """End the workers, and take away what they left undone."""
        if self._pair is not None:
            self._pair.close()
            self._pair = None
            self.lab.wait_until_backends_gone()
            self.lab.database.finish_tasks()

    # ------------------------------------------------------------ making sure

    def _confirm(self, found: Run) -> None:
        """Make it small, run it again on new processes, and note it if it breaks the same rule every time."""
        assert found.broken is not None
        end = self.lab.clock.now() + MINIMISING * self.lab.patience
        smallest = minimised(found.size, lambda schedule: self._size_of(schedule, found, end))
        for schedule in dict.fromkeys((smallest, found.walked.schedule)):
            example = self._replayed(schedule, found.broken)
            if example is not None:
                self.lab.note("counterexample", **example)
                return
        self.lab.note("not-again", schedule=" ".join(found.walked.schedule), rule=found.broken.sentence)

    def _size_of(self, schedule: Schedule, found: Run, end: float) -> Size | None:
        """How big a schedule is that breaks the same rule; None for one that does not, or when time is up."""
        if self.lab.clock.now() > end:
            return None
        try:
            run = self._walk(schedule)
        except Undecided:
            self._renew()
            return None
        if run.broken is None or run.disturbed or not _is_same(run.broken, found.broken):
            return None
        return run.size

    def _replayed(self, schedule: Schedule, broken: Broken) -> dict[str, Any] | None:
        example: dict[str, Any] | None = None
        for number in range(1, REPLAYS + 1):
            self._renew()
            try:
                run = self._walk(schedule)
            except Undecided:
                return None
            if run.disturbed or run.broken is None or not _is_same(run.broken, broken):
                return None
            example = self._told(run, run.broken, number)
        return example

    def _told(self, run: Run, broken: Broken, replays: int) -> dict[str, Any]:
        pair = self._pair
        assert pair is not None
        events = pair.events()
        rows = self.lab.database.tasks()
        told = to_counterexample(
            pair.trace,
            History(events, self.lab.patience),
            broken,
            lanes=pair.lanes,
            setup=self.situation.sentence,
            schedule=run.walked.schedule[: run.needed],
            titles={task: str(rows[task]["title"]) for task in pair.tasks if task in rows},
            replays=replays,
        )
        return {
            "situation": self.situation.sentence,
            "recipe": {
                "situation": dataclasses.asdict(self.situation),
                "settings": self.settings,
                "schedule": list(run.walked.schedule[: run.needed]),
            },
            "tasks": list(pair.tasks),
            "stuck": pair.stuck,
            "rule": broken.rule,
            "shown": dataclasses.asdict(told),
            "events": [event.to_json() for event in events],
        }

    # ------------------------------------------------------------ what was explored

    def _note_coverage(self, start: float, found: Run | None) -> None:
        level = self._frontier.level
        self.lab.note(
            "explored",
            situation=self.situation.sentence,
            settings=self.settings,
            schedules=self._by_level.total(),
            by_preemptions={str(k): v for k, v in sorted(self._by_level.items())},
            bound=self.bound,
            all_within_bound=level is None and not self._undecided and not self._strayed and found is None,
            all_up_to=None if level is None else level - 1,
            left_out=self._frontier.left_out,
            waiting=len(self._frontier),
            undecided=self._undecided,
            strayed=self._strayed,
            reason=self._reason,
            left_alone=self._left_alone,
            seconds=round(self.lab.clock.now() - start, 3),
        )


def set_up_database(lab: Lab, settings: Mapping[str, str]) -> None:
    """What holds for every connection that a worker makes from now on: planner switches, and quick news of deadlocks."""
    for name, value in {"deadlock_timeout": DEADLOCK_TIMEOUT, **settings}.items():
        lab.database.set_for_services(name, value)


def _is_same(broken: Broken, other: Broken | None) -> bool:
    return other is not None and broken.rule == other.rule
