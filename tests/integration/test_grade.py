"""The grader as people call it: whole commands, on the real solution and starter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import docker
import psutil
import pytest

from grader.engine import find_engine
from grader.postgres import Server
from grader.run_folder import MEMORY, PREFIX
from tests.integration import docker_image

ROOT = Path(__file__).parents[2]
SOLUTION = ROOT / "solution"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A TMPDIR of the test's own, with a short name, so that what is left behind can be counted."""
    folder = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    folder.chmod(0o711)  # root's database runs as another user
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def environment(temporary: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "LANG": "C.UTF-8"}


Grader = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def grader(environment: dict[str, str]) -> Grader:
    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


def start(environment: dict[str, str], output: Path) -> subprocess.Popen[str]:
    """A grader in the middle of its work: some of the submission's services run."""
    command = [sys.executable, "-m", "grader", "grade", str(SOLUTION), "--postgres", "embedded"]
    process = subprocess.Popen(
        [*command, "--output", str(output)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not any("worker_service" in line_of(p) for p in processes_of(environment)):
        assert process.poll() is None
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.02)
    return process


def line_of(process: psutil.Process) -> str:
    """Its command line; empty for one that has vanished."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def processes_of(environment: dict[str, str]) -> list[psutil.Process]:
    """Every process that the graders of a test brought to life: services by TMPDIR, servers by their folder."""
    place = environment["TMPDIR"]
    runs = [path.name for path in Path(place).glob(f"{PREFIX}*")]
    found = []
    for process in psutil.process_iter():
        try:
            line = line_of(process)
            services = process.environ().get("TMPDIR", "").startswith(f"{place}/")
            if process.status() != psutil.STATUS_ZOMBIE and (services or any(run in line for run in runs)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def in_memory(runs: Iterable[str]) -> set[str]:
    """Which of these runs have a folder in memory; other tests have theirs there at the same time."""
    return {name for name in runs if (MEMORY / name).exists()}


def left_in(temporary: Path) -> list[Path]:
    return list(temporary.glob(f"{PREFIX}*"))


@pytest.fixture(params=["docker", "given"])
def provider(
    request: pytest.FixtureRequest, environment: dict[str, str], embedded_server: Server
) -> tuple[str, ...]:
    """The options that make the grader take its server from elsewhere than from its own package."""
    options: tuple[str, ...] = ("--postgres", request.param)
    if request.param == "docker":
        engine = find_engine()
        if engine is None:
            pytest.skip("no Docker engine answers")
        environment["DOCKER_HOST"] = engine
        with closing(docker.DockerClient(base_url=engine)) as client:
            options += ("--image", docker_image.build(client))
    if request.param == "given":
        admin, address = embedded_server.admin, embedded_server.address
        place = f"host={quote(address.host, safe='')}&port={address.port}"
        environment["GRADER_DATABASE_URL"] = f"postgresql://{admin.user}:{admin.password}@/postgres?{place}"
    return options


def test_wherever_the_server_is_the_solution_reaches_every_point(
    grader: Grader, tmp_path: Path, temporary: Path, provider: tuple[str, ...]
) -> None:
    done = grader("grade", SOLUTION, *provider, "--output", tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["postgres"]["provider"] == provider[1]
    assert {check["verdict"] for check in report["checks"]} == {"pass"}
    assert left_in(temporary) == []


def test_one_check_runs_what_it_needs_and_no_more(grader: Grader, tmp_path: Path) -> None:
    name = "3a.clean-exit"
    done = grader("grade", SOLUTION, "--postgres", "embedded", "--only", name, "--output", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    recorded = sorted(path.stem for path in (tmp_path / "history").iterdir())
    assert recorded == ["idle_quarter", "second_signal", "sigterm_mid_task", "sigterm_while_waiting"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade", "no/such/folder"), "no/such/folder"),
        (("grade", SOLUTION, "--only", "3a.start"), "did you mean 3a.starts?"),
        (("grade", SOLUTION, "--part", "4"), "the parts are 2, 3a, 3b, x"),
        (("judge", ROOT / "labs"), "no saved run"),
    ],
)
def test_what_cannot_be_graded_is_said_in_one_line(
    grader: Grader, arguments: tuple[str | Path, ...], said: str
) -> None:
    done = grader(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_grader_that_is_told_to_end_leaves_nothing_behind(
    environment: dict[str, str], temporary: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(environment, tmp_path)
    runs = [path.name for path in left_in(temporary)]
    ours = processes_of(environment)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not [p for p in ours if lives(p)]
    assert left_in(temporary) == []
    assert runs
    assert not in_memory(runs)


def test_what_a_killed_grader_left_behind_is_removed_by_the_next_run(
    environment: dict[str, str], temporary: Path, tmp_path: Path, grader: Grader
) -> None:
    process = start(environment, tmp_path / "killed")
    ours = [p for p in processes_of(environment) if p.pid != process.pid]
    [folder] = left_in(temporary)
    process.kill()
    process.communicate(timeout=30)
    done = grader(
        "grade", SOLUTION, "--postgres", "embedded", "--only", "3b.answers", "--output", tmp_path / "next"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left by an earlier run" in done.stdout
    assert not [p for p in ours if lives(p)]
    assert left_in(temporary) == []
    assert not in_memory([folder.name])
