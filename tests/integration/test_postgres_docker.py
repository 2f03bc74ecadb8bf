"""The server in a container. Skipped where no Docker engine answers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType

import docker
import pytest

from grader.engine import find_engine
from grader.errors import EnvironmentFailed
from grader.history.recorder import Clock
from grader.leftovers import remove_leftovers
from grader.postgres import DEFAULT_IMAGE, Databases, start_server
from grader.postgres.template import FIRST_ID
from grader.run_folder import CONTAINER_LABEL, run_folder

ENGINE = find_engine()
pytestmark = pytest.mark.skipif(ENGINE is None, reason="no Docker engine answers")


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with closing(docker.DockerClient(base_url=ENGINE)) as client:
        yield client


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    """The official image where it is there, else one that starts like it."""
    if client.images.list(DEFAULT_IMAGE):
        return DEFAULT_IMAGE
    return str(builder().build(client))


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docker_image", Path(__file__).with_name("docker_image.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def containers_of(client: docker.DockerClient, run_id: str) -> Sequence[object]:
    return client.containers.list(all=True, filters={"label": f"{CONTAINER_LABEL}={run_id}"})


def test_a_container_serves_a_run_and_is_gone_afterwards(image: str, client: docker.DockerClient) -> None:
    with run_folder() as run:
        with start_server(run, provider="docker", image=image) as server:
            assert server.info.provider == "docker"
            assert len(containers_of(client, run.id)) == 1
            with Databases(server, run, Clock()) as databases:
                databases.prepare(run.path, [])
                with closing(databases.create("x")) as database:
                    assert database.insert_tasks([{"title": "x"}]) == [str(FIRST_ID)]
                    [change] = database.read_changes()
                    assert change.committed_at >= change.at
            with server.connect() as connection:
                for setting, value in (("fsync", "off"), ("track_commit_timestamp", "on")):
                    assert connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() == (value,)
        assert containers_of(client, run.id) == []


def test_the_server_is_published_on_the_loopback_address_only(image: str, client: docker.DockerClient) -> None:
    with run_folder() as run, start_server(run, provider="docker", image=image) as server:
        assert server.address.host == "127.0.0.1"
        [container] = client.containers.list(filters={"label": f"{CONTAINER_LABEL}={run.id}"})
        assert [binding["HostIp"] for binding in container.ports["5432/tcp"] or ()] == ["127.0.0.1"]


def test_auto_takes_an_engine_that_has_the_image(image: str) -> None:
    with run_folder() as run, start_server(run, provider="auto", image=image) as server:
        assert (server.info.provider, server.info.reason) == ("docker", "a Docker engine answers")


def test_auto_does_without_an_image_that_cannot_be_had() -> None:
    with run_folder() as run, start_server(run, provider="auto", image="localhost:1/no/such:image") as server:
        assert server.info.provider == "embedded"
        assert "localhost:1/no/such:image" in server.info.reason
        assert "\n" not in server.info.reason


def test_an_image_that_cannot_be_had_is_told_with_what_to_do() -> None:
    with run_folder() as run, pytest.raises(EnvironmentFailed, match=r"docker pull localhost:1/no/such:image"):
        with start_server(run, provider="docker", image="localhost:1/no/such:image"):
            pass


def test_a_container_that_ends_at_once_is_told_with_its_log_and_removed(
    image: str, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.postgres.docker.SETTINGS", {"max_connections": "many"})
    with run_folder() as run:
        with pytest.raises(EnvironmentFailed, match="max_connections"):
            with start_server(run, provider="docker", image=image):
                pass
        assert containers_of(client, run.id) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from grader.postgres import start_server
from grader.run_folder import run_folder
with run_folder(Path(sys.argv[1])) as run, start_server(run, provider="docker", image=sys.argv[2]) as server:
    print(run.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_container_of_a_killed_grader_is_removed_by_the_next_run(
    image: str, client: docker.DockerClient, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, image], stdout=subprocess.PIPE, text=True, timeout=120
    )
    dead = done.stdout.strip()
    assert len(containers_of(client, dead)) == 1
    told = remove_leftovers(tmp_path)
    assert containers_of(client, dead) == []
    assert any(line.startswith("removed container") for line in told)


def test_a_container_that_goes_by_itself_while_leftovers_are_looked_for_is_no_failure(
    image: str, client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, image], stdout=subprocess.PIPE, text=True, timeout=120
    )
    dead = done.stdout.strip()
    inspect = docker.APIClient.inspect_container

    def inspect_what_is_gone(api: docker.APIClient, container: str) -> object:
        with suppress(docker.errors.NotFound):
            api.remove_container(container, force=True, v=True)
        return inspect(api, container)

    monkeypatch.setattr("docker.APIClient.inspect_container", inspect_what_is_gone)
    remove_leftovers(tmp_path)
    monkeypatch.undo()
    assert containers_of(client, dead) == []
    assert list(tmp_path.iterdir()) == []
