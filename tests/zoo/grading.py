"""Whole grades of the zoo's submissions, each by a process of its own, and the results that are kept of them.

A result is kept under a key: a hash of the submission as it is graded (so of the solution, the fault and all), of
the grader, and of the call. It is as good as a new one for as long as the key is the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.checkpoints import all_checks, select
from grader.errors import BadCall
from grader.model import CheckResult, Verdict
from grader.report.json_report import read_json
from grader.report.text import line
from tests.unit.retold import differing
from tests.zoo.matrix import PHASES, Graded, Kind, Seen, Subject
from tests.zoo.reach import Base
from tests.zoo.submissions import SOLUTION, Wrong, all_right, all_wrong, make_right, make_wrong, missing

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "starter"
STARTER_FAILS = frozenset({"3a.starts", "3b.data-flow", "3b.answers"})
"""What fails of a starter that nobody has touched; the rest of the worker builds on ``3a.starts``."""

LONGEST = 1800.0
"""Seconds after which a grade is given up: it hangs, or the machine is of no use for this."""

_ENDING = 60.0
_GRADER = ("grader", "constraints.txt")
_KEPT = "result.json"
_FORMAT = "zoo/result/1"
_AT = re.compile(rb'^\{"kind": "[a-z-]+", "at": ([\d.e+-]+)', re.MULTILINE)


class Cancelled(Exception):
    """The grade was ended since nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class Call:
    """How to grade: all checks if none is named; ``scenarios`` at a time as the grader chooses if None.

    ``isolation`` is the level (empty: as the grader chooses), ``image`` what services run in at the level container.
    """

    checks: tuple[str, ...] = ()
    scenarios: int | None = None
    longest: float = LONGEST
    isolation: str = ""
    image: str = ""

    def arguments(self, folder: Path, output: Path) -> list[str]:
        """The grader's command line."""
        command = [sys.executable, "-m", "grader", "grade", str(folder), "--postgres", "embedded"]
        jobs = ["--jobs", str(self.scenarios)] if self.scenarios else []
        level = ["--isolation", self.isolation] if self.isolation else []
        image = ["--service-image", self.image] if self.image else []
        only = ["--only", *self.checks] if self.checks else []
        return [*command, "--output", str(output), *jobs, *level, *image, *only]


@dataclass(slots=True)
class Processes:
    """The graders that run. ``end`` may be called from any thread, and no grader starts after it."""

    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: bool = False

    def run(self, command: list[str], longest: float) -> tuple[int | None, str]:
        """The exit status (None: it did not end in time, and was ended) and what it wrote to stderr.

        Raises Cancelled when it was ended by ``end``.
        """
        with self._lock:
            if self._ending:
                raise Cancelled
            # A session of its own: Ctrl-C reaches it once, from us.
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
            self._running.add(process)
        in_time = True
        try:
            _, said = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            in_time = False
            said = _ended(process)
        finally:
            with self._lock:
                self._running.discard(process)
                cancelled = self._ending
        if cancelled:
            raise Cancelled
        return process.returncode if in_time else None, said.decode(errors="replace")

    def end(self) -> None:
        """Ask every grader to end what it has started; ``run`` returns when it has."""
        with self._lock:
            self._ending = True
            for process in self._running:
                process.send_signal(signal.SIGTERM)


def _ended(process: subprocess.Popen[bytes]) -> bytes:
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=_ENDING)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


# ---------------------------------------------------------------- what there is to grade


def subjects() -> tuple[Subject, ...]:
    """Everything in the zoo: the solution, the starter, what is right in a way of its own, and what is wrong."""
    solution = Subject("solution", Kind.SOLUTION, "", "The reference: every check passes.", frozenset())
    starter = Subject("starter", Kind.STARTER, "", "Nothing is done yet but the api-service.", STARTER_FAILS)
    right = [
        Subject(e.name, Kind.RIGHT, "", e.why, frozenset(e.forgoes), reasons=dict(e.forgoes)) for e in all_right()
    ]
    wrong = [Subject(e.name, Kind.WRONG, e.id, e.why, e.must_fail, e.may_fail) for e in all_wrong()]
    return (solution, starter, *right, *sorted(wrong, key=lambda subject: subject.id))


def make(subject: Subject, folder: Path) -> Path:
    """A copy of the submission that can be graded, in the new folder ``folder/NAME``.

    OSError, or CalledProcessError when a fault does not fit the solution any more.
    """
    match subject.kind:
        case Kind.WRONG:
            entry = Wrong(subject.name, subject.id, subject.why, subject.must_fail, subject.may_fail)
            return make_wrong(entry, folder)
        case Kind.RIGHT:
            return make_right(next(e for e in all_right() if e.name == subject.name), folder)
        case Kind.SOLUTION:
            return _copied(SOLUTION, folder)
        case Kind.STARTER:
            return _copied(STARTER, folder)


def _copied(source: Path, folder: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", ".venv")
    return Path(shutil.copytree(source, folder / source.name, ignore=ignore))


# ---------------------------------------------------------------- keys


def grader_hash() -> str:
    """A hash of the grader as it is now: its files, the pinned versions, and the interpreter."""
    hashed = hashlib.sha256(sys.version.encode())
    for name in _GRADER:
        hashed.update(folder_hash(ROOT / name).encode())
    return hashed.hexdigest()


def folder_hash(path: Path) -> str:
    """A hash of the names, the contents and the execute bits of all files in a folder (or of one file)."""
    hashed = hashlib.sha256()
    for file in sorted(_files(path)):
        content = file.read_bytes()
        executable = bool(file.stat().st_mode & 0o111)
        hashed.update(f"{file.relative_to(path.parent)}\0{executable}\0{len(content)}\0".encode())
        hashed.update(content)
    return hashed.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in path.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def key_of(made: Path, grader: str, call: Call) -> str:
    """What a result is kept under. ``made`` is the submission, ``grader`` the hash of the grader."""
    how = (str(call.scenarios), call.isolation, call.image)
    text = "\n".join((folder_hash(made), grader, *how, *sorted(call.checks)))
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- grading


def graded(
    subject: Subject, output: Path, call: Call, processes: Processes, *, fresh: bool, base: Base | None = None
) -> Graded:
    """The kept result, if there is one and it is not to be ``fresh``, else that of a new grade.

    With a ``base``, a fault is graded by the checks that it can reach. ``output`` is the grader's folder for its
    reports; the result is kept there as well. Raises Cancelled.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zoo-") as temporary:
        try:
            made = make(subject, Path(temporary))
        except subprocess.CalledProcessError as problem:
            return Graded({}, problem=f"the fault does not fit the solution: {line(problem.stderr)}")
        if base is not None and subject.kind is Kind.WRONG:
            reached = tuple(check.id for check in base.reached(made, select(all_checks(), only=call.checks)))
            wanted, call = call, replace(call, checks=reached)
        else:
            wanted, base = call, None
        grader = grader_hash()
        key = key_of(made, grader, call)
        if not fresh and (kept := _kept(output, key)) is not None:
            return _completed(kept, output, wanted, base)
        if (absent := _missing(subject)) is not None:
            return Graded({}, problem=absent)
        shutil.rmtree(output, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        status, said = processes.run(call.arguments(made, output), call.longest)
        found = _result(output, status, said, time.monotonic() - start, call)
        if found.problem is None and grader_hash() == grader:
            _keep(output, key, found)
        return _completed(found, output, wanted, base)


def _completed(found: Graded, output: Path, wanted: Call, base: Base | None) -> Graded:
    """With the checks that a fault cannot reach, as they come out for the base."""
    if base is None or found.problem is not None:
        return found
    results = base.judged(output, select(all_checks(), only=wanted.checks))
    return replace(found, checks=_seen(results.values()), not_reached=frozenset(results) - frozenset(found.checks))


def _missing(subject: Subject) -> str | None:
    """What this machine lacks for the submission, which would otherwise look like a fault of it."""
    if subject.kind is not Kind.RIGHT:
        return None
    return missing(next(e.needs for e in all_right() if e.name == subject.name))


def _result(output: Path, status: int | None, said: str, seconds: float, call: Call) -> Graded:
    if status is None:
        return Graded({}, problem=f"no end within {call.longest:g} s", seconds=round(seconds, 2))
    try:
        report = read_json(output / "report.json")
        run = json.loads((output / "run.json").read_text(encoding="ascii"))
    except (OSError, ValueError) as problem:
        last = said.strip().splitlines()[-1:] or [str(problem)]
        return Graded({}, problem=f"no report, exit status {status}: {line(last[0])}", seconds=round(seconds, 2))
    if different := differing(report):
        words = f"its report is told differently as {', '.join(different)}"
        return Graded({}, problem=words, seconds=round(seconds, 2))
    return Graded(
        _seen(report.checks),
        seconds=round(seconds, 2),
        phases=phases(run, output / "history", seconds),
        patience=run["patience"],
        seed=report.seed,
    )


def _seen(results: Iterable[CheckResult]) -> Mapping[str, Seen]:
    return {
        check.id: Seen(
            check.verdict, "" if check.verdict is Verdict.PASS else check.observed or check.reason or ""
        )
        for check in results
    }


def phases(run: Mapping[str, Any], histories: Path, seconds: float) -> Mapping[str, float]:
    """The seconds of each phase of a grade that took ``seconds`` in all, from its times on the grader's clock."""
    once: list[float] = []
    again: list[float] = []
    seen: set[str] = set()
    for take in run["takes"]:
        (again if take["scenario"] in seen else once).extend(_times(histories / take["history"]))
        seen.add(take["scenario"])
    if not once:
        return {"the rest": round(seconds, 2)}
    begins, ends_once, ends = min(once), max(once), max(once + again)
    whole = run["duration_s"]
    lasted = (begins, ends_once - begins, ends - ends_once, whole - ends, seconds - whole)
    return {name: round(max(0.0, value), 2) for name, value in zip(PHASES, lasted, strict=True)}


def _times(history: Path) -> tuple[float, ...]:
    """When the first and the last event happened; nothing for a history without events."""
    times = [float(found) for found in _AT.findall(history.read_bytes())]
    return (min(times), max(times)) if times else ()


# ---------------------------------------------------------------- what is kept


def _keep(output: Path, key: str, found: Graded) -> None:
    content = {
        "format": _FORMAT,
        "key": key,
        "seconds": found.seconds,
        "phases": dict(found.phases),
        "patience": found.patience,
    }
    temporary = output / f".{_KEPT}"
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, output / _KEPT)  # noqa: PTH105 - the name says that it replaces


def _kept(output: Path, key: str) -> Graded | None:
    try:
        content = json.loads((output / _KEPT).read_text())
        if content["format"] != _FORMAT or content["key"] != key:
            return None
        report = read_json(output / "report.json")
    except (OSError, ValueError, KeyError):
        return None
    return Graded(
        _seen(report.checks),
        seconds=content["seconds"],
        phases=content["phases"],
        patience=content["patience"],
        seed=report.seed,
        reused=True,
    )


def named(names: Collection[str], among: Collection[Subject]) -> tuple[Subject, ...]:
    """The submissions with these names, or ids; all when there are no names. BadCall for one that is unknown."""
    known = {subject.name for subject in among} | {subject.id for subject in among if subject.id}
    if unknown := sorted(set(names) - known):
        raise BadCall(f"not in the zoo: {', '.join(unknown)}")
    return tuple(s for s in among if not names or s.name in names or (s.id and s.id in names))
