"""The foreman takes tasks from the board, has the work done by a child process, and watches over it.

There are no threads: while the child works the foreman sleeps, and wakes up for signs of life.
"""

import json
import logging
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from worker.bell import Bell
from worker.board import Board, Task
from worker.settings import Settings

JOB = Path(__file__).with_name("job.py")
PAUSE = 0.4


class Outcome(NamedTuple):
    task: Task
    status: str
    seconds: float
    since: float


class Foreman:
    def __init__(self, settings: Settings, bell: Bell) -> None:
        self.settings = settings
        self.bell = bell
        self.outcome: Outcome | None = None
        """Of the last task, until the board has it."""

    def run(self) -> None:
        while self.outcome or not self.bell.has_rung:
            try:
                with Board(self.settings.url, self.settings.name) as board:
                    logging.info("connected")
                    self.rounds(board)
            except psycopg.Error as error:
                logging.warning("no database, next try in %gs: %s", PAUSE, one_line(error))
                self.wait_for_database()

    def rounds(self, board: Board) -> None:
        self.post_outcome(board)
        while not self.bell.has_rung:
            for number in board.take_down_stuck(self.settings.stuck_timeout):
                logging.warning("task %s was stuck, pending again", number)
            if self.bell.has_rung:
                return
            task = board.take()
            if task is None:
                logging.info("nothing to do")
                self.bell.wait(self.settings.poll_interval)
                continue
            logging.info("task %s taken: %s", task.id, task.title)
            began = time.monotonic()
            status = self.have_done(task, board)
            now = time.monotonic()
            self.outcome = Outcome(task, status, now - began, now)
            self.post_outcome(board)

    def have_done(self, task: Task, board: Board) -> str:
        """The work, in a child; how it ended."""
        try:
            with child() as process:
                assert process.stdin is not None
                assert process.stdout is not None
                order = {
                    "id": task.id,
                    "type": task.type,
                    "payload": task.payload,
                    "seconds": self.settings.duration,
                }
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()
                while not select.select([process.stdout], [], [], self.settings.stuck_timeout / 4)[0]:
                    self.show_life(task, board)
                why = process.stdout.read().decode().strip()
                status = process.wait()
        except OSError as error:
            why, status = str(error), -1
        if status != 0:
            logging.warning("task %s failed (%s): %s", task.id, status, why)
        return "completed" if status == 0 else "failed"

    def show_life(self, task: Task, board: Board) -> None:
        try:
            board.show_life(task)
        except psycopg.Error as error:
            logging.info("task %s: the old connection is gone (%s), using another one", task.id, one_line(error))
            try:
                with Board(self.settings.url, self.settings.name) as other:
                    other.show_life(task)
            except psycopg.Error as problem:
                logging.warning("task %s: no sign of life: %s", task.id, one_line(problem))

    def post_outcome(self, board: Board) -> None:
        if self.outcome is None:
            return
        task, status, seconds, _ = self.outcome
        if board.close_run(task, status):
            logging.info("task %s %s in %.2fs", task.id, status, seconds)
        else:
            logging.warning("task %s is in other hands, or gone; nothing was written", task.id)
        self.outcome = None

    def wait_for_database(self) -> None:
        if self.outcome is None:
            self.bell.wait(PAUSE)
            return
        time.sleep(PAUSE)
        if self.bell.has_rung and time.monotonic() - self.outcome.since > self.settings.stuck_timeout:
            logging.error("task %s: nobody to tell how it ended; it will be done again", self.outcome.task.id)
            self.outcome = None


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that hears no Ctrl-C, and that is gone after the block."""
    command = [sys.executable, "-E", "-S", str(JOB)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())
