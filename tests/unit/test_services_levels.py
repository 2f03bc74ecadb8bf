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
from grader.history.events import ChildrenLeft, LimitHit, LogLine, ServiceExited
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
from tests.unit.service_bench import TIMEOUT, Bench, is_alive, wait_until

LIMITS = Limits(processes=60, memory=96 * MIB, file=4 * MIB, disk=8 * MIB, open_files=64)


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


# ---------------------------------------------------------------- exits and signals


@pytest.mark.parametrize("status", [0, 3, 137, 143, 255])
def test_an_exit_status_is_exact(bench: Bench, status: int) -> None:
    assert bench.sh(f"exit {status}").wait(TIMEOUT) == status
    assert [event.status for event in bench.of(ServiceExited)] == [status]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP])
def test_an_end_by_signal_is_minus_its_number(bench: Bench, number: signal.Signals) -> None:
    process = bench.sh("echo up; exec sleep 600")
    bench.wait_for_line("up")
    assert process.signal(number)
    assert process.wait(TIMEOUT) == -number


def test_a_signal_reaches_the_programs_own_handler(bench: Bench) -> None:
    process = bench.sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done")
    bench.wait_for_line("up")
    process.signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 7
    assert bench.lines() == ["up", "bye"]


def test_a_stopped_service_goes_on(bench: Bench) -> None:
    process = bench.sh("while :; do sleep 0.02; echo tick; done")
    bench.wait_for_line("tick")
    process.signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the stop")
    process.signal(signal.SIGCONT)
    known = len(bench.lines())
    wait_until(lambda: len(bench.lines()) > known + 2, "more lines")


def test_a_stopped_service_can_be_ended(bench: Bench) -> None:
    process = bench.sh("echo up; exec sleep 600")
    bench.wait_for_line("up")
    process.signal(signal.SIGSTOP)
    process.end()
    assert process.status == -signal.SIGKILL
    assert not is_alive(process.pid)


def test_children_that_outlive_the_leader_are_noted_and_ended(bench: Bench) -> None:
    process = bench.sh("sleep 601 & exit 0")
    assert process.wait(TIMEOUT) == 0
    assert bench.recorder.wait_until(lambda events: any(isinstance(e, ChildrenLeft) for e in events), TIMEOUT)
    process.end()
    assert [event.commands for event in bench.of(ChildrenLeft)] == [("sleep 601",)]


DAEMON = """
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "612"])
    os._exit(0)
os.wait()
print("ready", flush=True)
signal.pause()
"""


def test_a_daemon_is_ended_with_its_service(bench: Bench) -> None:
    process = bench.python(DAEMON)
    bench.wait_for_line("ready")
    wait_until(lambda: sleepers(612) != [], "the daemon")
    process.end()
    assert sleepers(612) == []


def sleepers(seconds: int) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["cmdline"] == ["sleep", str(seconds)] and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_usage_counts_children_alive_and_gone(bench: Bench) -> None:
    burn = "while time.process_time() < 0.2: pass"
    process = bench.python(
        "import os, time\n"
        f"if os.fork() == 0:\n  {burn}\n  os._exit(0)\n"
        "os.wait()\n"
        f"if os.fork() == 0:\n  {burn}\n  print('up', flush=True); time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    bench.wait_for_line("up")
    sample = process.sample_usage()
    assert 0.35 < sample.cpu_s < 3
    assert sample.processes == 2
    process.end()
    after = process.sample_usage()
    assert after.cpu_s >= sample.cpu_s
    assert after.processes == 0


def test_nothing_is_left_of_many_services(bench: Bench) -> None:
    own = psutil.Process()
    before = own.num_fds()
    for number in range(5):
        bench.sh("exit 0", f"worker-{number}").end()
    wait_until(lambda: own.num_fds() <= before, "closed descriptors")
    assert [p for p in own.children(recursive=True) if p.name() in ("bwrap", "sh", "unshare")] == []


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


def hits(bench: Bench) -> list[str]:
    return [event.limit.partition(":")[0] for event in bench.of(LimitHit)]


def test_more_memory_than_allowed_ends_it_and_is_named(bench: Bench) -> None:
    process = bench.python(
        "x = []\nfor _ in range(40): x.append(bytearray(8 << 20))\nimport time; time.sleep(600)"
    )
    assert process.wait(TIMEOUT) == -signal.SIGKILL
    wait_until(lambda: "memory" in hits(bench), "the limit's name")


def test_more_processes_than_allowed_is_named_and_bounded(bench: Bench) -> None:
    process = bench.sh("for i in $(seq 200); do sleep 600 & done; echo done; wait")
    wait_until(lambda: "processes" in hits(bench), "the limit's name")
    wait_until(
        lambda: process.status is not None or process.sample_usage().processes <= LIMITS.processes, "the bound"
    )
    process.end()
    assert process.sample_usage().processes == 0


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
