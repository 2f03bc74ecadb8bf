"""Trying out a level of isolation on this machine, before anything of a submission runs in it.

A program of ours runs as a service would, and tries what a service may do and what it may not; then it is killed, with
a daemon that it made.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from grader.errors import EnvironmentFailed
from grader.services.isolation import Isolation, Level, Network, Reach, Running

_TIMEOUT = 20.0

_PROGRAM = """
import json, os, signal, socket, sys
given = json.loads(sys.argv[1])
def connects(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            return s.recv(9).decode()
    except OSError as e:
        return None
def reads(path):
    try:
        with open(path, "rb") as f:
            return bool(f.read(1))
    except OSError:
        return False
def writes(path):
    try:
        with open(path, "w") as f:
            f.write("x")
        return True
    except OSError:
        return False
found = {
    "database": connects(given["database"]),
    "other": connects(given["other"]),
    "secret": reads(given["secret"]),
    "grader": reads("/proc/%d/environ" % given["grader"]),
    "own folder": writes(os.path.join(os.getcwd(), "written")),
    "temporary": writes(os.path.join(os.environ["TMPDIR"], "written")),
}
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            signal.pause()
    os._exit(0)
os.wait()
print(json.dumps(found), flush=True)
signal.pause()
"""

_WANTED = {
    "database": ("hello\n", "it cannot reach its database"),
    "other": (None, "it reaches other programs on this machine"),
    "secret": (False, "it can read files that are nothing of its own"),
    "grader": (False, "it can look into the grader"),
    "own folder": (False, "it can change the submission"),
    "temporary": (True, "it cannot write to its temporary folder"),
}


_SCRIPT = """
written() { ( : > "$1" ) 2>/dev/null && echo true || echo false; }
shown() { ( read -r _ < "$1" ) 2>/dev/null && echo true || echo false; }
(while :; do sleep 60; done) &
echo '{"own folder":' "$(written written)" ', "temporary":' "$(written "$TMPDIR/written")" \\
    ', "secret":' "$(shown "$1")" ', "grader":' "$(shown "$2")" '}'
while :; do sleep 60; done
"""
"""The same for an image of which nothing is known but that it has a shell; its network is looked at from outside."""


def probe(isolation: Isolation, folder: Path) -> None:
    """Try a level out, in the empty ``folder``. Raises EnvironmentFailed, with what does not hold.

    Of level 0 only what everybody needs is asked: that the program starts, reaches its database, and ends.
    """
    with ExitStack() as stack:
        place = folder / "submission"
        place.mkdir(mode=0o755)
        isolation.show(place)
        secret = folder / "secret"
        secret.write_text("x")
        temporary = Path(tempfile.mkdtemp(dir=folder))
        network = isolation.network()
        stack.callback(network.close)
        database = stack.enter_context(_greeting(network))
        other = stack.enter_context(_greeting(None))
        given = {"database": database, "other": other, "secret": str(secret), "grader": os.getpid()}
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(given)]
        if isolation.level is Level.CONTAINER:
            command = ["/bin/sh", "-c", _SCRIPT, "sh", str(secret), f"/proc/{os.getpid()}/environ"]
        running = isolation.launch(
            command,
            cwd=place,
            env={"TMPDIR": str(temporary), "PATH": os.defpath, "LANG": "C.UTF-8"},
            reach=Reach(network, database),
        )
        stack.enter_context(closing(running))
        try:
            found = _answer(running)
            if isolation.level is Level.CONTAINER:
                found |= _seen_from_outside(running.pid, network, database)
        finally:
            running.kill()
            status = running.collect()
        _judge(isolation.level, found, status, running.others())


def _judge(level: Level, found: dict[str, Any], status: int, others: Sequence[str]) -> None:
    needed = ("database", "temporary") if level is Level.SELF_CHECK else tuple(_WANTED)
    for name in needed:
        wanted, problem = _WANTED[name]
        if found[name] != wanted:
            raise EnvironmentFailed(f"{level.value} does not hold on this machine: {problem}")
    if status != -signal.SIGKILL:
        raise EnvironmentFailed(f"{level.value} does not hold on this machine: exit statuses are not exact")
    if others:
        raise EnvironmentFailed(f"{level.value} does not hold on this machine: a daemon lives on")


def _seen_from_outside(pid: int, network: Network, database: int) -> dict[str, Any]:
    """What a service could reach: all there is in its network is a loopback, and the database on it."""
    lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    interfaces = {line.partition(":")[0].strip() for line in lines}
    with closing(network.socket()) as client:
        client.settimeout(_TIMEOUT)
        client.connect(("127.0.0.1", database))
        greeting = client.recv(9).decode()
    return {"database": greeting, "other": None if interfaces == {"lo"} else f"by {', '.join(sorted(interfaces))}"}


def _answer(running: Running) -> dict[str, Any]:
    text = b""
    deadline = time.monotonic() + _TIMEOUT
    poll = select.poll()
    for descriptor in (running.stdout, running.exit_notice):
        poll.register(descriptor, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0 and not text.endswith(b"\n"):
        ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
        if running.stdout in ready:
            text += os.read(running.stdout, 4096)
        elif running.exit_notice in ready:
            break
    if not text.endswith(b"\n"):
        with suppress(BlockingIOError):
            text = os.read(running.stderr, 4096)
        said = " ".join(text.decode(errors="replace").split()) or "it said nothing"
        raise EnvironmentFailed(f"a program does not run in it: {said}")
    answer: dict[str, Any] = json.loads(text)
    return answer


@contextmanager
def _greeting(network: Network | None) -> Iterator[int]:
    """The port of a server that greets whoever connects; on the machine's own loopback without a network.

    Raises EnvironmentFailed when there is no port for it.
    """
    made = network.socket() if network is not None else socket.socket()
    with closing(made) as listener:
        try:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        except OSError as problem:
            raise EnvironmentFailed(
                f"no port of 127.0.0.1 is free: {problem.strerror}; end what holds them (grader doctor looks, too)"
            ) from problem

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with closing(connection):
                        connection.sendall(b"hello\n")

        thread = threading.Thread(target=greet, name="probe", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
