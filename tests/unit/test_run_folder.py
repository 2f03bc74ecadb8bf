"""The folder of a run, and the removal of what dead runs left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

import grader.run_folder
from grader.errors import EnvironmentFailed
from grader.leftovers import remove_leftovers
from grader.run_folder import CONTAINER_LABEL, MEMORY, PREFIX, default_parent, run_folder

GRADER_THAT_IS_KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from grader.run_folder import run_folder
with run_folder(Path(sys.argv[1])) as run:
    child = subprocess.Popen(
        ["sh", "-c", sys.argv[2]], start_new_session=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(run.path / "tmp")},
    )
    run.note_process(child.pid)
    (run.quick_folder() / "file").write_text("x")
    print(run.path, child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_and_kill_a_grader(parent: Path, command: str) -> tuple[Path, psutil.Process]:
    done = subprocess.run(
        [sys.executable, "-c", GRADER_THAT_IS_KILLED, str(parent), command],
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
    )
    assert done.returncode == -signal.SIGKILL
    path, pid = done.stdout.split()
    return Path(path), psutil.Process(int(pid))


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or would be if its new parent took notice."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_folder_is_private_and_vanishes_with_the_context(tmp_path: Path) -> None:
    with run_folder(tmp_path) as run:
        assert run.path.parent == tmp_path
        assert run.path.stat().st_mode & 0o066 == 0
        (run.path / "deep" / "er").mkdir(parents=True)
        (run.path / "deep" / "er" / "file").touch()
        (run.path / "deep").chmod(0o500)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_engine_is_gone_keeps_its_journal_for_the_next_one(tmp_path: Path) -> None:
    gone = f"unix://{tmp_path}/no-engine.sock"
    with run_folder(tmp_path) as run:
        run.note_container("a-container", gone)
        (run.path / "tmp" / "large").write_bytes(b"x")
        (run.path / "pipe").write_text("")
    assert [path.name for path in run.path.iterdir()] == ["journal.jsonl"]
    [told] = remove_leftovers(tmp_path)
    assert told.startswith(f"{run.path}, left by an earlier run, stays for now: its containers cannot be removed")
    assert run.path.exists()


def test_every_run_has_an_id_of_its_own(tmp_path: Path) -> None:
    with run_folder(tmp_path) as one, run_folder(tmp_path) as other:
        assert one.id != other.id
        assert one.labels == {CONTAINER_LABEL: one.id}


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="set TMPDIR"):
        with run_folder(tmp_path / "missing"):
            pass


def test_a_killed_graders_processes_and_folder_are_removed(tmp_path: Path) -> None:
    path, child = run_and_kill_a_grader(tmp_path, "sleep 600 & sleep 600 & wait")
    told = remove_leftovers(tmp_path)
    assert has_ended(child)
    assert not path.exists()
    assert not (MEMORY / path.name).exists()
    assert any("ended" in line and "sleep" in line for line in told)
    assert any(str(path) in line for line in told)
    assert remove_leftovers(tmp_path) == []


def test_children_whose_noted_leader_is_gone_are_ended_too(tmp_path: Path) -> None:
    path, leader = run_and_kill_a_grader(tmp_path, f"sleep 600 & echo $! > {tmp_path}/orphan; kill -9 $$")
    deadline = time.monotonic() + 10
    while not (tmp_path / "orphan").exists() or not has_ended(leader):
        assert time.monotonic() < deadline
    orphan = psutil.Process(int((tmp_path / "orphan").read_text()))
    remove_leftovers(tmp_path)
    assert has_ended(orphan)
    assert not path.exists()


def test_children_are_ended_when_their_leaders_number_is_free_again(tmp_path: Path) -> None:
    """Told by their environment: the leader was collected by its parent, which outlived it."""
    path = tmp_path / f"{PREFIX}0badcafe"
    path.mkdir()
    environment = {**os.environ, "TMPDIR": str(path / "tmp")}
    script = f"sleep 600 & echo $! > {tmp_path}/orphan; read line"
    leader = subprocess.Popen(["sh", "-c", script], start_new_session=True, stdin=subprocess.PIPE, env=environment)
    created = psutil.Process(leader.pid).create_time()
    leader.communicate(b"end\n", timeout=10)
    orphan = psutil.Process(int((tmp_path / "orphan").read_text()))
    assert not psutil.pid_exists(leader.pid)
    (path / "journal.jsonl").write_text(json.dumps({"pid": leader.pid, "created": created, "first": None}))
    remove_leftovers(tmp_path)
    assert has_ended(orphan)


def test_a_living_run_is_left_alone(tmp_path: Path) -> None:
    with run_folder(tmp_path) as run:
        sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            run.note_process(sleeper.pid)
            assert remove_leftovers(tmp_path) == []
            assert sleeper.poll() is None
            assert run.path.exists()
        finally:
            sleeper.kill()
            sleeper.wait()


def test_a_process_that_merely_has_a_noted_number_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / f"{PREFIX}0badcafe"
    path.mkdir()
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        created = psutil.Process(sleeper.pid).create_time() - 60
        entry = {"pid": sleeper.pid, "created": created, "first": None}
        (path / "journal.jsonl").write_text(json.dumps(entry) + '\n{"pid": 1')
        assert remove_leftovers(tmp_path) == [f"removed {path}, left by an earlier run"]
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_polite_signal_goes_first(tmp_path: Path) -> None:
    path = tmp_path / f"{PREFIX}0badcafe"
    path.mkdir()
    script = f"trap 'echo polite > {tmp_path}/heard; exit' QUIT; echo ready; while :; do sleep 0.02; done"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        created = psutil.Process(process.pid).create_time()
        entry = {"pid": process.pid, "created": created, "first": signal.SIGQUIT}
        (path / "journal.jsonl").write_text(json.dumps(entry))
        remove_leftovers(tmp_path)
    assert (tmp_path / "heard").read_text() == "polite\n"


def test_a_link_with_the_name_of_a_run_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}0badcafe").symlink_to(elsewhere)
    assert remove_leftovers(tmp_path) == []
    assert elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / f"{PREFIX}0badcafe"
    path.mkdir()
    os.chown(path, 65534, 65534)
    assert remove_leftovers(tmp_path) == []
    assert path.exists()


def test_no_run_loses_its_folder_to_a_cleaner_at_any_moment(tmp_path: Path) -> None:
    """Runs are started while others clean up without pause: each keeps its folder until it ends."""
    stop = threading.Event()

    def clean() -> None:
        while not stop.is_set():
            remove_leftovers(tmp_path)

    cleaners = [threading.Thread(target=clean) for _ in range(3)]
    for cleaner in cleaners:
        cleaner.start()
    try:
        for _ in range(200):
            with run_folder(tmp_path) as run:
                run.note_process(os.getpid())
                assert (run.path / "journal.jsonl").exists()
                assert (run.path / "tmp").exists()
    finally:
        stop.set()
        for cleaner in cleaners:
            cleaner.join()
    assert list(tmp_path.iterdir()) == []


def test_a_quick_folder_goes_with_its_run(tmp_path: Path) -> None:
    with run_folder(tmp_path) as run:
        quick = run.quick_folder()
        assert quick == run.quick_folder()
        (quick / "file").write_text("x")
    assert not quick.exists()


def test_a_run_whose_folder_in_memory_stays_leaves_it_to_the_next_one_and_lets_its_lock_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError("not yours")

    gone = f"unix://{tmp_path}/no-engine.sock"
    asked: list[str] = []
    monkeypatch.setattr(grader.run_folder, "answers", lambda engine: asked.append(engine))
    with monkeypatch.context() as patch:
        patch.setattr(grader.run_folder, "remove_from_memory", refuse)
        with run_folder(tmp_path) as run:
            run.note_container("a-container", gone)
            quick = run.quick_folder()
            (run.path / "tmp" / "large").write_bytes(b"x")
    assert asked == [gone]
    assert [path.name for path in run.path.iterdir()] == ["journal.jsonl"]
    (run.path / "journal.jsonl").unlink()
    assert remove_leftovers(tmp_path) == [f"removed {run.path}, left by an earlier run"]
    assert not quick.exists()


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no folder in memory on this platform")
def test_what_a_dead_run_has_in_memory_does_not_wait_for_the_engine_of_its_containers(tmp_path: Path) -> None:
    path, quick = tmp_path / f"{PREFIX}0badcafe", MEMORY / f"{PREFIX}0badcafe"
    path.mkdir()
    quick.mkdir()
    entry = {"container": "a-container", "engine": f"unix://{tmp_path}/no-engine.sock"}
    (path / "journal.jsonl").write_text(json.dumps(entry))
    try:
        [told] = remove_leftovers(tmp_path)
        assert "its containers cannot be removed" in told
        assert not quick.exists()
    finally:
        if quick.exists():
            quick.rmdir()


def test_a_folder_that_cannot_be_removed_is_told_and_its_lock_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError("not yours")

    def leave() -> None:
        with run_folder(tmp_path):
            pass

    with monkeypatch.context() as patch:
        patch.setattr(grader.run_folder, "remove_tree", refuse)
        with pytest.raises(PermissionError):
            leave()
    [left] = tmp_path.iterdir()
    assert remove_leftovers(tmp_path) == [f"removed {left}, left by an earlier run"]


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no folder in memory on this platform")
def test_without_room_in_memory_the_quick_folder_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grader.run_folder, "_MEMORY_NEEDED", 1 << 62)
    with run_folder(tmp_path) as run:
        assert run.quick_folder() == run.path


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no folder in memory on this platform")
def test_what_merely_has_the_name_of_a_run_in_memory_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with run_folder(tmp_path) as run:
        link = MEMORY / run.path.name
        link.symlink_to(kept)
    try:
        assert kept.is_dir()
        assert link.is_symlink()
    finally:
        link.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts its database as another user")
def test_a_temporary_folder_that_the_databases_user_cannot_pass_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(closed))
        assert default_parent() == Path("/tmp").resolve()
        closed.chmod(0o711)
        assert default_parent() == closed
    finally:
        closed.rmdir()
