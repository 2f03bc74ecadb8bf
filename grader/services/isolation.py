"""The seam between a service as the grader sees it and how its processes are kept apart from everything else.

``plain.Plain`` is level 0: a session of its own and limits, on every platform. A stronger level (a namespace, a
container) is another class with the same methods; nothing outside this folder has to know which one is used.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from grader.services.limits import Limits


class Level(Enum):
    """How far apart services are kept; the value is the word used in every report. In the order of strength."""

    SELF_CHECK = "self-check"
    """Enough for one's own work: the same machine, files and network, with limits."""
    BUBBLEWRAP = "bubblewrap"
    """Namespaces of their own for each service: files, processes, network."""
    CONTAINER = "container"
    """A container for each service, from an image."""

    @property
    def strength(self) -> int:
        """A number that is greater for a stronger level."""
        return list(Level).index(self)


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

    @property
    def ancestor(self) -> int:
        """The process from which all of it descends, whatever it does."""

    @property
    def is_counted(self) -> bool:
        """Whether the kernel bounds the memory and the number of its processes, so that nobody has to look."""

    @property
    def has_own_files(self) -> bool:
        """Whether its temporary folder is its own, with a size that the kernel keeps."""

    def listens_on(self, port: int) -> bool | None:
        """Whether one of its processes listens on a TCP port of its network; None when that cannot be told."""

    def usage(self) -> tuple[float, int]:
        """CPU seconds of the leader and all its descendants, living or gone; the number of living processes."""

    def limits_hit(self) -> Sequence[str]:
        """What the kernel, asked now, says of limits that this service has run into, in words."""

    def kill(self) -> None:
        """End every process of this service, and return when none is alive.

        Raises EnvironmentFailed when some could not be ended.
        """

    def close(self) -> None:
        """Close the three descriptors."""


class Network(Protocol):
    """Where a service finds its database and is found by clients: 127.0.0.1, whosever that is."""

    @property
    def is_own(self) -> bool:
        """Whether nobody else is in it, so that every port is free."""

    def socket(self) -> socket.socket:
        """A new TCP socket in this network, for the grader to connect or listen with. From any thread."""

    def close(self) -> None:
        """No more sockets will be asked for."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a command may get to beyond what every one may read.

    ``network`` is the one it runs in (None: the machine's, with a way out, for builds). ``port`` is where its database
    is. ``writes`` are folders that it may write to besides its TMPDIR, ``reads``
    files and folders that it may read besides its own folder.
    """

    network: Network | None = None
    port: int | None = None
    writes: tuple[Path, ...] = ()
    reads: tuple[Path, ...] = ()


class Isolation(Protocol):
    """A way to run commands of a submission."""

    @property
    def level(self) -> Level:
        """How strong it is."""

    @property
    def detail(self) -> str:
        """What it is made of on this machine, in a few words."""

    @property
    def limits(self) -> Limits:
        """What each service may use."""

    def show(self, folder: Path) -> None:
        """The submission's folder, told before any network of a service is asked for."""

    def program(self, folder: Path, command: Sequence[str]) -> tuple[str, ...]:
        """A manifest's command with its program as it is found at this level. Raises BadSubmission."""

    def network(self) -> Network:
        """A network for one service. Raises EnvironmentFailed when there is none."""

    def launch(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], reach: Reach) -> Running:
        """Start ``command`` with exactly ``env`` and no standard input; BadSubmission when it cannot be run."""

    def sweep(self) -> None:
        """End what came of any launch and escaped, and give back what is held. Called once, at the end of a run."""
