"""Services as processes: exact exits, exact logs, and nothing left alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grader.errors import BadSubmission, Internal
from grader.history.events import (
    ChildrenLeft,
    LogCut,
    LogLine,
    ServiceExited,
    ServiceStarted,
    SignalSent,
    UsageSampled,
)
from grader.services.family import _largest_file
from grader.services.log import LOG_LIMIT
from grader.services.process import Services
from tests.unit.service_bench import TIMEOUT, Bench, is_alive, wait_until


@pytest.fixture
def services() -> Iterator[Services]:
    with Services() as services:
        yield services


@pytest.fixture
def bench(services: Services, tmp_path: Path) -> Bench:
    return Bench(services, tmp_path)


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        {hide}
        open("daemon.pid.new", "w").write(str(os.getpid()))
        os.rename("daemon.pid.new", "daemon.pid")
        os.execve("/bin/sleep", ["sleep", "600"], {{}})
    os._exit(0)
os.wait()
while not os.path.exists("daemon.pid"):
    time.sleep(0.005)
print("ready", flush=True)
"""


# ---------------------------------------------------------------- exits and signals


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_the_exit_status_is_exact(bench: Bench, status: int) -> None:
    process = bench.sh(f"exit {status}")
    assert process.wait(TIMEOUT) == status
    assert process.status == status
    assert [event.status for event in bench.of(ServiceExited)] == [status]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_end_by_signal_is_minus_its_number(bench: Bench, number: signal.Signals) -> None:
    process = bench.sh("echo up; exec sleep 600")
    bench.wait_for_line("up")
    assert process.status is None
    assert process.signal(number)
    assert process.wait(TIMEOUT) == -number
    kinds = [type(event) for event in bench.recorder.events() if not isinstance(event, LogLine)]
    assert kinds == [ServiceStarted, SignalSent, ServiceExited]
    assert bench.of(SignalSent)[0].signal == number.name


def test_a_signal_to_what_is_gone_is_neither_sent_nor_recorded(bench: Bench) -> None:
    process = bench.sh("exit 0")
    process.wait(TIMEOUT)
    assert not process.signal(signal.SIGTERM)
    assert bench.of(SignalSent) == []


def test_a_signal_goes_to_the_leader_alone(bench: Bench) -> None:
    script = "trap 'echo leader; exit 7' TERM; sleep 600 & echo $!; wait"
    process = bench.sh(script)
    wait_until(lambda: bool(bench.lines()), "the child's pid")
    child = int(bench.lines()[0])
    process.signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 7
    assert is_alive(child)
    process.end()
    assert not is_alive(child)


def test_a_stopped_process_goes_on_after_sigcont(bench: Bench) -> None:
    process = bench.sh("while :; do sleep 0.02; echo tick; done")
    bench.wait_for_line("tick")
    process.signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the stop")
    process.signal(signal.SIGCONT)
    known = len(bench.lines())
    wait_until(lambda: len(bench.lines()) > known + 2, "more lines")


def test_a_stopped_process_can_be_ended(bench: Bench) -> None:
    process = bench.sh("sleep 600")
    process.signal(signal.SIGSTOP)
    process.end()
    assert process.status == -signal.SIGKILL


def test_waiting_in_vain_is_bounded(bench: Bench) -> None:
    assert bench.sh("sleep 600").wait(0.05) is None


def test_the_exit_is_noticed_at_once(bench: Bench) -> None:
    process = bench.sh("sleep 600")
    process.signal(signal.SIGKILL)
    process.wait(TIMEOUT)
    sent, exited = bench.of(SignalSent)[0], bench.of(ServiceExited)[0]
    assert exited.at - sent.at < 1


def test_services_do_not_inherit_an_ignored_sigint(tmp_path: Path) -> None:
    program = tmp_path / "run.py"
    program.write_text(
        "import signal, sys, pathlib\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from grader.services.process import Services\n"
        "from grader.history.recorder import Clock, Recorder\n"
        "with Services() as services:\n"
        "    p = services.start(name='w', role='worker', command=['/bin/sleep', '600'], cwd=pathlib.Path('/'),\n"
        "        env={}, settings={}, recorder=Recorder(Clock()), note_process=lambda pid: None)\n"
        "    p.signal(signal.SIGINT)\n"
        "    print(p.wait(20))\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["-2", "True"]


# ---------------------------------------------------------------- what a service gets


def test_the_environment_is_exactly_what_was_given(bench: Bench) -> None:
    bench.start(["/usr/bin/env"], env={"WORKER_ID": "a", "EMPTY": ""}).wait(TIMEOUT)
    assert sorted(bench.lines()) == ["EMPTY=", "WORKER_ID=a"]


def test_it_runs_in_its_folder_with_no_input_no_core_and_a_session_of_its_own(bench: Bench) -> None:
    bench.sh("pwd; cat; echo end of input").wait(TIMEOUT)
    assert bench.lines() == [str(bench.folder), "end of input"]
    process = bench.sh("sleep 600", "worker-B")
    assert os.getsid(process.pid) == process.pid
    if sys.platform == "linux":
        assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_CORE) == (0, 0)


def test_the_start_is_recorded_and_its_pid_is_noted(bench: Bench) -> None:
    process = bench.sh("exit 0")
    process.wait(TIMEOUT)
    (started,) = bench.of(ServiceStarted)
    assert (started.service, started.role, started.pid) == ("worker-A", "worker", process.pid)
    assert started.settings == {"WORKER_ID": "worker-A"}
    assert bench.noted == [process.pid]
    assert bench.recorder.events()[0] is started


def test_a_program_that_cannot_be_executed_is_one_line_of_bad_submission(bench: Bench) -> None:
    broken = bench.folder / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    for command in ["/no/such/program", str(broken), str(bench.folder)]:
        with pytest.raises(BadSubmission, match="command .* (cannot be run|does not exist)") as refused:
            bench.start([command])
        assert "\n" not in str(refused.value)
    assert bench.recorder.events() == []


def test_nothing_is_started_after_the_run(tmp_path: Path) -> None:
    with Services() as services:
        pass
    with pytest.raises(Internal):
        Bench(services, tmp_path).sh("exit 0")


# ---------------------------------------------------------------- logs


def test_lines_keep_their_order_and_stream(bench: Bench) -> None:
    bench.sh("for i in 1 2 3; do echo out $i; done; echo err >&2; printf 'no end'").wait(TIMEOUT)
    out = [line.text for line in bench.of(LogLine) if line.stream == "stdout"]
    assert out == ["out 1", "out 2", "out 3", "no end"]
    assert [line.text for line in bench.of(LogLine) if line.stream == "stderr"] == ["err"]


def test_lines_are_recorded_when_they_arrive(bench: Bench) -> None:
    process = bench.python("import time; print('one', flush=True); time.sleep(0.2); print('two', flush=True)")
    process.wait(TIMEOUT)
    one, two = bench.of(LogLine)
    assert 0.15 < two.at - one.at < 5


def test_all_output_comes_before_the_exit(bench: Bench) -> None:
    bench.python("import os; os.write(1, b'x' * 60 + b'\\n' + b'line\\n' * 9000); os._exit(5)").wait(TIMEOUT)
    events = bench.recorder.events()
    assert isinstance(events[-1], ServiceExited)
    assert len(bench.lines()) == 9001


def test_bytes_that_are_no_text_are_replaced(bench: Bench) -> None:
    bench.sh(r"printf 'a\377b\000c\r\n'").wait(TIMEOUT)
    assert bench.lines() == ["a\N{REPLACEMENT CHARACTER}b\0c"]


def test_a_line_without_end_is_cut_and_the_service_is_not_blocked(bench: Bench) -> None:
    script = "import sys\nfor _ in range(480): sys.stdout.write('x' * 65536)\nprint(); print('after')"
    assert bench.python(script).wait(TIMEOUT) == 0
    first, after = bench.lines()
    assert first.startswith("xxx")
    assert first.endswith("cut]")
    assert len(first) < 10_000
    assert after == "after"


def test_an_endless_log_is_cut_once_and_the_service_is_not_blocked(bench: Bench) -> None:
    script = "import sys\nfor _ in range(300): sys.stdout.write(('y' * 99 + '\\n') * 1000)"
    assert bench.python(script).wait(TIMEOUT) == 0
    (cut,) = bench.of(LogCut)
    kept = sum(len(line) + 1 for line in bench.lines())
    assert cut.kept_bytes == kept
    assert LOG_LIMIT - 100 <= kept <= LOG_LIMIT


def test_a_child_that_holds_the_pipe_and_writes_on_does_not_delay_the_exit(bench: Bench) -> None:
    process = bench.sh("(while :; do echo child; done) & echo leader; exit 4")
    assert process.wait(TIMEOUT) == 4
    assert "leader" in bench.lines()
    process.end()
    recorded = len(bench.recorder.events())
    assert not bench.recorder.wait_for_more(recorded, 0.1) > recorded


def test_twenty_services_at_once_keep_their_logs_apart(bench: Bench) -> None:
    names = [f"worker-{i}" for i in range(20)]
    processes = [
        bench.sh(f"for i in 1 2 3; do echo {name} $i; done; exit {i}", name) for i, name in enumerate(names)
    ]
    assert [process.wait(TIMEOUT) for process in processes] == list(range(20))
    for name in names:
        assert bench.lines(name) == [f"{name} {i}" for i in (1, 2, 3)]


# ---------------------------------------------------------------- children, and the end


def test_children_that_outlive_the_leader_are_recorded_and_ended(bench: Bench) -> None:
    process = bench.sh("sleep 601 & echo $!; exit 0")
    process.wait(TIMEOUT)
    assert bench.recorder.wait_until(lambda events: any(isinstance(e, ChildrenLeft) for e in events), TIMEOUT)
    process.end()
    assert [event.commands for event in bench.of(ChildrenLeft)] == [("sleep 601",)]
    assert not is_alive(int(bench.lines()[0]))


def test_children_that_end_with_their_leader_are_not_held_against_it(bench: Bench) -> None:
    process = bench.sh("sleep 0.05 & exit 0")
    process.wait(TIMEOUT)
    process.end()
    assert bench.of(ChildrenLeft) == []


@pytest.mark.skipif(sys.platform != "linux", reason="orphans in a session of their own are found on Linux alone")
def test_a_daemon_that_forked_twice_is_found_and_ended(bench: Bench) -> None:
    process = bench.python(DAEMON.format(hide=""))
    assert process.wait(TIMEOUT) == 0
    daemon = int((bench.folder / "daemon.pid").read_text())
    assert is_alive(daemon)
    process.end()
    assert not is_alive(daemon)
    assert len(bench.of(ChildrenLeft)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="orphans in a session of their own are found on Linux alone")
def test_a_daemon_is_ended_with_its_own_service_and_not_with_another(bench: Bench) -> None:
    process = bench.python(DAEMON.format(hide=""))
    other = bench.sh("sleep 600", "worker-B")
    process.wait(TIMEOUT)
    daemon = int((bench.folder / "daemon.pid").read_text())
    other.end()
    assert is_alive(daemon)
    process.end()
    assert not is_alive(daemon)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans in a session of their own are found on Linux alone")
def test_a_daemon_that_hides_its_family_is_ended_with_the_run(tmp_path: Path) -> None:
    hide = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    with Services() as services:
        bench = Bench(services, tmp_path)
        process = bench.python(DAEMON.format(hide=hide))
        process.wait(TIMEOUT)
        process.end()
        daemon = int((tmp_path / "daemon.pid").read_text())
        assert is_alive(daemon)
    assert not is_alive(daemon)


def test_the_processes_of_the_grader_itself_are_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as ours:
        with Services() as services:
            Bench(services, tmp_path).sh("sleep 600").end()
        assert ours.poll() is None
        ours.kill()


def test_a_tree_that_goes_on_forking_is_ended(bench: Bench) -> None:
    script = (
        "import os, time\nprint('up', flush=True)\nfor _ in range(3): os.fork()\n"
        "while True:\n  if os.fork() == 0:\n    time.sleep(0.2); os._exit(0)\n  time.sleep(0.01)\n"
    )
    process = bench.python(script)
    bench.wait_for_line("up")
    wait_until(lambda: process.sample_usage().processes > 20, "a large tree")
    process.end()
    assert process.sample_usage().processes == 0
    assert process.status == -signal.SIGKILL


def test_ending_twice_is_ending_once(bench: Bench) -> None:
    process = bench.sh("sleep 600")
    process.end()
    recorded = bench.recorder.events()
    process.end()
    assert bench.recorder.events() == recorded
    assert [event.signal for event in bench.of(SignalSent)] == ["SIGKILL"]


def test_an_end_with_grace_lets_the_leader_shut_down(bench: Bench) -> None:
    process = bench.sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    bench.wait_for_line("up")
    process.end(grace=TIMEOUT)
    assert process.status == 0
    assert bench.lines() == ["up", "bye"]


def test_leaving_the_run_ends_what_is_alive(tmp_path: Path) -> None:
    with Services() as services:
        bench = Bench(services, tmp_path)
        processes = [bench.sh("sleep 600 & sleep 600", f"worker-{i}") for i in range(3)]
    assert [process.status for process in processes] == [-signal.SIGKILL] * 3
    assert not any(is_alive(process.pid) for process in processes)


def test_no_descriptor_and_no_thread_is_left_behind(tmp_path: Path) -> None:
    def open_things() -> tuple[int, int]:
        own = psutil.Process()
        return own.num_fds(), own.num_threads()

    with Services():
        pass
    before = open_things()
    with Services() as services:
        bench = Bench(services, tmp_path)
        for i in range(5):
            bench.sh("exit 0", f"worker-{i}").end()
        bench.sh("sleep 600")
    # Fewer are nothing left behind: a thread of an earlier test may end meanwhile. One that was joined is still seen by
    # the system for a moment.
    wait_until(lambda: all(now <= then for now, then in zip(open_things(), before, strict=True)), "nothing left")


# ---------------------------------------------------------------- usage


def test_idle_uses_next_to_nothing_and_work_shows(bench: Bench) -> None:
    idle = bench.sh("sleep 600")
    assert idle.sample_usage().cpu_s < 0.1
    busy = bench.python(
        "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)", "worker-B"
    )
    busy.wait(TIMEOUT)
    sample = busy.sample_usage()
    assert 0.3 <= sample.cpu_s < 2
    assert sample.processes == 0
    assert bench.of(UsageSampled)[-1] == sample


def test_usage_counts_children_alive_and_gone(bench: Bench) -> None:
    burn = "while time.process_time() < 0.2: pass"
    script = (
        "import os, time\n"
        f"if os.fork() == 0:\n  {burn}\n  os._exit(0)\n"
        "os.wait()\n"
        f"if os.fork() == 0:\n  {burn}\n  print('up', flush=True); time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    process = bench.python(script)
    bench.wait_for_line("up")
    sample = process.sample_usage()
    assert 0.35 < sample.cpu_s < 3
    assert sample.processes == 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits of others are read from /proc")
def test_the_limits_of_one_that_ends_meanwhile_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("resource.prlimit", refuse)
    monkeypatch.setattr(Path, "read_text", lambda *_arguments, **_named: "")
    assert _largest_file(os.getpid()) == ()
