"""Grading an attack at one level, and looking at everything that it may have touched."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from grader.cli import main
from grader.errors import BadCall
from grader.history.events import LogLine
from grader.history.hits import limits_hit
from grader.model import Verdict
from grader.report.json_report import read_json
from grader.saved import load
from tests.zoo.attacks import OUTCOMES, Attack, make, make_together
from tests.zoo.grading import ROOT, folder_hash

LONGEST = 240.0
_INERT = ("<script>alert('attack')", "<img src=x onerror", "\x1b[2J", "\x1b]0;attack", 'href="javascript:')
"""What must not stand in a report as it was written."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of an attack at one level; ``why`` says it in a few words, ``seconds`` how long the grade took."""

    outcome: str
    why: str
    seconds: float
    told: tuple[str, ...] = ()
    """What the attack itself said."""


@dataclass(slots=True)
class Scene:
    """Everything that an attack is aimed at, and what has been seen of it."""

    place: Path
    targets: dict[str, Any]
    neighbour: subprocess.Popen[bytes]
    secret: str
    received: list[str] = field(default_factory=list)

    @property
    def canary(self) -> Path:
        """A folder of the user who grades, for nobody else."""
        return self.place / "canary"

    def harm(self) -> list[str]:
        """What has been touched, or is left, besides the submission."""
        found = [f"a packet arrived by {how}" for how in dict.fromkeys(self.received)]
        names = sorted(path.name for path in self.canary.iterdir())
        if names != ["secret"] or (self.canary / "secret").read_text() != self.secret:
            found.append(f"the canary's folder holds {', '.join(names)}")
        if self.neighbour.poll() is not None:
            found.append("the neighbour was killed")
        if left := sorted(path.name for path in (self.place / "tmp").iterdir()):
            found.append(f"left behind: {', '.join(left)}")
        for process in psutil.process_iter(["cmdline", "status"]):
            if self.targets["token"] in (process.info["cmdline"] or ()) and process.info["status"] != "zombie":
                found.append(f"process {process.pid} lives on")
                with suppress(psutil.Error):
                    process.kill()
        return found


@contextmanager
def scene(base: Path) -> Iterator[Scene]:
    """A place with a secret, listeners and a neighbour; all of it ends with the context."""
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="h-", dir=base))
        stack.callback(shutil.rmtree, place, True)
        place.chmod(0o711)
        for name, mode in (("canary", 0o700), ("tmp", 0o711), ("out", 0o755), ("made", 0o755)):
            (place / name).mkdir()
            (place / name).chmod(mode)
        secret = secrets.token_hex(16)
        (place / "canary" / "secret").write_text(secret)
        (place / "canary" / "secret").chmod(0o600)
        neighbour = subprocess.Popen(["/bin/sleep", "3600"], stdin=subprocess.DEVNULL, start_new_session=True)
        stack.callback(neighbour.wait)
        stack.callback(neighbour.kill)
        token = f"attack-{secrets.token_hex(8)}"
        targets = {
            "canary": str(place / "canary"),
            "output": str(place / "out"),
            "project": str(ROOT),
            "neighbour": neighbour.pid,
            "secret": f"secret-{secret}",
            "token": token,
            "abstract": token,
            "socket": str(place / "engine.sock"),
            "address": _address(),
        }
        seen = Scene(place, targets, neighbour, secret)
        for how, listener in _listeners(place, token).items():
            stack.enter_context(closing(listener))
            if how in ("tcp", "udp"):
                targets[how] = listener.getsockname()[1]
            _listen(stack, how, listener, seen.received)
        yield seen


def _listeners(place: Path, token: str) -> Mapping[str, socket.socket]:
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    abstract, path = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    tcp.bind(("0.0.0.0", 0))
    udp.bind(("0.0.0.0", 0))
    abstract.bind(f"\0{token}")
    path.bind(str(place / "engine.sock"))
    (place / "engine.sock").chmod(0o600)
    for listener in (tcp, abstract, path):
        listener.listen()
    return {"tcp": tcp, "udp": udp, "abstract socket": abstract, "unix socket": path}


def _listen(stack: ExitStack, how: str, listener: socket.socket, received: list[str]) -> None:
    def run() -> None:
        with suppress(OSError):
            while True:
                if how == "udp":
                    listener.recv(64)
                else:
                    listener.accept()[0].close()
                received.append(how)

    listener.settimeout(None)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)

    stack.callback(stop)


def _address() -> str:
    """This machine's address in the network outside; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


# ---------------------------------------------------------------- one grade


def held(attack: Attack, level: str, base: Path, *, url: str | None = None, more: tuple[str, ...] = ()) -> Found:
    """Grade an attack at a level, and say what came of it; on the server at ``url``, if there is one already."""
    with scene(base) as seen:
        made = make(attack, seen.place / "made", seen.targets)
        before = folder_hash(made)
        start = time.monotonic()
        status, said = _graded(attack, level, seen, made, url, more)
        seconds = round(time.monotonic() - start, 1)
        harm = seen.harm()
        if folder_hash(made) != before and not attack.name.startswith("build"):
            harm.append("the submission was changed")
        outcome, why, told = _judged(attack, seen.place / "out", status, said, harm)
        return Found(outcome, why, seconds, told)


def held_together(
    attacks: Sequence[Attack], level: str, base: Path, *, url: str | None = None, more: tuple[str, ...] = ()
) -> dict[str, Found]:
    """Quiet attacks by one worker; those that told that they were refused while nothing at all was touched."""
    everything = Attack("together", "All of them.", {}, checks=attacks[0].checks)
    with scene(base) as seen:
        made = make_together(attacks, seen.place / "made", seen.targets)
        before = folder_hash(made)
        start = time.monotonic()
        status, said = _graded(everything, level, seen, made, url, more)
        seconds = round((time.monotonic() - start) / len(attacks), 1)
        harm = seen.harm()
        if folder_hash(made) != before:
            harm.append("the submission was changed")
        outcome, _why, told = _judged(everything, seen.place / "out", status, said, harm)
    found = {}
    for attack in attacks if outcome == "stopped" else ():
        own = [line.removeprefix(f"[{attack.name}] ") for line in told if line.startswith(f"[{attack.name}] ")]
        if own and all(line.startswith("refused") for line in own):
            found[attack.name] = Found("stopped", own[0], seconds, tuple(own))
    return found


def _graded(
    attack: Attack, level: str, seen: Scene, made: Path, url: str | None, more: tuple[str, ...]
) -> tuple[int | None, str]:
    arguments = ["grade", str(made), "--postgres", "given" if url else "embedded", "--isolation", level]
    arguments += ["--output", str(seen.place / "out"), "--only", *attack.checks, *attack.arguments, *more]
    changed = {"TMPDIR": str(seen.place / "tmp"), "GRADER_SECRET": seen.targets["secret"]}
    if url:
        changed["GRADER_DATABASE_URL"] = url
    said = seen.place / "said"
    status = _started_anew(arguments, changed, said) if attack.on_the_grader else _forked(arguments, changed, said)
    return status, said.read_text(errors="replace")


def _started_anew(arguments: list[str], changed: Mapping[str, str], said: Path) -> int | None:
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "grader", *arguments],
            cwd=ROOT,
            env={**os.environ, **changed},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            return process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _forked(arguments: list[str], changed: Mapping[str, str], said: Path) -> int | None:
    """By a process that has imported the grader already, which is half of the time of a short grade."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.zoo.hostile_grades", "grader.cli", "grader.checkpoints"])
    process = context.Process(target=grade_here, args=(arguments, dict(changed), str(said)))
    process.start()
    try:
        process.join(LONGEST)
        return process.exitcode
    finally:
        if process.is_alive():
            process.terminate()
            process.join()
        process.close()


def grade_here(arguments: list[str], changed: Mapping[str, str], said: str) -> None:
    """The whole of a process: a call of the grader, with its output in a file."""
    os.setsid()
    os.chdir(ROOT)
    os.environ.update(changed)
    tempfile.tempdir = None
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
    for number in (1, 2):
        os.dup2(descriptor, number)
    sys.exit(main(arguments))


def _judged(
    attack: Attack, output: Path, status: int | None, said: str, harm: list[str]
) -> tuple[str, str, tuple[str, ...]]:
    if status is None:
        return "not stopped", f"the grader did not end within {LONGEST:g} s", ()
    if attack.refused:
        lines = said.strip().splitlines() or ["nothing"]
        if status != 2:
            harm.append(f"it was not refused: exit status {status}, {lines[-1][:200]}")
        return ("not stopped", "; ".join(harm), ()) if harm else ("stopped", f"refused: {lines[-1][:160]}", ())
    try:
        report = read_json(output / "report.json")
        _run, takes = load(output)
    except (OSError, ValueError, BadCall) as problem:
        last = (said.strip().splitlines() or [str(problem)])[-1]
        return "not stopped", f"no report, exit status {status}: {last[:200]}", ()
    histories = [
        take.history for of_scenario in takes.values() for take in of_scenario if take.history is not None
    ]
    lines = [line.text for history in histories for line in history.of(LogLine)]
    if (output / "build.log").exists():
        lines += (output / "build.log").read_text(errors="replace").splitlines()
    told = tuple(dict.fromkeys(line.removeprefix("ATTACK ")[:160] for line in lines if line.startswith("ATTACK ")))
    verdicts = {check.id: check.verdict for check in report.checks}
    harm += [f"{c} passed" for c in sorted(attack.must_fail) if verdicts.get(c) is Verdict.PASS]
    spoiled = [c for c, verdict in verdicts.items() if verdict not in (Verdict.PASS, Verdict.SKIPPED)]
    unexpected = [c for c in spoiled if c not in attack.must_fail | attack.may_fail]
    tampered = any(note.startswith("TAMPERED") for note in report.notes)
    written = (output / "report.html").read_text() + said
    harm += [f"a report holds {text!r}" for text in _INERT if text in written]
    worked = [
        line for line in told if line.partition("] ")[2].startswith("succeeded") or line.startswith("succeeded")
    ]
    if harm or (worked and not tampered):
        return "not stopped", "; ".join([*harm, *worked]), told
    if tampered:
        return "noticed", "the report says that it was tampered with", told
    if unexpected:
        return "not stopped", f"{', '.join(unexpected)} did not pass, and should have", told
    hits = [hit.text for history in histories for hit in limits_hit(history)]
    if hits:
        return "contained", hits[0], told
    if any(line.startswith("contained") for line in told):
        return "contained", "nothing is left of it", told
    return "stopped", told[0] if told else "no points came of it" if attack.must_fail else "it had no effect", told


def at_least(found: str, expected: str) -> bool:
    """Whether an outcome is as good as the one expected, or better."""
    return OUTCOMES.index(found) <= OUTCOMES.index(expected)
