"""What goes wrong around the grader is never a student's fault, never a hang, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.grader_process import LONGEST, ROOT, GraderRun, grader_run

SOLUTION = ROOT / "solution"
FEW = ("--only", "3a.starts", "3a.processes", "3a.sigterm-finishes-task", "2.create")
MOMENTS = int(os.environ.get("FAULT_MOMENTS", "2"))
"""Random moments for each signal."""

SEED = int(os.environ.get("FAULT_SEED", "1"))
LEVELS = ("self-check", "bubblewrap")


def solution(folder: Path) -> Path:
    made = Path(shutil.copytree(SOLUTION, folder / "smith", ignore=shutil.ignore_patterns("__pycache__")))
    for step in (made, *made.parents[:3]):
        step.chmod(step.stat().st_mode | 0o111)
    return made


def blames_nobody(run: GraderRun) -> bool:
    return "fail" not in run.verdicts().values()


def one_clear_line(said: str) -> str:
    assert "Traceback" not in said, said
    lines = [line for line in said.splitlines() if line.startswith("grader: ")]
    assert len(lines) <= 1, said
    return lines[0] if lines else said


def nothing_left(run: GraderRun) -> None:
    """Processes that were killed are gone in a moment."""
    deadline = time.monotonic() + 10
    while left := run.left():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


# ---------------------------------------------------------------- the database


@pytest.mark.parametrize("level", LEVELS)
def test_a_database_that_is_killed_in_the_middle_is_nobodys_failure(level: str) -> None:
    with grader_run(SOLUTION, *FEW, "--isolation", level) as run:
        run.until(run.server, "the database's start")
        run.until(lambda: len(list(run.place.glob("tmp/task-queue-lab-*/tmp/*"))) >= 2, "services")
        [server] = run.server()
        server.kill()
        said = run.end()
        assert run.process.returncode == 3, said
        assert blames_nobody(run), run.verdicts()
        one_clear_line(said)
        nothing_left(run)


# ---------------------------------------------------------------- the disk


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, with so many MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    place = Path("/tmp") / f"g-{os.getpid()}-{os.urandom(2).hex()}"
    place.mkdir()
    size = request.param
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", str(place)], check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=30)
        place.rmdir()


ON_DISK = (
    "-c",
    "import sys, pathlib, grader.run_folder as r; r.MEMORY = pathlib.Path('/nonexistent');"
    "from grader.cli import main; sys.exit(main())",
)
"""The grader as it is where there is no folder in memory: the database is on the disk."""


@pytest.mark.parametrize("small_disk", [8, 30, 80], indirect=True)
def test_a_full_disk_is_nobodys_failure(small_disk: Path) -> None:
    with grader_run(SOLUTION, *FEW, program=ON_DISK, place=small_disk) as run:
        said = run.end()
        assert run.process.returncode == 3, said
        assert blames_nobody(run), run.verdicts()
        one_clear_line(said)
        nothing_left(run)


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_signal_at_any_moment_ends_everything(level: str, number: signal.Signals, moment: int) -> None:
    delay = random.Random(f"{SEED}/{level}/{number}/{moment}").uniform(0.3, 6)
    with grader_run(SOLUTION, "--isolation", level) as run:
        end = time.monotonic() + delay
        run.until(lambda: time.monotonic() > end and run.look(), f"{delay:.2f} s")
        run.process.send_signal(number)
        said = run.end()
        assert run.process.returncode == 128 + number, said
        assert f"ended by {number.name}" in one_clear_line(said)
        assert run.verdicts() == {}
        nothing_left(run)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_after_a_kill_at_any_moment_the_next_run_removes_what_is_left(level: str, moment: int) -> None:
    delay = random.Random(f"{SEED}/{level}/kill/{moment}").uniform(0.3, 6)
    with grader_run(SOLUTION, "--isolation", level) as run:
        end = time.monotonic() + delay
        run.until(lambda: time.monotonic() > end and run.look(), f"{delay:.2f} s")
        run.process.kill()
        run.end()
        with grader_run(SOLUTION, "--only", "3b.answers", place=run.place) as following:
            said = following.end()
            assert following.process.returncode == 0, said
        nothing_left(run)


# ---------------------------------------------------------------- ports, and the time of day

# Takes every TCP port of 127.0.0.1 (in a network of its own) and becomes the command.
WITHOUT_PORTS = '''
import os, resource, socket, subprocess, sys

def hand_on(taken):
    """Go on in a child without them; the parent holds them, and ends as the child does."""
    if pid := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    for each in taken:
        each.close()
    return []

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 50
resource.setrlimit(resource.RLIMIT_NOFILE, (most + 50, most + 50))
taken = []
for port in range(1, 65_536):
    if len(taken) == most:
        taken = hand_on(taken)
    taken.append(socket.socket())
    taken[-1].bind(("127.0.0.1", port))
hand_on(taken)
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most + 50))
os.execv(sys.argv[1], sys.argv[1:])
'''


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a network without ports")
@pytest.mark.parametrize("level", LEVELS)
def test_a_machine_without_a_free_port_is_nobodys_failure(level: str) -> None:
    before = ("/usr/bin/unshare", "--net", sys.executable, "-c", WITHOUT_PORTS)
    with grader_run(SOLUTION, *FEW, "--isolation", level, before=before) as run:
        said = run.end()
        assert run.process.returncode == 3, said
        assert "no port of 127.0.0.1 is free" in one_clear_line(said)
        assert run.verdicts() == {}
        nothing_left(run)


# The grader, on whose port for the api-service another program answers by then.
THAT_IS_TOO_LATE = """
import http.server, sys, threading
from grader.cli import main
from grader.services.ports import Ports

class Stranger(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
threading.Thread(target=server.serve_forever, daemon=True).start()
Ports.free = lambda self: server.server_port
sys.exit(main(sys.argv[1:]))
"""


def test_a_strangers_answers_on_the_services_port_are_not_taken_for_its_own() -> None:
    # Where services have networks of their own, nobody else is in there.
    options = ("--isolation", "self-check", "--only", "2.health", "2.create")
    with grader_run(SOLUTION, *options, program=("-c", THAT_IS_TOO_LATE)) as run:
        said = run.end()
        assert run.process.returncode == 3, said
        assert set(run.verdicts().values()) == {"error"}, said
        assert "another program's now" in (run.output / "report.json").read_text()
        nothing_left(run)


# The grader, whose machine is set an hour ahead once there is the file that JUMP names.
THAT_JUMPS = """
import os, sys, time
real, ahead = time.time, os.environ["JUMP"]
time.time = lambda: real() + 3600 * os.path.exists(ahead)
from grader.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_clock_that_is_set_while_a_scenario_runs_is_nobodys_failure(tmp_path: Path) -> None:
    jump = tmp_path / "jump"
    with grader_run(SOLUTION, *FEW, program=("-c", THAT_JUMPS), settings={"JUMP": str(jump)}) as run:
        run.until(lambda: list(run.place.glob("tmp/task-queue-lab-*/tmp/*")), "a service")
        jump.touch()
        said = run.end()
        assert run.process.returncode == 0, said
        assert set(run.verdicts().values()) == {"pass"}, "what could not be judged is run once more"
        assert "Repeated once" in (run.output / "report.json").read_text()
        nothing_left(run)


# ---------------------------------------------------------------- two at once, and a folder that goes


def test_two_graders_at_once_do_not_disturb_each_other() -> None:
    with ExitStack() as stack:
        runs = [stack.enter_context(grader_run(SOLUTION, *FEW)) for _ in range(2)]
        for run in runs:
            said = run.end()
            assert run.process.returncode == 0, said
            assert set(run.verdicts().values()) == {"pass"}
            nothing_left(run)


@pytest.mark.parametrize("level", LEVELS)
def test_a_submission_that_vanishes_is_not_graded_to_its_disadvantage(level: str, tmp_path: Path) -> None:
    folder = solution(tmp_path)
    with grader_run(folder, *FEW, "--isolation", level) as run:
        run.until(lambda: list(run.place.glob("tmp/task-queue-lab-*/tmp/*")), "a service")
        shutil.rmtree(folder)
        said = run.end()
        assert run.process.returncode == 3, said
        assert blames_nobody(run), run.verdicts()
        one_clear_line(said)
        nothing_left(run)


def test_a_refused_level_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    wanted = ("--isolation", "self-check", "--require-isolation", "bubblewrap", "--output", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "grader", "grade", str(SOLUTION), *wanted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 3
    line = one_clear_line(done.stdout + done.stderr)
    assert "isolation bubblewrap is required" in line
    assert "install bubblewrap" in line
