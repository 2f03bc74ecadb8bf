"""Services in containers: what holds at the other levels holds here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from grader.engine import find_engine
from grader.errors import EnvironmentFailed
from grader.report.json_report import read_json
from grader.run_folder import CONTAINER_LABEL, PREFIX, RunFolder
from grader.services import IsolationChoice, Level, choose_isolation
from grader.services.container import Containers, Engine
from grader.services.isolation import Reach
from grader.services.process import Services
from tests.integration import service_image
from tests.integration.engine_proxy import EngineProxy
from tests.integration.grader_process import GraderRun, grader_run
from tests.unit.level_rules import LIMITS, LevelRules
from tests.unit.service_bench import TIMEOUT, Bench

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(find_engine() is None, reason="no Docker engine answers"),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="only root enters containers' networks"
    ),
]


@pytest.fixture(scope="module")
def image() -> str:
    import docker

    with closing(docker.DockerClient(base_url=find_engine(), timeout=300)) as client:
        return service_image.build(client)


@pytest.fixture
def place(run: RunFolder, tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    folder.mkdir()
    for step in (folder, *folder.parents[:3]):
        step.chmod(0o755)
    return folder


@pytest.fixture
def bench(image: str, run: RunFolder, place: Path) -> Iterator[Bench]:
    url = find_engine()
    assert url is not None
    engine = Engine(url, run.labels, lambda name: run.note_container(name, url))
    isolation = Containers(LIMITS, engine, image, run.path)
    isolation.show(place)
    with Services(isolation) as services:
        bench = Bench(services, place, "python3")
        with closing(services.network()) as network:
            bench.reach = Reach(network)
            yield bench
    assert left(run) == []


def left(run: RunFolder) -> list[str]:
    import docker

    with closing(docker.DockerClient(base_url=find_engine())) as client:
        labels = [f"{key}={value}" for key, value in run.labels.items()]
        return [
            str(container.name)
            for container in client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        ]


class TestInContainers(LevelRules):
    """What holds at the other levels."""


def test_it_sees_its_folder_and_nothing_of_the_machine(bench: Bench, tmp_path: Path) -> None:
    (bench.folder / "own").write_text("own\n")
    (tmp_path / "secret").write_text("secret\n")
    bench.sh(
        f"cat own; cat {tmp_path}/secret; (: > written) && echo wrote; (: > /tmp/x) && echo temporary;"
        f" grep -c : /proc/net/dev; grep CapEff /proc/self/status; ls {Path(__file__).parent}; echo end"
    ).wait(TIMEOUT)
    out = [
        line for line in bench.lines() if "annot" not in line and "No such" not in line and "Read-only" not in line
    ]
    assert out == ["own", "temporary", "1", "CapEff:\t0000000000000000", "end"]


def test_its_database_is_all_that_listens_in_its_network(bench: Bench) -> None:
    assert bench.reach is not None
    assert bench.reach.network is not None
    with bench.reach.network.socket() as listener:
        listener.bind(("127.0.0.1", 5432))
        listener.listen()
        bench.sh("cat /proc/net/tcp; exit 0").wait(TIMEOUT)
    listening = [line.split()[1] for line in bench.lines() if line.split()[3:4] == ["0A"]]
    assert listening == ["0100007F:1538"]


def test_an_image_that_is_not_there_is_refused_with_what_to_do(run: RunFolder) -> None:
    url = find_engine()
    assert url is not None
    choice = IsolationChoice("container", required=Level.CONTAINER, image="no-such-image:latest")
    with pytest.raises(EnvironmentFailed, match="docker pull no-such-image"):
        choose_isolation(choice, run.path, lambda _line: None, Engine(url, run.labels, lambda _name: None))


def test_the_solution_passes_in_containers(image: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grader", "grade", str(ROOT / "solution"), "--postgres", "embedded"]
    command += ["--isolation", "container", "--service-image", image, "--output", str(tmp_path / "out")]
    command += ["--only", "2.create", "3a.processes", "3a.sigterm-finishes-task", "3a.clean-exit"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(tmp_path / "out" / "report.json").isolation == "container"


FEW = ("--only", "2.create", "3a.processes", "3a.sigterm-finishes-task")


def test_an_engine_that_goes_away_is_nobodys_failure_and_the_next_run_removes_what_is_left(
    image: str, tmp_path: Path
) -> None:
    import docker

    url = find_engine()
    assert url is not None
    options = ("--isolation", "container", "--service-image", image, *FEW)
    with (
        closing(docker.DockerClient(base_url=url)) as client,
        EngineProxy(tmp_path / "engine.sock", url) as proxy,
        tempfile.TemporaryDirectory(prefix="g-", dir="/tmp") as place,
    ):
        settings = {"DOCKER_HOST": proxy.url}
        with grader_run(ROOT / "solution", *options, place=Path(place), settings=settings) as run:
            run.until(lambda: len(containers_of(client, run)) > 1, "two services")
            proxy.shut()
            said = run.end()
            assert run.process.returncode == 3, said
            assert "fail" not in run.verdicts().values()
            assert "Traceback" not in said
            assert "the Docker engine does not answer" in said
            assert containers_of(client, run) != []
        proxy.open()
        with grader_run(ROOT / "solution", *options, place=Path(place), settings=settings) as next_run:
            said = next_run.end()
            assert next_run.process.returncode == 0, said
            assert next_run.left() == []
        assert containers_of(client, run) == []
        assert containers_of(client, next_run) == []


def containers_of(client: DockerClient, run: GraderRun) -> list[str | None]:
    """The containers of that run alone: other tests start some on the same engine meanwhile."""
    run.look()
    found = []
    for name in run.seen:
        label = f"{CONTAINER_LABEL}={name.removeprefix(PREFIX)}"
        found += client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
    return [container.name for container in found]
