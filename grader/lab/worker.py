"""A worker-service under observation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Container

from grader.history.board import Board
from grader.history.events import StepEnded
from grader.history.recorder import Recorder
from grader.lab.tasks import Task
from grader.lab.waiting import Condition, Observer
from grader.services import ServiceProcess
from grader.wire import Relay

_HELD_QUIET, _LONGEST_HELD_QUIET = 0.1, 0.2
"""A transaction that met a task and sent nothing for so many seconds is taken to be working on it: on a quiet machine,
and on any. Work lasts longer than that, whatever the machine does."""

_LOOKED_QUIET, _LONGEST_LOOKED_QUIET = 0.03, 0.05
"""A worker that sent nothing for so many seconds has come to the end of a poll: on a quiet machine, and on any. Polls
are further apart than that, whatever the machine does."""

_NEVER_QUIET = 40
"""Statements that could have found a task, more than were asked for: who sends them without a pause has long looked."""


class Worker:
    """One instance. Its methods either do something to it, or return a condition to wait for."""

    def __init__(
        self, process: ServiceProcess, relay: Relay, observer: Observer, recorder: Recorder, patience: float
    ) -> None:
        self.name = process.name
        self.process = process
        self.relay = relay
        self._observer = observer
        self._recorder = recorder
        self._patience = patience

    def works_on(self, task: Task) -> Condition:
        """It has claimed the task and has not finished it."""
        quiet = min(_HELD_QUIET * self._patience, _LONGEST_HELD_QUIET)

        def holds(board: Board, now: float) -> bool:
            return board.works_on(self.name, task.id, task.names, quiet, now)

        return Condition(f"{self.name} to work on task {task.id}", holds, by=self.name)

    def has_met(self, names: Container[str]) -> Callable[[], bool]:
        """Whether a statement has shown it one of these ids or titles, from now on. To be asked by one thread."""
        known = len(self._recorder.events())
        met = False

        def ask() -> bool:
            nonlocal known, met
            for event in self._recorder.events(known):
                known += 1
                if isinstance(event, StepEnded) and event.service == self.name:
                    met = met or any(value in names for value in event.values)
            return met

        return ask

    def has_looked(self, times: int = 1) -> Condition:
        """From now on it sent so many statements that could have found a task, and went quiet after them.

        Of a worker that never goes quiet many more count as much.
        """
        return self.has_looked_since(self.looks, times)

    def has_looked_since(self, before: int, times: int) -> Condition:
        """Like ``has_looked``, counted from an earlier value of ``looks``."""

        quiet = min(_LOOKED_QUIET * self._patience, _LONGEST_LOOKED_QUIET)

        def holds(board: Board, now: float) -> bool:
            instance = board.services.get(self.name)
            if instance is None or instance.looks < before + times:
                return False
            return instance.looks >= before + times + _NEVER_QUIET or board.is_quiet(self.name, quiet, now)

        return Condition(f"{self.name} to look for tasks", holds, by=self.name)

    @property
    def looks(self) -> int:
        """How many statements that could find a task it has sent up to now."""
        self._observer.look()
        instance = self._observer.board.services.get(self.name)
        return instance.looks if instance else 0

    def says(self, speaks: Callable[[str], bool], times: int = 1) -> Condition:
        """From now on it wrote so many lines of which this holds."""
        self._observer.look()
        instance = self._observer.board.services.get(self.name)
        known = len(instance.log) if instance else 0

        def holds(board: Board, _now: float) -> bool:
            instance = board.services.get(self.name)
            return instance is not None and sum(speaks(text) for text in instance.log[known:]) >= times

        return Condition(f"{self.name} to say so", holds, by=self.name)

    @property
    def is_alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.status is None

    def kill(self) -> None:
        """SIGKILL, for it and for every process that it has started: what would live on were no crash."""
        self.process.end()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that the command started."""
        self.process.signal(number)
