"""x.database-restart, from literal histories."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grader.history.events import UsageSampled
from grader.history.recorder import PASSWORD_MARK
from grader.judgement import Judgement, NotObserved
from grader.judging import Judge, Take
from grader.model import Evidence, Verdict
from tests.unit.histories import Story
from tests.unit.judging import CHECKS, judged, reason
from tests.unit.stories import gave_up

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"


def outages() -> Story:
    """The database goes away while A waits."""
    return Story().start(A).note("database-gone", 1.0, services=[A])


def restarted(story: Story, without: Story | None = None) -> Judgement:
    """``without``: its start while the database is out of reach."""
    return judged("x.database-restart", story, without or Story().start(A))


def used(story: Story, *cpu_s: float, every: float = 1.0, service: str = A) -> Story:
    return story.add(
        *[
            UsageSampled(at=2.0 + number * every, service=service, cpu_s=seconds, processes=1)
            for number, seconds in enumerate(cpu_s)
        ]
    )


def worked(story: Story, *tasks: str) -> Story:
    for number, task in enumerate(tasks):
        story.insert(task, 5.0 + number).claim(task, 5.25 + number, A).complete(task, 5.5 + number, A)
    return story


def came_through(story: Story) -> Story:
    return worked(story, "1", "2").note("came-through", 10.0)


def lines(story: Story, *at: float) -> Story:
    for moment in at:
        story.log(A, moment, f"line of {moment}")
    return story


def told(*at: float) -> tuple[Evidence, ...]:
    return tuple(Evidence(moment, f"log: line of {moment}", A) for moment in at)


def test_a_worker_that_comes_through_both_outages_passes_with_the_lives_of_both_tasks() -> None:
    judgement = restarted(came_through(used(outages(), 5.0, 5.1)))
    assert (judgement.verdict, judgement.observed) == (PASS, "two outages, two tasks completed")
    assert [line.text for line in judgement.evidence] == [
        "task 1 inserted, pending",
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "task 1: processing → completed",
        "task 2 inserted, pending",
        "task 2: pending → processing, assigned_worker id-of-worker-A",
        "task 2: processing → completed",
    ]


def test_without_an_outage_nothing_can_be_judged() -> None:
    story = came_through(Story().start(A))
    assert reason("x.database-restart", story, Story()) == "the worker never came to its first poll"


@pytest.mark.parametrize(("status", "words"), [(1, "status 1"), (-11, "ended by signal 11")])
def test_a_worker_that_ends_over_an_outage_fails_with_its_last_lines(status: int, words: str) -> None:
    story = lines(outages(), 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6).exit(A, 1.7, status)
    judgement = restarted(used(story, 0.0, 1.0))
    assert (judgement.verdict, judgement.expected) == (FAIL, "the worker lives")
    assert judgement.observed == "it ended when the database was gone"
    assert judgement.evidence == (*told(1.2, 1.3, 1.4, 1.5, 1.6), Evidence(1.7, f"exited, {words}", A))


def test_what_a_worker_wrote_before_the_outage_proves_nothing() -> None:
    judgement = restarted(lines(outages(), 0.9, 1.0, 1.001).exit(A, 1.7, 1))
    assert judgement.evidence[:-1] == told(1.001)


def test_a_worker_that_the_grader_ends_has_come_through() -> None:
    story = came_through(outages()).note("scenario-over", 11.0).exit(A, 11.1, -9)
    assert restarted(story).verdict is PASS


@pytest.mark.parametrize(
    ("cpu_s", "every", "verdict"),
    [
        ((0.0, 0.35), 1.0, PASS),
        ((0.0, 0.36), 1.0, FAIL),
        ((5.0, 5.25), 1.0, PASS),
        ((5.0, 5.5), 1.0, FAIL),
        ((0.0, 0.5), 2.0, PASS),
        ((0.0, 0.75), 2.0, FAIL),
        ((0.0,), 1.0, PASS),
        ((0.0, 0.5, 0.5), 1.0, FAIL),
        ((0.0, 0.25, 9.0), 1.0, PASS),
    ],
)
def test_a_worker_that_uses_more_than_a_third_of_a_cpu_without_a_database_is_busy(
    cpu_s: tuple[float, ...], every: float, verdict: Verdict
) -> None:
    assert restarted(came_through(used(outages(), *cpu_s, every=every))).verdict is verdict


def test_a_busy_worker_fails_with_what_it_used_and_its_first_lines() -> None:
    story = lines(outages(), 0.9, 1.1, 1.2, 1.3, 1.4)
    judgement = restarted(came_through(used(story, 2.0, 3.5, every=2.0)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a pause between two tries to connect")
    assert judgement.observed == "1.5 s of CPU time in 2.0 s"
    assert judgement.evidence == told(1.1, 1.2, 1.3)


def test_what_another_process_uses_makes_no_worker_busy() -> None:
    story = came_through(used(outages(), 0.0, 0.9, service=B))
    assert restarted(story).verdict is PASS


def test_a_task_that_is_not_completed_after_the_outage_fails_with_how_long_was_waited() -> None:
    story = worked(lines(outages(), 1.1, 1.2, 1.3, 1.4, 1.5, 1.6), "1").insert("2", 7.0).claim("2", 7.25, A)
    judgement = restarted(gave_up(story, 22.4, 15.4))
    assert judgement.verdict is FAIL
    assert judgement.expected == "every task completed after the database is back"
    assert judgement.observed == "15 s later: task 2 processing"
    assert judgement.hint is None
    assert judgement.evidence == (
        *told(1.2, 1.3, 1.4, 1.5, 1.6),
        Evidence(7.0, "task 2 inserted, pending"),
        Evidence(7.25, "task 2: pending → processing, assigned_worker id-of-worker-A", A),
    )


def test_every_task_that_is_lost_is_told() -> None:
    story = outages().insert("1", 5.0).claim("1", 5.1, A).update("1", 5.2, A, status="failed").insert("2", 6.0)
    judgement = restarted(gave_up(story, 21.0, 15.0))
    assert judgement.observed == "15 s later: task 1 failed, task 2 pending"
    assert "says nothing of the work" in str(judgement.hint)
    assert len(judgement.evidence) == 4


def test_a_lost_task_of_a_scenario_without_an_end_fails_as_well() -> None:
    judgement = restarted(outages().insert("1", 5.0))
    assert (judgement.verdict, judgement.observed) == (FAIL, "0 s later: task 1 pending")


def test_a_scenario_that_stops_before_its_second_task_does_not_pass() -> None:
    story = gave_up(worked(outages(), "1"), 20.0, 15.0)
    check = CHECKS["x.database-restart"]
    takes = {
        "database_restarts": [Take(story.history(), 1.0)],
        "no_database": [Take(Story().start(A).history(), 1.0)],
    }
    assert Judge((check,), takes).results()[check.id].verdict is not PASS


def test_a_task_that_is_lost_in_the_end_fails_although_it_was_completed_once() -> None:
    story = came_through(outages()).update("1", 10.5, A, status="pending")
    assert restarted(story).verdict is FAIL


LEAK = f"lost the connection to postgresql://me:{PASSWORD_MARK}@host/lab"


def test_a_password_that_is_told_when_the_connection_is_lost_fails() -> None:
    judgement = restarted(came_through(used(outages().log(A, 1.2, LEAK), 0.0, 0.1)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "no password in the log")
    assert [(line.at, line.text) for line in judgement.evidence] == [(1.2, f"log: {LEAK}")]


def test_a_password_that_is_told_without_an_outage_too_is_the_fault_of_another_check() -> None:
    story = came_through(used(outages().log(A, 1.2, LEAK), 0.0, 0.1))
    assert restarted(story, Story().start(A).log(A, 0.5, LEAK)).verdict is PASS


def test_a_password_in_the_log_of_another_service_is_not_the_workers() -> None:
    assert restarted(came_through(used(outages().start(B).log(B, 1.2, LEAK), 0.0, 0.1))).verdict is PASS


@pytest.mark.parametrize("story", [outages, lambda: gave_up(worked(outages(), "1"), 20.0, 15.0)])
def test_an_outage_that_did_not_come_about_costs_nobody_points(story: Callable[[], Story]) -> None:
    with pytest.raises(NotObserved, match="the second outage did not come about"):
        restarted(story())
