"""A server in a container, from PostgreSQL's official image or one that starts like it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

from grader.ending import interruptible
from grader.engine import find_engine
from grader.errors import EnvironmentFailed
from grader.model import PostgresInfo
from grader.postgres.server import SETTINGS, Login, Server, connect, one_line, version_of
from grader.postgres.waiting import end_of, until_it_answers
from grader.run_folder import RunFolder
from grader.wire.address import ServerAddress

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_PORT = "5432/tcp"
_DATA = "/task-queue-lab"
"""Where the data is kept inside: in memory, apart from any place that the image makes a volume of."""

_DATA_SIZE = "2g"
_START_TIMEOUT = 60.0
_ANSWER_TIMEOUT = 10


@contextmanager
def start_docker(run: RunFolder, image: str, reason: str, pull_timeout: float) -> Iterator[Server]:
    """A new container for one run, published on 127.0.0.1 only; removed with the context.

    An image that is not there is pulled, for ``pull_timeout`` seconds at most. Raises EnvironmentFailed.
    """
    url = find_engine()
    if url is None:
        raise EnvironmentFailed("no Docker engine answers; start Docker, or use --postgres embedded")
    with ExitStack() as stack:
        with _docker_speaking(image):
            client = stack.enter_context(closing(_client(url, pull_timeout)))
            with interruptible():
                _require_image(client, image, pull_timeout)
            client.api.timeout = int(_START_TIMEOUT)
            admin = Login("grader", secrets.token_hex(16))
            container = _start(client, run, url, image, admin)
            stack.callback(_remove, container)
            address = _published(container)
        with closing(_first_connection(container, address, admin)) as connection:
            for database in ("postgres", "template1"):
                connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            info = PostgresInfo("docker", version_of(connection), reason)
        yield Server(info, address, admin)


def _client(url: str, pull_timeout: float) -> DockerClient:
    import docker  # takes a tenth of a second, so only here

    return docker.DockerClient(base_url=url, timeout=max(_ANSWER_TIMEOUT, int(pull_timeout)))


@contextmanager
def _docker_speaking(image: str) -> Iterator[None]:
    """Errors of Docker's as ours."""
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as problem:
        raise EnvironmentFailed(
            f"Docker cannot run {image}: {problem.explanation or one_line(problem)}"
        ) from problem
    except (DockerException, OSError) as problem:
        raise EnvironmentFailed(f"the Docker engine does not answer: {one_line(problem)}") from problem


def _require_image(client: DockerClient, image: str, pull_timeout: float) -> None:
    """Pull the image if it is not there, but only for so long."""
    from docker.errors import ImageNotFound
    from docker.utils import parse_repository_tag

    with suppress(ImageNotFound):
        client.images.get(image)
        return
    advice = f"run docker pull {image} first, or use --postgres embedded"
    deadline = time.monotonic() + pull_timeout
    repository, tag = parse_repository_tag(image)
    try:
        for progress in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in progress:
                raise EnvironmentFailed(f"the image {image} cannot be pulled ({progress['error']}); {advice}")
            if time.monotonic() > deadline:
                raise EnvironmentFailed(f"the image {image} was not pulled within {pull_timeout:g} s; {advice}")
    except OSError as problem:  # of the HTTP library's
        raise EnvironmentFailed(f"the image {image} cannot be pulled ({one_line(problem)}); {advice}") from problem


def _start(client: DockerClient, run: RunFolder, url: str, image: str, admin: Login) -> Container:
    name = f"task-queue-lab-{run.id}-postgres"
    run.note_container(name, url)
    settings: list[str] = []
    for key, value in SETTINGS.items():
        settings += ["-c", f"{key}={value}"]
    return client.containers.run(
        image,
        ["postgres", *settings],
        name=name,
        labels=run.labels,
        environment={
            "POSTGRES_USER": admin.user,
            "POSTGRES_PASSWORD": admin.password,
            "POSTGRES_DB": "postgres",
            "POSTGRES_INITDB_ARGS": "--auth=scram-sha-256 --encoding=UTF8 --no-sync",
            "PGDATA": f"{_DATA}/data",
        },
        tmpfs={_DATA: f"size={_DATA_SIZE},mode=0755"},
        ports={_PORT: ("127.0.0.1", 0)},  # Docker picks a free one
        shm_size="256m",
        detach=True,  # without auto_remove: the log of a server that failed would be gone with it
    )


def _published(container: Container) -> ServerAddress:
    container.reload()
    published = container.ports.get(_PORT)
    if not published:
        raise EnvironmentFailed(
            f"the container of PostgreSQL ended at once; its log ends: {_end_of_log(container)}"
        )
    return ServerAddress("127.0.0.1", int(published[0]["HostPort"]))


def _first_connection(container: Container, address: ServerAddress, admin: Login) -> psycopg.Connection[TupleRow]:
    """A connection over TCP: the image's first server, which only sets things up, has none."""
    return until_it_answers(
        lambda: connect(address, admin, "postgres"),
        what="PostgreSQL in its container",
        timeout=_START_TIMEOUT,
        gone=lambda: _why_gone(container),
        log=lambda: _end_of_log(container),
    )


def _why_gone(container: Container) -> str | None:
    from docker.errors import DockerException

    try:
        container.reload()
    except DockerException:
        return "its container is gone"
    return None if container.status in ("created", "running") else f"its container is {container.status}"


def _end_of_log(container: Container) -> str:
    from docker.errors import DockerException

    try:
        return end_of(container.logs(tail=3).decode(errors="replace"))
    except (DockerException, OSError):
        return "(gone with the container)"


def _remove(container: Container) -> None:
    from docker.errors import DockerException

    with suppress(DockerException, OSError):  # what stays is noted, and goes with the next run
        container.remove(force=True, v=True)
