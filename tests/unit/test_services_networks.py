"""The process that makes networks, and sockets in them, when something keeps it from answering."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, suppress

import psutil
import pytest

from grader.errors import EnvironmentFailed
from grader.services.networks import SocketAgent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="networks of one's own are Linux's")


@pytest.fixture
def agent() -> Iterator[SocketAgent]:
    agent = SocketAgent()
    with closing(agent):
        yield agent


def test_an_answer_that_comes_too_late_is_nobody_elses(agent: SocketAgent) -> None:
    with closing(agent.network()) as one, closing(agent.network()) as other:
        agent._line.settimeout(0.01)
        os.kill(agent._process.pid, signal.SIGSTOP)
        with pytest.raises(EnvironmentFailed, match="timed out"):
            one.socket()
        with suppress(ProcessLookupError):
            os.kill(agent._process.pid, signal.SIGCONT)
        with pytest.raises(EnvironmentFailed, match="given up before.*end other programs"):
            other.socket()


def test_a_question_that_was_broken_off_is_answered_to_nobody(
    agent: SocketAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal's exception may come between a question and its answer."""

    def broken_off(_line: object) -> None:
        raise KeyboardInterrupt

    with closing(agent.network()) as network:
        with monkeypatch.context() as patch:
            patch.setattr("grader.services.networks._receive", broken_off)
            with pytest.raises(KeyboardInterrupt):
                network.socket()
        with pytest.raises(EnvironmentFailed, match="given up before.*end other programs"):
            network.socket()


def test_an_agent_that_has_ended_is_told_in_one_line(agent: SocketAgent) -> None:
    with closing(agent.network()) as network:
        agent._process.kill()
        agent._process.wait()
        for _ in range(3):
            with pytest.raises(EnvironmentFailed, match="no network .* its maker does not answer") as refused:
                network.socket()
            assert "\n" not in str(refused.value)


def test_an_answer_without_room_for_its_descriptor_is_told_in_one_line(agent: SocketAgent) -> None:
    with closing(agent.network()) as network:
        bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, bounds[1]))
        try:
            with pytest.raises(EnvironmentFailed, match="too many open files"):
                network.socket()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, bounds)
        network.socket().close()


def test_an_agent_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", refuse)
    own = psutil.Process()
    before = own.num_fds()
    with pytest.raises(EnvironmentFailed, match="temporarily unavailable"):
        SocketAgent()
    assert own.num_fds() == before
