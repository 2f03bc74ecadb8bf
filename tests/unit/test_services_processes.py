"""The quick look at all processes: who is there, who came of whom."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from grader.services.processes import Process, command_line, descendants, process_now, processes_now

WAITS = "import sys, time; print(flush=True); time.sleep(60)"
BUSY = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint(flush=True); time.sleep(60)"


def started(code: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def made(pid: int, parent: int) -> Process:
    return Process(pid, parent, session=1, began=0.0, is_zombie=False, tasks=1, memory=0, cpu_s=0.0)


def table_of(*processes: Process) -> dict[int, Process]:
    return {process.pid: process for process in processes}


def test_a_child_is_in_the_table_as_psutil_knows_it() -> None:
    with started(BUSY) as child:
        try:
            found, known = processes_now()[child.pid], psutil.Process(child.pid)
            assert (found.parent, found.session, found.is_zombie) == (os.getpid(), child.pid, False)
            assert found.tasks == known.num_threads()
            assert found.memory == pytest.approx(known.memory_info().rss, rel=0.05)
            assert 0.15 < found.cpu_s <= sum(known.cpu_times()[:4])
            assert process_now(child.pid) == found
        finally:
            child.kill()


def test_one_that_ended_and_was_not_collected_is_a_zombie_and_then_nobody() -> None:
    child = started(WAITS)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes_now()[child.pid].is_zombie
    child.communicate()
    assert child.pid not in processes_now()
    assert process_now(child.pid) is None
    assert command_line(child.pid) == ""


def test_another_process_with_the_same_parent_began_at_another_moment() -> None:
    with started(WAITS) as first:
        time.sleep(0.05)  # the kernel counts in hundredths of a second
        with started(WAITS) as second:
            try:
                table = processes_now()
                assert table[first.pid].began < table[second.pid].began
            finally:
                os.kill(first.pid, signal.SIGKILL)
                os.kill(second.pid, signal.SIGKILL)


def test_a_name_with_spaces_and_brackets_does_not_hide_a_process() -> None:
    code = f"import ctypes\nctypes.CDLL(None).prctl(15, b'a) R (b')\n{WAITS}"
    with started(code) as child:
        try:
            assert processes_now()[child.pid].parent == os.getpid()
        finally:
            child.kill()


def test_descendants_are_found_through_any_number_of_parents_and_in_their_order() -> None:
    table = table_of(made(9, 7), made(7, 5), made(5, 1), made(6, 1), made(8, 5))
    assert [process.pid for process in descendants(table, 5)] == [7, 8, 9]
    assert [process.pid for process in descendants(table, 6)] == []
    assert {process.pid for process in descendants(table, 5, 6, 7)} == {8, 9}


def test_parents_that_form_a_ring_are_walked_once() -> None:
    table = table_of(made(5, 6), made(6, 5), made(7, 6))
    assert [process.pid for process in descendants(table, 5)] == [6, 7]


def test_a_command_line_is_cut_where_it_is_long() -> None:
    with started(f"{WAITS} # {'x' * 500}") as child:
        try:
            assert len(command_line(child.pid, longest=40)) == 40
        finally:
            child.kill()
