"""What was saved in a submission's folder since a look before, and which checks that can have changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.commands.grade import OURS
from grader.declare import Check, Scenario
from grader.history.events import DocumentRead, ServiceStarted
from grader.judging import Take
from grader.submission import MANIFEST, Submission

State = Mapping[str, tuple[int, int]]
"""Every file of a folder by its path in it: when it was changed (nanoseconds), and how large it is."""

IGNORED = frozenset({"__pycache__", "node_modules", "venv", "reports", "target"})
"""Folders that hold what tools make; so do those whose name begins with a dot."""

_MOST_FILES = 20_000


def look(folder: Path, output: Path | None = None) -> State:
    """The files of ``folder`` now. Files that go away meanwhile are left out, and what a grade leaves in ``output``."""
    found: dict[str, tuple[int, int]] = {}
    reports = None
    if output is not None:
        reports = str(folder / os.path.relpath(os.path.realpath(output), os.path.realpath(folder)))
    for place, folders, names in os.walk(folder):
        ours = OURS if place == reports else ()
        ignored = IGNORED.union(ours)
        folders[:] = sorted(name for name in folders if name not in ignored and not name.startswith("."))
        for name in sorted(set(names).difference(ours)):
            if name.startswith(".") or name.endswith((".pyc", "~", ".swp", ".tmp")):
                continue
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of files, several times a second
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            found[os.path.relpath(path, folder)] = (status.st_mtime_ns, status.st_size)
            if len(found) >= _MOST_FILES:
                return found
    return found


def saved(before: State, after: State) -> tuple[str, ...]:
    """The files that were made, changed or removed in between, in order."""
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


@dataclass(frozen=True, slots=True)
class Reach:
    """What saved files can have changed. ``setup``: what is done once, before any scenario runs."""

    api: bool = False
    worker: bool = False
    documents: bool = False
    setup: bool = False

    @property
    def roles(self) -> frozenset[str]:
        """The services and documents, as ``roles_of`` names them."""
        named = {"api": self.api, "worker": self.worker, "documents": self.documents}
        return frozenset(name for name, touched in named.items() if touched)


def reach(submission: Submission, files: Iterable[str]) -> Reach:
    """What these files of a submission can have changed.

    A file belongs to one service alone when its top-level folder (or itself) is named in that service's command and
    not in the other's. The two documents belong to nobody's code. The manifest and the migrations change the set-up,
    and so everything. All other files count for both services.
    """
    api = worker = documents = setup = False
    for name in files:
        if name == MANIFEST or (
            submission.migrations and (submission.folder / name).is_relative_to(submission.migrations)
        ):
            setup = True
        elif submission.folder / name in (submission.data_flow, submission.answers):
            documents = True
        else:
            for_api, for_worker = (_names(command, name) for command in (submission.api, submission.worker))
            shared = for_api == for_worker or submission.build is not None
            api, worker = api or for_api or shared, worker or for_worker or shared
    if setup:
        return Reach(True, True, True, True)
    return Reach(api, worker, documents)


def _names(command: Sequence[str], name: str) -> bool:
    """Whether a command names the top-level folder or file that ``name`` is in."""
    top = Path(name).parts[0]
    words = {part for word in command for part in word.replace(".", "/").split("/")}
    return top in command or top.partition(".")[0] in words


def roles_of(scenario: Scenario, takes: Mapping[str, Sequence[Take]]) -> frozenset[str]:
    """What a scenario needs of a submission, from its last recording: ``api``, ``worker``, ``documents``.

    Whoever explored schedules had workers alone, each in a record of its own. All of them where its recording does
    not tell.
    """
    histories = [take.history for take in takes.get(scenario.name, ()) if take.history is not None]
    roles: set[str] = {event.role for history in histories for event in history.of(ServiceStarted)}
    if any(history.of(DocumentRead) for history in histories):
        roles.add("documents")
    if any(history.moments("explored") for history in histories):
        roles.add("worker")
    return frozenset(roles or {"api", "worker", "documents"})


def affected(checks: Sequence[Check], takes: Mapping[str, Sequence[Take]], what: Reach) -> tuple[Check, ...]:
    """The checks that would come out the same without a new recording are left out."""
    return tuple(c for c in checks if any(roles_of(scenario, takes) & what.roles for scenario in c.on))
