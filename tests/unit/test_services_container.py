"""A container that waits for its service, when its network cannot be entered."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.errors import EnvironmentFailed
from grader.services.container import Containers


class Gone:
    """A container whose first process has ended, and an agent that is to enter its network."""

    init = 0
    is_removed = False

    def remove(self) -> None:
        self.is_removed = True

    def enter(self, pid: int) -> None:
        raise EnvironmentFailed(f"the network of process {pid} cannot be entered")


def test_a_container_whose_network_cannot_be_entered_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Gone()
    monkeypatch.setattr(Containers, "__init__", lambda self: None)
    monkeypatch.setattr(Containers, "_waiting", lambda *_: gone)
    monkeypatch.setattr(Containers, "_agent", gone, raising=False)
    containers = Containers()  # type: ignore[call-arg]
    containers.show(tmp_path)
    with pytest.raises(EnvironmentFailed, match="cannot be entered"):
        containers.network()
    assert gone.is_removed
