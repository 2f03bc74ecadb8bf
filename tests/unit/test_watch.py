"""What a save can have changed, and which checks that are."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from grader.checkpoints import all_checks, select
from grader.commands import watch
from grader.commands.changes import Reach, State, affected, look, reach, roles_of, saved
from grader.commands.stage import ServerChoice
from grader.commands.watch import wait_for_save
from grader.errors import BadSubmission
from grader.history.events import DocumentRead
from grader.history.timeline import History
from grader.judging import Take
from grader.report import FORMATS, write_all
from grader.saved import save
from grader.submission import Submission, load_submission
from tests.unit.any_report import PASSED
from tests.unit.histories import Story
from tests.unit.test_saved import RUN, recordings

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


@pytest.mark.parametrize("output", ["out", "a/b", "."])
def test_the_report_that_a_grade_leaves_is_no_save_wherever_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    before = look(tmp_path, Path(output))
    assert write_all(PASSED, tmp_path / output, {**FORMATS, "junit.xml": lambda report: report.submission}) == []
    save(tmp_path / output, RUN, recordings())
    (tmp_path / output / "build.log").write_text("built")
    for named in (Path(output), tmp_path / output, tmp_path / "link" / output):
        assert saved(before, look(tmp_path, named)) == ()
    assert saved(before, look(tmp_path, tmp_path / "elsewhere")) != ()


def test_what_others_put_beside_the_report_is_a_save(tmp_path: Path) -> None:
    before = look(tmp_path, tmp_path)
    (tmp_path / "worker.py").write_text("")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "report.json").write_text("")
    assert saved(before, look(tmp_path, tmp_path)) == ("a/report.json", "worker.py")


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


def test_waiting_ends_with_a_save_and_not_before_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[State] = [{}, {}, {"a": (1, 1)}, {"a": (2, 9)}, {"a": (2, 9)}, {"a": (3, 3)}]
    monkeypatch.setattr("grader.commands.watch.LOOK_EVERY", 0.0)
    assert wait_for_save(lambda: states.pop(0), {}) == {"a": (2, 9)}
    assert len(states) == 1


# ---------------------------------------------------------------- a submission that is built


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[watch._Watched]:
    """A submission whose build makes its program anew each time, as ``build`` and as the set-up have it made."""
    (tmp_path / "flowforge.toml").write_text(
        '[api]\ncommand = ["true"]\n[worker]\ncommand = ["./made"]\n[build]\ncommand = ["make"]\n'
    )
    builds = count(1)

    def build(submission: Submission, log: Path) -> None:
        log.write_text("made")
        (submission.folder / "made").write_text("x" * next(builds))
        if (submission.folder / "broken").exists():
            raise BadSubmission("the build (make) failed")

    @contextmanager
    def stage(submission: Submission, *_arguments: object, build_log: Path, **_more: object) -> Iterator[None]:
        build(submission, build_log)
        yield

    monkeypatch.setattr(watch, "build", build)
    monkeypatch.setattr(watch, "stage", stage)
    server = ServerChoice("embedded", None, "")
    options = watch.Options(tmp_path, tmp_path / "out", part=None, jobs=None, server=server)
    with watch._set_up(options, (), Console(file=io.StringIO()), options.look()) as watched:
        yield watched


def test_what_the_first_build_makes_before_it_fails_is_no_save(
    tmp_path: Path, watched: watch._Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waits(Exception):
        pass

    def wait(look: Callable[[], State], before: State) -> State:
        assert saved(before, look()) == ()
        raise Waits

    monkeypatch.setattr(watch, "wait_for_save", wait)
    (tmp_path / "broken").write_text("")
    with pytest.raises(Waits):
        watch.watch(watched.options, watched.console)


def test_what_the_first_build_makes_is_no_save(watched: watch._Watched) -> None:
    watched.stop_when_saved()


@pytest.mark.parametrize("broken", [False, True])
def test_what_a_build_makes_after_a_save_is_no_save(watched: watch._Watched, broken: bool) -> None:
    watched.recordings["once"] = []
    if broken:
        (watched.options.folder / "broken").write_text("")
    assert watched.is_built() is not broken
    watched.stop_when_saved()


def test_what_is_saved_once_it_is_built_is_a_save(watched: watch._Watched) -> None:
    (watched.options.folder / "worker.go").write_text("")
    with pytest.raises(watch._Saved):
        watched.stop_when_saved()
