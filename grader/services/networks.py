"""The networks that services run in: the machine's own, or one for each, with nothing in it but its loopback.

A TCP socket belongs to the network in which it was made, whoever holds it and wherever that process is. So a small
agent goes from network to network, makes sockets there and hands them over: the grader listens for a service inside
that service's network, and connects to it there. Nothing has to be forwarded, and nothing else leads in or out.
"""

from __future__ import annotations

import array
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from grader.errors import EnvironmentFailed

_AGENT = Path(__file__).with_name("socket_agent.py")
_ANSWER_TIMEOUT = 20.0


class MachineNetwork:
    """The machine's loopback, with everybody else on it."""

    is_own = False

    def socket(self) -> socket.socket:
        """See ``Network``."""
        # asyncio turns Nagle's algorithm off only for sockets that name their protocol.
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)

    def close(self) -> None:
        """See ``Network``."""


class OwnNetwork:
    """A network namespace with a loopback that is up, and nothing else. ``namespace`` is a descriptor of it."""

    is_own = True

    def __init__(self, agent: SocketAgent, namespace: int) -> None:
        self._agent = agent
        self.namespace = namespace
        self._lock = threading.Lock()

    def socket(self) -> socket.socket:
        """See ``Network``."""
        with self._lock:
            if self.namespace < 0:
                raise EnvironmentFailed("the network of a service is closed already")
            return self._agent.socket_in(self.namespace)

    def close(self) -> None:
        """See ``Network``. The kernel removes the network when nobody is in it any more."""
        with self._lock:
            if self.namespace >= 0:
                os.close(self.namespace)
                self.namespace = -1


class SocketAgent:
    """The process that makes networks, and sockets in them. It ends when the grader does.

    Without root it lives in a user namespace of its own, whose descriptor is ``user``: who wants to enter one of its
    networks has to enter that first.
    """

    def __init__(self) -> None:
        """Raises EnvironmentFailed when no network can be made here."""
        self._line, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with its:
            self._process = self._started(its.fileno())
        self._line.settimeout(_ANSWER_TIMEOUT)
        self._one_at_a_time = threading.Lock()
        self.user: int | None = None
        try:
            if os.geteuid() != 0:
                self.user = self._ask({"do": "user"})
        except BaseException:
            self.close()
            raise

    def network(self) -> OwnNetwork:
        """A new network."""
        return OwnNetwork(self, self._ask({"do": "network"}))

    def enter(self, pid: int) -> OwnNetwork:
        """The network that a process is in."""
        try:
            return OwnNetwork(self, os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as problem:
            raise EnvironmentFailed(
                f"the network of process {pid} cannot be entered: {problem.strerror}"
            ) from None

    def socket_in(self, namespace: int) -> socket.socket:
        """A new TCP socket in a network."""
        descriptor = self._ask({"do": "socket"}, namespace)
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)

    def close(self) -> None:
        """End the agent."""
        self._line.close()
        try:
            self._process.wait(_ANSWER_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self.user is not None:
            os.close(self.user)
            self.user = None

    def _started(self, line: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_AGENT), str(line)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(line,),
                start_new_session=True,
            )
        except OSError as problem:
            self._line.close()
            raise _failed(f"{problem.strerror}; end other programs") from problem

    def _ask(self, question: dict[str, Any], *descriptors: int) -> int:
        """The descriptor that the agent answers with."""
        try:
            with self._one_at_a_time:
                text, found = self._answer(json.dumps(question).encode() + b"\n", descriptors)
        except OSError as problem:
            raise _failed(
                f"its maker does not answer ({problem}); end other programs, and grade again"
            ) from problem
        if "problem" in (answer := json.loads(text)):
            raise _failed(answer["problem"])
        if not found:
            raise _failed("the grader has too many open files; raise ulimit -n")
        return found[0]

    def _answer(self, question: bytes, descriptors: Sequence[int]) -> tuple[bytes, list[int]]:
        """Raises OSError, and is never asked again then: a late answer would be taken for that to the next question."""
        if self._line.fileno() < 0:
            raise ConnectionError("it was given up before")
        with ExitStack() as unanswered:
            unanswered.callback(self._line.close)
            unanswered.callback(self._process.kill)
            socket.send_fds(self._line, [question], descriptors)
            text, found = _receive(self._line)
            if not text:
                raise ConnectionError("it has ended")
            unanswered.pop_all()
        return text, found


def _failed(why: str) -> EnvironmentFailed:
    return EnvironmentFailed(f"no network for a service can be made: {why}")


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """One line with the descriptors that came with it, closed in children of ours."""
    descriptors = array.array("i")
    text = b""
    while not text.endswith(b"\n"):
        part, ancillary, _, _ = line.recvmsg(1024, socket.CMSG_LEN(4 * descriptors.itemsize))
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        if not part:
            break
        text += part
    for descriptor in descriptors:
        with suppress(OSError):
            os.set_inheritable(descriptor, False)
    return text, list(descriptors)
