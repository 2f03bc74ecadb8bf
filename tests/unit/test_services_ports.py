"""Ports for services: free, given once, and never one that the system could give to somebody else."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from grader.errors import EnvironmentFailed
from grader.services import ports
from grader.services.ports import Ports


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", Ports().free()))
        listener.listen()


def test_a_port_is_given_once_whoever_asks() -> None:
    given = Ports()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: given.free(), range(400)))
    assert len(set(found)) == 400


def test_no_port_is_given_that_the_system_gives_out_by_itself() -> None:
    """A connection to the database, or a server that asks for any port, would take it before the service does."""
    first, last = ports._of_the_system()
    given = Ports()
    assert not [port for port in (given.free() for _ in range(300)) if first <= port <= last]


def test_a_port_that_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", Ports().free()))
        listener.listen()
        taken = listener.getsockname()[1]
        monkeypatch.setattr(ports, "_choices", lambda _first, _last: range(taken, taken + 1))
        with pytest.raises(EnvironmentFailed, match="no free port"):
            Ports().free()


@pytest.mark.parametrize(
    ("system", "given"),
    [
        ((32768, 60999), range(10240, 32768)),
        ((49152, 65535), range(10240, 49152)),
        ((10240, 40000), range(40001, 65536)),
        ((1024, 65535), range(10240, 65536)),
    ],
)
def test_ports_come_from_beside_the_systems_range(system: tuple[int, int], given: range) -> None:
    assert ports._choices(*system) == given
