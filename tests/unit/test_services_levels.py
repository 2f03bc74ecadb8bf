"""What holds of a service at every level of isolation that this machine offers."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from grader.errors import BadSubmission
from grader.history.events import LogLine, ServiceExited
from grader.services import build
from grader.services.bubblewrap import Bubblewrap
from grader.services.cgroups import find_hierarchy
from grader.services.choose import plain
from grader.services.isolation import Isolation, Reach
from grader.services.landlock import version
from grader.services.limits import MIB, Limits
from grader.services.process import Services
from grader.services.reading import readable
from grader.submission import load_submission
from tests.unit.level_rules import LIMITS, LevelRules, hits
from tests.unit.service_bench import TIMEOUT, Bench, wait_until


def bubblewrap(limits: Limits) -> Isolation:
    return Bubblewrap(limits, find_hierarchy())


MAKERS = {"self-check": plain, "bubblewrap": bubblewrap}


@pytest.fixture(params=sorted(MAKERS))
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A submission's folder, in a place that others may pass through, as a run's folder is."""
    folder = tmp_path / "submission"
    folder.mkdir()
    for step in (folder, *folder.parents[:3]):
        step.chmod(0o755)
    return folder


@pytest.fixture
def bench(level: str, place: Path, tmp_path: Path) -> Iterator[Bench]:
    with Services(MAKERS[level](LIMITS)) as services:
        bench = Bench(services, place)
        temporary = tmp_path / "t"
        temporary.mkdir()
        bench.env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
        with closing(services.network()) as network:
            bench.reach = Reach(network)
            yield bench


def tried(bench: Bench, script: str) -> dict[str, object]:
    """What a program printed, as JSON."""
    process = bench.start([sys.executable, "-I", "-S", "-c", script])
    process.wait(TIMEOUT)
    assert bench.lines(), list(bench.recorder.events())
    found: dict[str, object] = json.loads(bench.lines()[-1])
    return found


class TestAtEachLevel(LevelRules):
    """What holds at these two, and in containers."""


def test_nothing_is_left_of_many_services(bench: Bench) -> None:
    own = psutil.Process()
    before, others = own.num_fds(), set(own.children(recursive=True))
    for number in range(5):
        bench.sh("exit 0", f"worker-{number}").end()
    wait_until(lambda: own.num_fds() <= before, "closed descriptors")
    # What other tests of this process have left is not looked at.
    left = set(own.children(recursive=True)) - others
    assert [p for p in left if p.name() in ("bwrap", "sh", "unshare")] == []


# ---------------------------------------------------------------- what a service is given


def test_its_environment_is_what_was_given_and_its_input_is_empty(bench: Bench) -> None:
    bench.sh("env; pwd; cat; ps -o sid= -p $$ >/dev/null 2>&1; echo end").wait(TIMEOUT)
    assert set(bench.env) == {line.partition("=")[0] for line in bench.lines() if "=" in line} - {
        "PWD",
        "_",
        "SHLVL",
    }
    assert bench.lines()[-2:] == [str(bench.folder), "end"]


def test_it_leads_a_session_of_its_own(bench: Bench) -> None:
    process = bench.sh("echo up; exec sleep 600")
    bench.wait_for_line("up")
    assert os.getsid(process.pid) == process.pid


def test_what_cannot_be_executed_ends_with_a_line_or_is_refused(bench: Bench) -> None:
    program = bench.folder / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    try:
        process = bench.start([str(program)])
    except BadSubmission as refused:
        assert "broken" in str(refused)  # noqa: PT017 - one of two ways
        return
    assert process.wait(TIMEOUT) in (126, 127)
    assert any("broken" in line for line in bench.lines())


# ---------------------------------------------------------------- what it cannot get at


def test_it_writes_to_its_temporary_folder_and_nowhere_else(bench: Bench, tmp_path: Path) -> None:
    if version() == 0 and bench.services.isolation.level.value == "self-check":
        pytest.skip("this kernel has no Landlock")
    secret = tmp_path / "secret"
    secret.write_text("x")
    found = tried(
        bench,
        f"""
import json, os
def can(path, mode):
    try:
        open(path, mode).close()
        return True
    except OSError:
        return False
print(json.dumps({{
    "own": can("written", "w"), "temporary": can(os.environ["TMPDIR"] + "/x", "w"), "outside": can({str(secret)!r}, "r"),
    "write": can({str(secret)!r}, "w"), "home": can(os.path.expanduser("~root/.profile"), "r"), "system": can("/etc/x", "w"),
    "grader": can("/proc/{os.getpid()}/environ", "r"), "memory": can("/proc/{os.getpid()}/mem", "r"),
}}))
""",
    )
    allowed = {name for name, could in found.items() if could} - {"write"}  # a file of that name, in its own /tmp
    assert allowed == {"temporary"}
    assert secret.read_text() == "x"


def test_it_reaches_its_database_and_no_other_port(bench: Bench) -> None:
    if version() < 4 and bench.services.isolation.level.value == "self-check":
        pytest.skip("this kernel's Landlock knows no ports")
    assert bench.reach is not None
    assert bench.reach.network is not None
    with socket.socket() as other, bench.reach.network.socket() as database:
        for listener in (other, database):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        port = database.getsockname()[1]
        bench.reach = Reach(bench.reach.network, port)
        found = tried(
            bench,
            f"""
import json, socket
def reaches(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError as problem:
        return False
print(json.dumps({{"database": reaches({port}), "other": reaches({other.getsockname()[1]})}}))
""",
        )
    assert found == {"database": True, "other": False}


def test_it_cannot_signal_the_grader(bench: Bench) -> None:
    if version() < 6 and bench.services.isolation.level.value == "self-check":
        pytest.skip("this kernel's Landlock keeps no signals")
    found = tried(
        bench,
        f"""
import json, os
try:
    os.kill({os.getpid()}, 0)
    print(json.dumps({{"signalled": True}}))
except OSError:
    print(json.dumps({{"signalled": False}}))
""",
    )
    assert found == {"signalled": False}


def test_it_has_no_capability(bench: Bench) -> None:
    bench.sh("grep -E '^Cap(Eff|Prm|Bnd)' /proc/self/status").wait(TIMEOUT)
    if bench.services.isolation.level.value == "self-check" and os.geteuid() != 0:
        assert "CapEff:\t0000000000000000" in bench.lines()
    else:
        assert {line.split()[1] for line in bench.lines()} == {"0" * 16}


# ---------------------------------------------------------------- limits


def test_a_file_that_grows_too_large_ends_its_writer_and_is_named(bench: Bench) -> None:
    process = bench.sh('exec head -c 6000000 /dev/zero > "$TMPDIR/large"')
    assert process.wait(TIMEOUT) == -signal.SIGXFSZ
    assert hits(bench) == ["file size"]


def test_its_temporary_folder_has_a_bound(bench: Bench) -> None:
    process = bench.sh(
        'for i in 1 2 3 4 5 6; do head -c 3000000 /dev/zero > "$TMPDIR/$i" || echo full; done; echo over; sleep 600'
    )
    wait_until(lambda: "full" in bench.lines() or "disk" in hits(bench), "the bound")
    process.end()


def test_a_flood_of_lines_is_cut_and_read_no_faster_than_allowed(level: str, place: Path) -> None:
    with Services(MAKERS[level](Limits(log=MIB, log_rate=8 * MIB))) as services:
        bench = Bench(services, place)
        bench.env = {"PATH": "/usr/bin:/bin"}
        process = bench.sh("exec head -c 16000000 /dev/zero")
        assert process.wait(TIMEOUT) == 0
        lines = bench.of(LogLine)
        exited = bench.of(ServiceExited)[0]
        assert exited.at > 1.0
        assert sum(len(line.text) for line in lines) <= MIB


# ---------------------------------------------------------------- builds, and interpreters of its own


def test_a_build_writes_to_its_folder_which_stays_its_owners(level: str, place: Path, tmp_path: Path) -> None:
    (place / "api_service").mkdir()
    script = 'mkdir -p bin "$HOME/x" "$XDG_CACHE_HOME" && cp /bin/true bin/worker && echo $(id -u) > who'
    (place / "flowforge.toml").write_text(
        f"[build]\ncommand = ['sh', '-c', '''{script}''']\n[worker]\ncommand = ['bin/worker']\n"
    )
    isolation = MAKERS[level](LIMITS)
    build(load_submission(place), tmp_path / "build.log", 60, isolation=isolation)
    isolation.sweep()
    assert (place / "bin/worker").is_file()
    owners = {path.lstat().st_uid for path in (place, *place.rglob("*"))}
    assert owners == {os.geteuid()}
    if level == "bubblewrap" and os.geteuid() == 0:
        assert (place / "who").read_text().strip() != "0"


def test_an_interpreter_behind_a_link_of_its_own_is_found(bench: Bench) -> None:
    environment = bench.folder / ".venv" / "bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(Path(sys.executable).resolve())
    process = bench.start(["python", "-I", "-c", "import json; print('found')"])
    assert process.wait(TIMEOUT) == 0, [line.text for line in bench.of(LogLine)]
    assert bench.lines() == ["found"]


def test_a_link_to_what_is_no_interpreter_shows_nothing(tmp_path: Path) -> None:
    private = tmp_path / "home"
    for name in ("bin", "lib"):
        (private / name).mkdir(parents=True)
    (private / "bin/python3").write_text("#!/bin/sh\n")
    link = tmp_path / "python"
    link.symlink_to(private / "bin/python3")
    assert not [path for path in readable([str(link)]) if path.is_relative_to(private)]


@pytest.mark.skipif(os.geteuid() != 0, reason="others' services are themselves")
def test_what_roots_services_could_not_read_is_refused_with_what_to_do(place: Path) -> None:
    (place / "private").write_text("x")
    (place / "private").chmod(0o600)
    isolation = bubblewrap(LIMITS)
    with pytest.raises(BadSubmission, match=r"private.*chmod -R a\+rX"):
        isolation.show(place)
    isolation.sweep()
