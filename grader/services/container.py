"""Isolation level 2: a container for each service, from an image that somebody names.

No network but a loopback, no capability, nothing of the machine but the submission's folder, read-only. A container is
started before its service: it waits at a gate until the grader, inside its network, listens for it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.errors import BadSubmission, EnvironmentFailed, Internal
from grader.services.cgroups import GivenGroup
from grader.services.isolation import Level, Reach
from grader.services.limits import Limits
from grader.services.namespaced import Namespaced, NamespacedProcess, is_at_gate
from grader.services.networks import OwnNetwork, SocketAgent
from grader.services.processes import children_of

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_TIMEOUT = 60.0
_NOBODY_ELSE = 1_700_000_000
_SHM = 16 * 1024 * 1024
_PIPES = "/task-queue-lab"
_GATE = f"exec >{_PIPES}/out 2>{_PIPES}/err; echo; read -r _ <{_PIPES}/in; . {_PIPES}/command"
"""Says that it is there, waits for a line, and becomes what the grader has written down meanwhile."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine on this machine. ``note`` remembers a container's name before it is made."""

    url: str
    labels: Mapping[str, str]
    note: Callable[[str], None]


class Containers:
    """Commands in containers. Raises EnvironmentFailed at once where the engine or the image is missing."""

    level = Level.CONTAINER

    def __init__(
        self, limits: Limits, engine: Engine | None, image: str | None, folder: Path, reads: Sequence[Path] = ()
    ) -> None:
        """``folder`` is a place for pipes, which everybody may pass through."""
        if image is None:
            raise EnvironmentFailed("no image is named; name what services run in with --service-image")
        if sys.platform != "linux" or os.geteuid() != 0:
            raise EnvironmentFailed(
                "only root, on the engine's own Linux machine, can enter its containers' networks"
            )
        if engine is None:
            raise EnvironmentFailed("no Docker engine answers; start Docker")
        import docker  # a tenth of a second, so only here

        self.limits = limits
        self.detail = f"a container of {image} for each service"
        self._engine = engine
        self._image = image
        self._folder = folder / "pipes"
        self._reads = tuple(reads)
        with speaking(image):
            self._client: DockerClient = docker.DockerClient(base_url=engine.url, timeout=int(_TIMEOUT))
            self._client.images.get(image)
        self._folder.mkdir(mode=0o711, exist_ok=True)
        self._folder.chmod(0o711)
        self._agent = SocketAgent()
        self._shown: Path | None = None

    def show(self, folder: Path) -> None:
        """See ``Isolation``."""
        self._shown = folder

    def program(self, folder: Path, command: Sequence[str]) -> tuple[str, ...]:
        """See ``Isolation``. What is no path of the submission's is looked for in the image."""
        program, *arguments = command
        if program == "python":
            program = "python3"
        if "/" not in program:
            return (program, *arguments)
        own = folder / program
        if not own.is_file() or not os.access(own, os.X_OK):
            raise BadSubmission(f"the command {program!r} is not there, or not executable, in {folder}")
        return (str(own), *arguments)

    def network(self) -> ContainerNetwork:
        """See ``Isolation``. With the container that is to use it."""
        if self._shown is None:
            raise Internal("containers are asked for before it is known what they show")
        with ExitStack() as stack:
            waiting = self._waiting(self._shown, "none", "ro")
            stack.callback(waiting.remove)
            network = ContainerNetwork(self._agent.enter(waiting.init), waiting)
            stack.pop_all()
        return network

    def launch(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], reach: Reach
    ) -> ContainerProcess:
        """See ``Isolation``."""
        if isinstance(reach.network, ContainerNetwork):
            waiting = reach.network.taken()
        else:
            waiting = self._waiting(cwd, "bridge", "rw")
        try:
            return ContainerProcess(waiting, waiting.released(command, cwd, env, self.limits))
        except BaseException:
            waiting.remove()
            raise

    def sweep(self) -> None:
        """See ``Isolation``."""
        self._agent.close()
        self._client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _waiting(self, shown: Path, network: str, mode: str) -> Waiting:
        name = f"task-queue-lab-{secrets.token_hex(8)}"
        folder = self._folder / secrets.token_hex(8)
        self._engine.note(name)
        with speaking(self._image):
            container = self._client.containers.create(
                self._image, name=name, **self._options(shown, folder, network, mode)
            )
        waiting = Waiting(container, folder)
        try:
            with speaking(self._image):
                waiting.start()
        except BaseException:
            waiting.remove()
            raise
        return waiting

    def _options(self, shown: Path, folder: Path, network: str, mode: str) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        limits = self.limits
        user = _NOBODY_ELSE + secrets.randbelow(1 << 24) if mode == "ro" else 0
        host = f"sandbox-{secrets.token_hex(3)}"
        bound = {"core": 0, "fsize": limits.file, "nofile": limits.open_files}
        return {
            "entrypoint": ["/bin/sh", "-c", _GATE],
            "labels": dict(self._engine.labels),
            "network_mode": network,
            "hostname": host,
            "extra_hosts": {host: "127.0.0.1"},  # without a network an engine names nobody but localhost
            "read_only": True,
            "init": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": limits.processes + 2,
            "mem_limit": limits.memory,
            "memswap_limit": limits.memory,
            "shm_size": _SHM,
            "user": f"{user}:{user}",
            "tmpfs": {"/tmp": f"size={limits.disk},mode=1777"},
            "volumes": {
                str(folder): {"bind": _PIPES, "mode": "ro"},
                str(shown): {"bind": str(shown), "mode": mode},
                **{str(path): {"bind": str(path), "mode": "ro"} for path in self._reads},
            },
            "ulimits": [Ulimit(name=name, soft=value, hard=value) for name, value in bound.items()],
            "log_config": LogConfig(type=LogConfig.types.NONE),
            "detach": True,
        }


class Waiting:
    """A container at its gate."""

    def __init__(self, container: Container, folder: Path) -> None:
        self._container = container
        self._folder = folder
        self._pipes: dict[str, int] = {}
        self.init = 0

    def start(self) -> None:
        """Start it, and wait until it is at the gate."""
        self._folder.mkdir(mode=0o711)
        self._folder.chmod(0o711)
        for name, mode in (("out", 0o622), ("err", 0o622), ("in", 0o644)):
            os.mkfifo(self._folder / name)
            (self._folder / name).chmod(mode)
            flags = os.O_RDWR if name == "in" else os.O_RDONLY
            self._pipes[name] = os.open(self._folder / name, flags | os.O_NONBLOCK | os.O_CLOEXEC)
        self._container.start()
        self._container.reload()
        self.init = int(self._container.attrs["State"]["Pid"])
        if self.init == 0 or not is_at_gate(self._pipes["out"], _TIMEOUT):
            raise EnvironmentFailed(
                "a container ended before its service could be started; is there a /bin/sh in it?"
            )

    def released(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], limits: Limits) -> Namespaced:
        """Let it become the command."""
        [leader] = children_of(self.init)
        settings = {**env, "TMPDIR": "/tmp"}
        settings.pop("PATH", None)  # the image's own
        lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
        lines += [f"cd {shlex.quote(str(cwd))} || exit 126", f"exec {shlex.join(command)} </dev/null", ""]
        (self._folder / "command").write_text("\n".join(lines))
        (self._folder / "command").chmod(0o644)
        running = Namespaced(
            init=self.init,
            holder=self.init,
            leader=leader,
            stdout=self._pipes.pop("out"),
            stderr=self._pipes.pop("err"),
            group=GivenGroup(leader, limits),
        )
        os.write(self._pipes["in"], b"\n")
        return running

    def remove(self) -> None:
        """Remove the container and the pipes, whatever state they are in."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError):  # what stays is noted, and goes with the next run
            self._container.remove(force=True, v=True)
        for descriptor in self._pipes.values():
            os.close(descriptor)
        self._pipes = {}
        shutil.rmtree(self._folder, ignore_errors=True)


class ContainerNetwork:
    """The network of a container that waits for its service."""

    is_own = True

    def __init__(self, network: OwnNetwork, waiting: Waiting) -> None:
        self._network = network
        self._waiting: Waiting | None = waiting

    def socket(self) -> socket.socket:
        """See ``Network``."""
        return self._network.socket()

    def taken(self) -> Waiting:
        """The container, which is whoever takes it to remove."""
        if self._waiting is None:
            raise EnvironmentFailed("a container can be used once")
        waiting, self._waiting = self._waiting, None
        return waiting

    def close(self) -> None:
        """See ``Network``. A container that was never used goes as well."""
        self._network.close()
        if self._waiting is not None:
            self.taken().remove()


class ContainerProcess(NamespacedProcess):
    """A running command of level 2; see ``isolation.Running``."""

    def __init__(self, waiting: Waiting, running: Namespaced) -> None:
        super().__init__(running)
        self._waiting = waiting

    def close(self) -> None:
        """See ``Running``."""
        super().close()
        self._waiting.remove()


@contextmanager
def speaking(image: str) -> Iterator[None]:
    """Errors of Docker's as ours."""
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound:
        raise EnvironmentFailed(f"the image {image} is not there; run docker pull {image} first") from None
    except APIError as problem:
        raise EnvironmentFailed(f"Docker cannot run {image}: {problem.explanation or problem}") from problem
    except (DockerException, OSError) as problem:
        raise EnvironmentFailed(f"the Docker engine does not answer: {problem}") from problem
