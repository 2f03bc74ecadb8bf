"""Schedules walked by real workers on a real server: the reductions against the plain search, walks that repeat."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.calibration import measure_patience
from grader.explore import ONE_TASK, Explorer
from grader.explore.explorer import WORKERS
from grader.explore.pair import Pair
from grader.explore.rules import broken_rule
from grader.explore.search import Frontier, Schedule, walk
from grader.history.events import Moment
from grader.history.recorder import Clock, Recorder
from grader.history.timeline import History
from grader.lab import Lab, Surroundings
from grader.postgres import Databases, Server
from grader.run_folder import run_folder
from grader.services import Services
from grader.submission import load_submission
from grader.wire import Wire

SOLUTION = Path(__file__).parents[2] / "solution"

MakeLab = Callable[..., Lab]
"""Takes a submission's folder; the lab lives as long as the test."""


@cache
def patience() -> float:
    """How slow this machine is."""
    return measure_patience()


@contextmanager
def labs(server: Server, clock: Clock) -> Iterator[MakeLab]:
    """Makes labs, each with a database of its own, as a run of the grader has them."""
    with ExitStack() as stack:
        run = stack.enter_context(run_folder())
        wire = stack.enter_context(Wire())
        services = stack.enter_context(Services())

        def make(folder: Path, *, deep: bool = False, patient: bool = True) -> Lab:
            submission = load_submission(folder)
            databases = stack.enter_context(Databases(server, stack.enter_context(run_folder()), clock))
            databases.prepare(submission.folder, submission.migration_files)
            database = stack.enter_context(closing(databases.create("test")))
            around = Surroundings(
                submission=submission,
                wire=wire,
                services=services,
                run=run,
                patience=patience() if patient else 1.0,
                is_cancelled=lambda: False,
                deep=deep,
            )
            return stack.enter_context(Lab(around, database, Recorder(clock), "seed", 10))

        yield make


@pytest.fixture
def make_lab(embedded_server: Server, clock: Clock) -> Iterator[MakeLab]:
    with labs(embedded_server, clock) as make:
        yield make


def changed_solution(folder: Path, file: str, before: str, after: str) -> Path:
    """A copy of the solution with one place of its worker changed."""
    copy = shutil.copytree(SOLUTION, folder / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "worker_service" / file
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    return Path(copy)


def moments(lab: Lab, name: str) -> list[dict[str, Any]]:
    """What was noted under a name."""
    return [dict(e.detail) for e in lab.recorder.events() if isinstance(e, Moment) and e.name == name]


Outcome = tuple[Any, ...]


def outcome(pair: Pair, history: History) -> Outcome:
    """What came of the tasks, and by whom; the same with the names exchanged."""
    told = []
    for task in pair.tasks:
        story = history.story(task)
        claims = tuple(claim.service for claim in story.claims)
        told.append((story.statuses, claims, tuple(done.service for done in story.completions)))
    broken = broken_rule(history, pair.tasks, stuck=pair.stuck)
    plain = repr((told, broken.rule if broken else None, pair.stuck is not None))
    names = dict(zip(WORKERS, reversed(WORKERS), strict=True))
    other = "".join(names.get(part, part) for part in _split(plain))
    return (min(plain, other),)


def _split(text: str) -> list[str]:
    first, second = WORKERS
    return [p for part in text.split(first) for p in (*_split_second(part, second), first)][:-1]


def _split_second(text: str, name: str) -> list[str]:
    return [p for part in text.split(name) for p in (part, name)][:-1]


def searched(lab: Lab, frontier: Frontier, *, reduced: bool) -> tuple[set[Outcome], int]:
    """Every outcome of one task within the frontier's bound, and how many schedules there were."""
    found: set[Outcome] = set()
    count = 0
    with closing(Pair(lab, WORKERS, reduced=reduced)) as pair:
        while (beginning := frontier.pop()) is not None:
            pair.park()
            pair.begin(ONE_TASK.prepare(lab))
            assert walk(pair, beginning, frontier).followed
            found.add(outcome(pair, History(pair.events())))
            count += 1
    return found, count


# ---------------------------------------------------------------- reductions


def test_the_reduced_search_finds_what_the_plain_one_finds_in_fewer_schedules(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    reduced, walked = searched(lab, Frontier(bound=1), reduced=True)
    plain, orders = searched(lab, Frontier(bound=1, symmetric=False), reduced=False)
    assert reduced == plain
    assert walked < orders


def test_both_searches_find_the_rule_that_a_claim_without_a_lock_breaks(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(
        changed_solution(tmp_path, "queue.py", "LIMIT 1\n                   FOR UPDATE SKIP LOCKED", "LIMIT 1")
    )
    reduced, _ = searched(lab, Frontier(bound=1), reduced=True)
    plain, _ = searched(lab, Frontier(bound=1, symmetric=False), reduced=False)
    assert "claimed-twice" in repr(reduced)
    assert reduced == plain


def test_a_search_without_a_bound_has_an_end(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION, deep=True)
    Explorer(lab, ONE_TASK, bound=0).run()
    [explored] = moments(lab, "explored")
    assert (explored["bound"], explored["all_within_bound"], explored["undecided"]) == (None, True, 0)
    assert (explored["left_out"], explored["waiting"]) == (0, 0)
    assert explored["schedules"] > 500
    assert moments(lab, "counterexample") == []


# ---------------------------------------------------------------- walks that repeat


def trace_of(lab: Lab, schedule: Schedule) -> tuple[Schedule, list[tuple[Any, ...]]]:
    """One schedule walked by new workers: the moves, and every line with its answer, ids left out."""
    with closing(Pair(lab, WORKERS)) as pair:
        pair.park()
        pair.begin(ONE_TASK.prepare(lab))
        walked = walk(pair, schedule)
        assert walked.followed
        lines = [
            (e.lane, e.text, e.number, e.waits_for, line.is_end, e.answer and (e.answer.tag, e.answer.sqlstate))
            for line in pair.trace.lines
            for e in [line.entry]
        ]
    lab.wait_until_backends_gone()
    return walked.schedule, lines


def test_a_schedule_comes_about_the_same_way_on_new_workers_each_time(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    first, second, third = (trace_of(lab, tuple("ABABAABB")) for _ in range(3))
    assert first == second == third
    assert first[0][:8] == tuple("ABABAABB")
    assert {lane for lane, *_ in first[1]} == set(WORKERS)


def test_schedules_on_workers_that_are_kept_come_about_like_those_on_new_ones(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    frontier = Frontier(bound=1)
    walks = []
    with closing(Pair(lab, WORKERS)) as pair:
        while (beginning := frontier.pop()) is not None:
            pair.park()
            pair.begin(ONE_TASK.prepare(lab))
            walks.append(walk(pair, beginning, frontier).schedule)
    lab.wait_until_backends_gone()
    for schedule in walks[::3]:
        assert trace_of(lab, schedule)[0] == schedule


# ---------------------------------------------------------------- right workers that are unlike the solution


IN_HAND = "                    self._result = self._work(task)"


def explored(lab: Lab) -> Sequence[str]:
    """The rules that broke when one task was explored."""
    Explorer(lab, ONE_TASK, bound=1).run()
    return [example["rule"] for example in moments(lab, "counterexample")]


LOOK = 'connection.execute("SELECT status FROM tasks WHERE id = %s", (task.id,))'
LOG = 'connection.execute("INSERT INTO progress VALUES (%s, %s)", (task.id, str(number)))'


@pytest.mark.parametrize(
    ("statement", "times"),
    [
        pytest.param(LOOK, 3, id="three looks at its task"),
        pytest.param(LOOK, 4, id="four looks at its task"),
        pytest.param(LOG, 3, id="three lines about its progress"),
        pytest.param(LOG, 10, id="ten lines about its progress"),
    ],
)
def test_a_worker_that_asks_the_same_again_while_it_works_is_right(
    make_lab: MakeLab, tmp_path: Path, statement: str, times: int
) -> None:
    loop = f"                    for number in range({times}):\n                        {statement}\n"
    copy = changed_solution(tmp_path, "worker.py", IN_HAND, loop + IN_HAND)
    (copy / "migrations" / "0002_progress.up.sql").write_text("CREATE TABLE progress (task bigint, line text);")
    assert explored(make_lab(copy)) == []
