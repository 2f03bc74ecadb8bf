"""What holds of a service's life at every level of isolation, whoever starts it."""

from __future__ import annotations

import signal
from contextlib import closing

import psutil
import pytest

from grader.history.events import ChildrenLeft, LimitHit, ServiceExited
from grader.services.isolation import Reach
from grader.services.limits import MIB, Limits
from tests.unit.service_bench import TIMEOUT, Bench, is_alive, wait_until

LIMITS = Limits(processes=60, memory=96 * MIB, file=4 * MIB, disk=8 * MIB, open_files=64)

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


def sleepers(seconds: int) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["cmdline"] == ["sleep", str(seconds)] and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def hits(bench: Bench) -> list[str]:
    return [event.limit.partition(":")[0] for event in bench.of(LimitHit)]


class LevelRules:
    """Tests for a module that has a fixture ``bench``, whose services have ``LIMITS``."""

    @pytest.mark.parametrize("status", [0, 3, 137, 143, 255])
    def test_an_exit_status_is_exact(self, bench: Bench, status: int) -> None:
        assert bench.sh(f"exit {status}").wait(TIMEOUT) == status
        assert [event.status for event in bench.of(ServiceExited)] == [status]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP])
    def test_an_end_by_signal_is_minus_its_number(self, bench: Bench, number: signal.Signals) -> None:
        process = bench.sh("echo up; exec sleep 600")
        bench.wait_for_line("up")
        assert process.signal(number)
        assert process.wait(TIMEOUT) == -number

    def test_a_signal_reaches_the_programs_own_handler(self, bench: Bench) -> None:
        process = bench.sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done")
        bench.wait_for_line("up")
        process.signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 7
        assert bench.lines() == ["up", "bye"]

    def test_two_services_have_not_both_host_name_and_process_id_in_common_and_find_their_host(
        self, bench: Bench
    ) -> None:
        script = (
            "import os, socket as s; n = s.gethostname(); s.getaddrinfo(n, 80); print(n, os.getpid(), flush=True)"
        )
        for name in ("worker-A", "worker-B"):
            with closing(bench.services.network()) as network:
                command = [bench.interpreter, "-S", "-c", script]
                process = bench.start(command, name, reach=Reach(network))
                assert process.wait(TIMEOUT) == 0, bench.lines(name)
        assert bench.lines("worker-A") != bench.lines("worker-B")

    def test_a_stopped_service_goes_on(self, bench: Bench) -> None:
        process = bench.sh("while :; do sleep 0.02; echo tick; done")
        bench.wait_for_line("tick")
        process.signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the stop")
        process.signal(signal.SIGCONT)
        known = len(bench.lines())
        wait_until(lambda: len(bench.lines()) > known + 2, "more lines")

    def test_a_stopped_service_can_be_ended(self, bench: Bench) -> None:
        process = bench.sh("echo up; exec sleep 600")
        bench.wait_for_line("up")
        process.signal(signal.SIGSTOP)
        process.end()
        assert process.status == -signal.SIGKILL
        assert not is_alive(process.pid)

    def test_children_that_outlive_the_leader_are_noted_and_ended(self, bench: Bench) -> None:
        process = bench.sh("sleep 601 & exit 0")
        assert process.wait(TIMEOUT) == 0
        assert bench.recorder.wait_until(lambda events: any(isinstance(e, ChildrenLeft) for e in events), TIMEOUT)
        process.end()
        assert [event.commands for event in bench.of(ChildrenLeft)] == [("sleep 601",)]

    def test_a_daemon_is_ended_with_its_service(self, bench: Bench) -> None:
        process = bench.python(DAEMON)
        bench.wait_for_line("ready")
        wait_until(lambda: sleepers(612) != [], "the daemon")
        process.end()
        assert sleepers(612) == []

    def test_usage_counts_children_alive_and_gone(self, bench: Bench) -> None:
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

    def test_more_memory_than_allowed_ends_it_and_is_named(self, bench: Bench) -> None:
        process = bench.python(
            "x = []\nfor _ in range(40): x.append(bytearray(8 << 20))\nimport time; time.sleep(600)"
        )
        assert process.wait(TIMEOUT) == -signal.SIGKILL
        wait_until(lambda: "memory" in hits(bench), "the limit's name")

    def test_more_processes_than_allowed_is_named_and_bounded(self, bench: Bench) -> None:
        process = bench.sh("for i in $(seq 200); do sleep 600 & done; echo done; wait")
        wait_until(lambda: "processes" in hits(bench), "the limit's name")
        wait_until(
            lambda: process.status is not None or process.sample_usage().processes <= LIMITS.processes, "the bound"
        )
        process.end()
        assert process.sample_usage().processes == 0
