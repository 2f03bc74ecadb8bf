"""What a save can have changed, and which checks that are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.checkpoints import all_checks, select
from grader.commands.changes import Reach, State, affected, look, reach, roles_of, saved
from grader.commands.watch import wait_for_save
from grader.history.events import DocumentRead
from grader.history.timeline import History
from grader.judging import Take
from grader.submission import Submission, load_submission
from tests.unit.histories import Story

SOLUTION = Path(__file__).parents[2] / "solution"
CHECKS = all_checks()


@pytest.fixture(scope="module")
def solution() -> Submission:
    return load_submission(SOLUTION)


def test_saved_are_files_that_were_made_changed_or_removed(tmp_path: Path) -> None:
    for name in ("kept", "changed", "removed"):
        (tmp_path / name).write_text("x")
    before = look(tmp_path)
    assert set(before) == {"kept", "changed", "removed"}
    (tmp_path / "changed").write_text("xy")
    (tmp_path / "removed").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "made").write_text("")
    assert saved(before, look(tmp_path)) == ("changed", "folder/made", "removed")
    assert saved(before, before) == ()


def test_a_file_of_the_same_length_is_known_by_its_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    before = look(tmp_path)
    os.utime(tmp_path / "file", ns=(1, before["file"][0] + 1))
    assert saved(before, look(tmp_path)) == ("file",)


def test_what_tools_make_is_not_looked_at(tmp_path: Path) -> None:
    for name in (
        "__pycache__/a.py",
        ".git/index",
        ".venv/b.py",
        "node_modules/c.js",
        "d.pyc",
        ".e.py.swp",
        "f.py~",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "worker.py").write_text("")
    assert set(look(tmp_path)) == {"worker.py"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["worker_service/worker.py"], Reach(worker=True)),
        (["api_service/app.py"], Reach(api=True)),
        (["api_service/app.py", "worker_service/a/b.py"], Reach(api=True, worker=True)),
        (["docs/data-flow.md"], Reach(documents=True)),
        (["answers/lab-03.md"], Reach(documents=True)),
        (["shared.py"], Reach(api=True, worker=True)),
        (["migrations/0001_tasks.up.sql"], Reach(True, True, True, True)),
        (["flowforge.toml"], Reach(True, True, True, True)),
        ([], Reach()),
    ],
)
def test_a_file_reaches_the_service_whose_command_names_its_folder(
    solution: Submission, files: list[str], expected: Reach
) -> None:
    assert reach(solution, files) == expected


def recorded(check: str, story: Story) -> dict[str, list[Take]]:
    """All scenarios recorded as ``story``, as far as the check needs them."""
    [found] = select(CHECKS, only=[check])
    return {scenario.name: [Take(story.history(), 1.0)] for scenario in found.on}


def test_a_check_is_affected_when_a_scenario_of_its_starts_the_service() -> None:
    checks = select(CHECKS, only=["3a.starts", "2.read"])
    takes = recorded("3a.starts", Story().start("worker-A")) | recorded("2.read", Story().start("api"))
    assert [c.id for c in affected(checks, takes, Reach(worker=True))] == ["3a.starts"]
    assert [c.id for c in affected(checks, takes, Reach(api=True))] == ["2.read"]
    assert affected(checks, takes, Reach(documents=True)) == ()


def test_a_recording_that_does_not_tell_what_it_needs_may_need_anything() -> None:
    [check] = select(CHECKS, only=["3b.answers"])
    [scenario] = check.on
    silent = {scenario.name: [Take(Story().note("restarted", 1.0).history(), 1.0)]}
    for takes in ({}, silent, {scenario.name: [Take(None, 1.0, "it broke")]}):
        assert roles_of(scenario, takes) == {"api", "worker", "documents"}
    read = DocumentRead(at=1.0, name="answers", path="answers.md", text="x", problem=None)
    assert roles_of(scenario, {scenario.name: [Take(History([read]), 1.0)]}) == {"documents"}


def test_schedules_are_explored_with_workers_alone() -> None:
    [check] = select(CHECKS, only=["3b.interleavings"])
    takes = {s.name: [Take(Story().note("explored", 1.0).history(), 1.0)] for s in check.on}
    assert affected([check], takes, Reach(api=True, documents=True)) == ()
    assert affected([check], takes, Reach(worker=True)) == (check,)


def test_waiting_ends_with_a_save_and_not_before_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[State] = [{}, {}, {"a": (1, 1)}, {"a": (2, 9)}, {"a": (2, 9)}, {"a": (3, 3)}]
    monkeypatch.setattr("grader.commands.changes.look", lambda _folder: states.pop(0))
    monkeypatch.setattr("grader.commands.watch.LOOK_EVERY", 0.0)
    assert wait_for_save(tmp_path, {}) == {"a": (2, 9)}
    assert len(states) == 1
