"""A signal to the grader, at any moment at all: it ends, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import pytest

import grader.ending
import grader.run_folder
from grader.ending import Ended, ended_by_signals, interruptible, uninterrupted
from grader.run_folder import MEMORY, PREFIX, run_folder
from grader.services.building import build
from grader.submission import load_submission

OURS = frozenset({grader.ending.__file__, grader.run_folder.__file__, contextlib.__file__})


class Strike:
    """Sends this process SIGINT before one instruction, counted in the files of ours that run."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> Strike:
        self.before = sys.gettrace()
        sys.settrace(self.follow)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)

    @property
    def has_struck(self) -> bool:
        return self.left < 0

    def follow(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any] | None:
        if frame.f_code.co_filename not in OURS:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == -1:
                signal.raise_signal(signal.SIGINT)
        return self.follow


def guarded(action: Callable[[], None]) -> None:
    with ended_by_signals():
        action()


def struck(action: Callable[[], None], at: int) -> bool:
    """Whether the signal came while ``action`` ran, which then ended with it."""
    strike, status = Strike(at), 0

    def under_fire() -> None:
        with strike:
            action()

    try:
        guarded(under_fire)
    except Ended as problem:
        status = problem.exit_status
    assert status == (128 + signal.SIGINT if strike.has_struck else 0)
    return strike.has_struck


def test_a_signal_before_any_instruction_of_a_run_folders_life_leaves_nothing(tmp_path: Path) -> None:
    names: list[str] = []

    def life() -> None:
        with run_folder(tmp_path) as run:
            names.append(run.path.name)
            (run.quick_folder() / "data").mkdir(exist_ok=True)
            (run.new_tmp() / "file").write_text("x")

    at = 0
    while struck(life, at):
        assert list(tmp_path.iterdir()) == [], f"before instruction {at}"
        at += 1
    assert at > 500
    assert not [path for path in MEMORY.glob(f"{PREFIX}*") if path.name in names]


def test_a_signal_that_was_held_ends_the_block_and_not_a_part_of_it() -> None:
    done: list[str] = []

    def action() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            done.append("all of it")
        done.append("more")

    with pytest.raises(Ended, match="SIGTERM"):
        guarded(action)
    assert done == ["all of it"]


def test_within_a_held_block_the_outer_one_decides_and_a_long_wait_does_not_wait() -> None:
    done: list[str] = []

    def action() -> None:
        with uninterrupted():
            with uninterrupted() as hold:
                signal.raise_signal(signal.SIGINT)
                with hold.paused():
                    done.append("held by the outer block")
            done.append("still held")
            with interruptible():
                done.append("never")

    with pytest.raises(Ended):
        guarded(action)
    assert done == ["held by the outer block", "still held"]


def test_a_second_signal_waits_for_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Ended, match="SIGINT"):
        guarded(action)
    assert capsys.readouterr().err == "ending what was started; one moment\n"


def test_other_threads_hold_nothing() -> None:
    inside, over = threading.Event(), threading.Event()

    def other() -> None:
        with uninterrupted():
            inside.set()
            over.wait(30)

    def action() -> None:
        assert inside.wait(30)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("another thread held it")

    thread = threading.Thread(target=other)
    thread.start()
    try:
        with pytest.raises(Ended):
            guarded(action)
    finally:
        over.set()
        thread.join()


def test_a_long_build_ends_at_once_and_with_all_it_started(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    (folder / "api_service").mkdir(parents=True)
    (folder / "flowforge.toml").write_text(
        '[build]\ncommand = ["sh", "-c", "echo $$ > started; sleep 1000"]\n[worker]\ncommand = ["true"]\n'
    )
    submission, started = load_submission(folder), folder / "started"

    def interrupt_once_it_runs() -> None:
        deadline = time.monotonic() + 60
        while not (started.exists() and started.read_text().endswith("\n")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    def action() -> None:
        thread.start()
        build(submission, tmp_path / "log")

    thread = threading.Thread(target=interrupt_once_it_runs)
    begin = time.monotonic()
    with pytest.raises(Ended):
        guarded(action)
    thread.join()
    assert time.monotonic() - begin < 60
    assert not psutil.pid_exists(int(started.read_text()))
