"""``grader run`` as people use it: its page in a real browser shows a task move, and Ctrl-C ends everything."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from grader.run_folder import PREFIX

ROOT = Path(__file__).parents[2]


@contextmanager
def running(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The solution under ``grader run``, and the address of its page."""
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "grader", "run", str(ROOT / "solution"), "--postgres", "embedded"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        told = ""
        try:
            for line in process.stdout:
                told += line
                if found := re.search(r"live +\| (http://\S+)", line):
                    yield process, found[1]
                    break
            else:
                pytest.fail(f"no page: {told}")
        finally:
            process.kill()


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("t", numbered=True)
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o711)  # root's database runs as another user
    yield folder
    shutil.rmtree(folder)


def test_a_task_is_seen_to_move_and_ctrl_c_ends_everything(temporary: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here; on Debian: apt install chromium")
    complaints: list[str] = []
    with running(temporary) as (process, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.evaluate(
            """() => { window.seen = []; new MutationObserver(() => {
                const card = document.querySelector('[data-status]');
                if (card && seen.at(-1) !== card.dataset.status) seen.push(card.dataset.status);
            }).observe(document.getElementById('board'), {subtree: true, childList: true, attributes: true}) }"""
        )
        page.fill("#title", "<b>Water</b> the ferns")
        page.keyboard.press("Enter")
        page.locator("#completed li").wait_for(timeout=30_000)
        assert "<b>Water</b> the ferns" in page.inner_text("#completed li")
        seen = page.evaluate("seen")
        assert seen[-1] == "completed"
        assert seen == [state for state in ("pending", "processing", "completed") if state in seen]
        assert page.inner_text("#completed b") == "1"
        found = Axe().run(page).response["violations"]
        assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == []
        assert complaints == []
        process.send_signal(signal.SIGINT)
        page.get_by_text("The runner has ended").wait_for(timeout=30_000)
        browser.close()
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert "everything it had started is gone" in output
    assert list(temporary.glob(f"{PREFIX}*")) == []
