"""The solution's worker, where workers commonly fail."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from grader.history.recorder import Clock
from grader.postgres import Databases, Server
from grader.run_folder import run_folder
from tests.integration.solution_services import SOLUTION, Condition, Solution, eventually, solution_on


@pytest.fixture(scope="module")
def copies(embedded_server: Server, clock: Clock) -> Iterator[Databases]:
    # A run of its own: the fixture `databases` may be alive on this server under the run of the test process.
    with run_folder() as own, Databases(embedded_server, own, clock) as databases:
        databases.prepare(SOLUTION, sorted((SOLUTION / "migrations").glob("*.up.sql")))
        yield databases


@pytest.fixture
def solution(copies: Databases) -> Iterator[Solution]:
    with closing(copies.create("solution-worker")) as database, solution_on(database) as solution:
        yield solution


def insert(solution: Solution, count: int = 1, **columns: object) -> list[str]:
    return solution.database.insert_tasks(
        [{"title": f"job {n}", "age": count - n, **columns} for n in range(count)]
    )


def of_task(solution: Solution, task: str, column: str) -> object:
    row = solution.database.task(task)
    assert row is not None
    return row[column]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "here"),
        ("DATABASE_URL", "postgresql://u:s3cret@w@host/name"),
        ("DATABASE_URL", "postgresql://u:s3/cret@host/name"),
        ("DATABASE_URL", "postgresql://u:s3cret%zz@host/name"),
        ("WORKER_ID", " "),
        ("WORKER_POLL_INTERVAL", "0"),
        ("WORKER_POLL_INTERVAL", "abc"),
        ("WORKER_TASK_DURATION", "-1"),
        ("WORKER_STUCK_TIMEOUT", "nan"),
        ("WORKER_STUCK_TIMEOUT", "inf"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_setting_ends_it_with_one_line(solution: Solution, name: str, value: str) -> None:
    worker = solution.start("worker_service", **{name: value})
    assert worker.exit_status() == 1
    assert len(worker.lines) == 1
    assert name in worker.log
    assert "s3" not in worker.log
    assert "cret" not in worker.log


def test_tasks_are_worked_on_in_their_order_and_bad_work_fails(solution: Solution) -> None:
    first, bad, mail, odd = insert(solution, 4)
    worker = solution.worker(duration=0.0)
    for task in (first, bad, mail, odd):
        solution.becomes(task, "completed")
    [bad] = insert(solution, payload={"fail": True})
    [mail] = insert(solution, type="email")
    [odd] = insert(solution, type="nobody knows", payload=[1])
    solution.becomes(bad, "failed")
    solution.becomes(mail, "completed")
    solution.becomes(odd, "completed")
    worker.logs(f"sending an email for task={mail}")
    worker.logs(f"completed task={odd}")
    claims = [line.split("claimed task=")[1].split()[0] for line in worker.lines if "claimed" in line]
    assert claims == sorted(claims, key=int)
    assert f"completed task={bad}" not in worker.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_it_finish_the_task_in_hand_and_no_other(solution: Solution, number: signal.Signals) -> None:
    in_hand, waiting = insert(solution, 2)
    worker = solution.worker(duration=0.6)
    solution.becomes(in_hand, "processing")
    worker.signal(number)
    worker.logs("shutdown begun")
    assert solution.status_of(in_hand) == "processing"
    worker.signal(number)
    assert worker.exit_status() == 0
    assert (solution.status_of(in_hand), solution.status_of(waiting)) == ("completed", "pending")
    assert worker.lines[-1].endswith("shutdown complete\n")
    assert "Traceback" not in worker.log


def test_a_signal_ends_a_long_wait_at_once(solution: Solution) -> None:
    worker = solution.worker(poll=60)
    worker.logs("no pending tasks")
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.exit_status() == 0
    assert time.monotonic() - began < 1


def test_a_signal_ends_it_while_the_database_is_out_of_reach(solution: Solution) -> None:
    solution.line.cut("refuses")
    worker = solution.worker()
    worker.logs("next try in 0.8 s")
    worker.signal(signal.SIGTERM)
    assert worker.exit_status() == 0
    assert solution.database.service.password not in worker.log
    assert worker.log.count("next try") < 6


def test_work_longer_than_the_timeout_stays_with_its_worker_even_after_a_signal(solution: Solution) -> None:
    [task] = insert(solution)
    worker = solution.worker(duration=2.0, stuck=0.8)
    solution.becomes(task, "processing")
    rival = solution.worker(duration=2.0, stuck=0.8, poll=0.05, name="rival")
    worker.signal(signal.SIGTERM)
    solution.becomes(task, "completed")
    assert worker.exit_status() == 0
    assert of_task(solution, task, "attempts") == 1
    assert "recovered" not in rival.log


def test_a_sleeper_neither_revives_nor_completes_what_was_taken_over_by_its_own_name(solution: Solution) -> None:
    [task] = insert(solution)
    sleeper = solution.worker(duration=1.0, stuck=0.8, name="twin")
    solution.becomes(task, "processing")
    sleeper.signal(signal.SIGSTOP)
    other = solution.worker(duration=1.5, stuck=0.8, poll=0.05, name="twin")
    other.logs(f"claimed task={task}")
    sleeper.signal(signal.SIGCONT)
    sleeper.logs("was taken over or deleted")
    assert solution.status_of(task) == "processing"
    solution.becomes(task, "completed")
    assert (of_task(solution, task, "attempts"), f"completed task={task}" in sleeper.log) == (2, False)


def test_a_completion_whose_answer_was_lost_is_known_to_be_done(solution: Solution) -> None:
    [task] = insert(solution)
    solution.line.withhold = b"UPDATE tasks SET status = $1"
    worker = solution.worker(poll=0.1)
    worker.logs("next try")
    worker.logs(f"completed task={task}")
    assert solution.line.withhold is None
    assert (solution.status_of(task), of_task(solution, task, "attempts")) == ("completed", 1)
    assert "taken over" not in worker.log


def test_a_claim_whose_answer_was_lost_is_recovered(solution: Solution) -> None:
    [task] = insert(solution)
    solution.line.withhold = b"COMMIT"
    worker = solution.worker(poll=0.1, stuck=0.5)
    worker.logs("recovered task=")
    solution.becomes(task, "completed")
    assert of_task(solution, task, "attempts") == 2


def test_a_lost_line_is_found_again_and_the_result_of_the_work_with_it(solution: Solution) -> None:
    worker = solution.worker(duration=0.5)
    worker.logs("no pending tasks")
    solution.line.cut("refuses")
    worker.logs("next try")
    solution.line.cut("up")
    worker.logs("connected", times=2)
    [task] = insert(solution)
    solution.becomes(task, "processing")
    solution.line.cut("refuses")
    worker.signal(signal.SIGTERM)
    worker.logs("next try in 0.4 s")
    solution.line.cut("up")
    assert worker.exit_status() == 0
    assert (solution.status_of(task), of_task(solution, task, "attempts")) == ("completed", 1)


@pytest.mark.parametrize("condition", ["refuses", "swallows"])
def test_a_stopped_worker_leaves_a_result_to_recovery_within_ten_seconds(
    solution: Solution, condition: Condition
) -> None:
    [task] = insert(solution)
    worker = solution.worker(duration=0.5)
    solution.becomes(task, "processing")
    solution.line.cut(condition)
    worker.signal(signal.SIGTERM)
    began = time.monotonic()
    assert worker.exit_status() == 0
    assert time.monotonic() - began < 10
    assert f"result of task={task} not recorded" in worker.log
    assert worker.lines[-1].endswith("shutdown complete\n")
    assert solution.status_of(task) == "processing"


def test_recovery_waits_for_the_timeout_and_does_not_wait_for_a_locked_row(solution: Solution) -> None:
    left: dict[str, object] = {"title": "left", "status": "processing", "assigned_worker": "gone", "age": 1000}
    old, locked, young = solution.database.insert_tasks([{**left, "updated_age": age} for age in (101, 100, 1)])
    with solution.database.hold_row(locked):
        worker = solution.worker(stuck=50)
        solution.becomes(old, "completed")
        assert solution.status_of(locked) == "processing"
    solution.becomes(locked, "completed")
    eventually(lambda: worker.log.count("no pending tasks") > 1, "more polls")
    assert solution.status_of(young) == "processing"
