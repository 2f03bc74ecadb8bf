"""The seam between a service as the grader sees it and how its processes are kept apart from everything else.

``plain.Plain`` is level 0: a session of its own and limits, on every platform. A stronger level (a namespace, a
container) is another class with a ``launch`` method; nothing outside this folder has to know which one is used.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Running(Protocol):
    """A command that was launched: its leader (the process that the command started) and all that came of it.

    ``stdout`` and ``stderr`` are non-blocking read ends of pipes, ``exit_notice`` a descriptor that becomes
    readable when the leader is gone; all three are open until ``close``. Every method bears with processes that
    vanish at any moment, and may be called from any thread.
    """

    @property
    def pid(self) -> int:
        """The leader's process id, as this machine sees it."""

    @property
    def stdout(self) -> int:
        """Where the service's standard output is read."""

    @property
    def stderr(self) -> int:
        """Where its standard error is read."""

    @property
    def exit_notice(self) -> int:
        """Readable when the leader is gone."""

    def gone(self) -> bool:
        """Whether the leader has ended, collected or not."""

    def collect(self) -> int:
        """The exit status of a leader that is gone, or minus the number of the signal that ended it."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the leader alone; nothing when it is gone."""

    def others(self) -> Sequence[str]:
        """The command lines of the living processes of this service besides the leader."""

    def usage(self) -> tuple[float, int]:
        """CPU seconds of the leader and all its descendants, living or gone; the number of living processes."""

    def kill(self) -> None:
        """End every process of this service, and return when none is alive.

        Raises EnvironmentFailed when some could not be ended.
        """

    def close(self) -> None:
        """Close the three descriptors."""


class Isolation(Protocol):
    """A way to run commands of a submission."""

    @property
    def name(self) -> str:
        """What a report calls this level."""

    def launch(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Running:
        """Start ``command`` with exactly ``env`` and no standard input; BadSubmission when it cannot be run."""

    def sweep(self) -> None:
        """End processes that came of any launch and escaped their service. Called once, at the end of a run."""
