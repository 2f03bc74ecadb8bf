"""``grader watch`` as people use it: a save is graded in seconds, what failed first, and Ctrl-C ends everything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from grader.run_folder import PREFIX
from tests.zoo.submissions import SOLUTION, all_wrong, make_wrong

ROOT = Path(__file__).parents[2]
FAULT = "exit-status-one"
"""A fault that ``PART`` has checks for."""

PATIENCE = 300


@pytest.fixture
def temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="w-", dir="/tmp"))
    folder.chmod(0o711)  # root's database runs as another user
    yield folder
    shutil.rmtree(folder)


class Watching:
    """A watch of a submission; ``round`` is what it says up to the next time that it waits."""

    def __init__(self, folder: Path, output: Path, temporary: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
        environment["PYTHONUNBUFFERED"] = "1"
        options = ["--postgres", "embedded", "--part", "3a", "--output", str(output)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grader", "watch", str(folder), *options],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._rounds: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        told = ""
        for line in self.process.stdout:
            told += line
            if line.startswith("Watching "):
                self._rounds.put(told)
                told = ""
        self._rounds.put(told)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def round(self) -> str:
        return self._rounds.get(timeout=PATIENCE)


def verdicts(output: Path) -> dict[str, str]:
    report = json.loads((output / "report.json").read_text())
    return {check["id"]: check["verdict"] for check in report["checks"]}


def test_a_save_is_graded_again_what_failed_first_and_ctrl_c_ends_everything(
    temporary: Path, tmp_path: Path
) -> None:
    [fault] = [each for each in all_wrong() if each.name == FAULT]
    folder, output = make_wrong(fault, tmp_path), tmp_path / "report"
    watching = Watching(folder, output, temporary)
    try:
        first = watching.round()
        assert "3a.sigterm-finishes-task" in first
        before = verdicts(output)
        failed = {name for name, verdict in before.items() if verdict == "fail"}
        assert "3a.sigterm-finishes-task" in failed
        # A document is nobody's code: none of these checks reads it.
        (folder / "docs" / "data-flow.md").write_text("Nothing.\n")
        assert "Grading:" not in watching.round()
        # The fault again, in other words: what failed is run alone, and fails still.
        for path in (folder / "worker_service").glob("*.py"):
            path.write_text(path.read_text() + "\n# saved\n")
        again = watching.round()
        assert again.count("Grading: ") == 1
        assert f"Grading: {len(failed)} check" in again
        assert "stand as they did before the last save" in (output / "report.json").read_text()
        # Mended: what failed passes, and the rest of the worker's checks follow.
        for path in (SOLUTION / "worker_service").glob("*.py"):
            shutil.copy(path, folder / "worker_service" / path.name)
        mended = watching.round()
        assert mended.count("Grading: ") == 2
        assert set(verdicts(output).values()) == {"pass"}
        assert "before the last save" not in (output / "report.json").read_text()
        assert "Nothing is left to do" in mended
        watching.process.send_signal(signal.SIGINT)
        assert "everything it had started is gone" in watching.round()
        assert watching.process.wait(30) == 128 + signal.SIGINT
    finally:
        watching.end()
    assert list(temporary.glob(f"{PREFIX}*")) == []


def test_a_folder_without_a_submission_is_refused_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grader", "watch", str(tmp_path / "none")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
