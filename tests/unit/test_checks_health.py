"""2.health, from literal histories: each answer of /health, and how long it took."""

from __future__ import annotations

import pytest

from grader.checkpoints import all_checks
from grader.history.events import Stalled
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story

PASS, FAIL = Verdict.PASS, Verdict.FAIL
[CHECK] = [check for check in all_checks() if check.id == "2.health"]

PHASES = {
    "up": (10.0, 200, "with the database up"),
    "busy": (20.0, 200, "while two other requests wait for a locked table"),
    "gone": (30.0, 503, "with the database gone"),
    "back": (40.0, 200, "with the database back"),
    "silent": (50.0, 503, "with a database that accepts connections and never answers"),
}
"""When /health is asked in each phase, the right answer, and the words for it."""


def asking(*without: str, status: int | None = None, took: float = 0.1, phase: str = "") -> Story:
    """A right api-service; in one phase with another answer."""
    return lists(_asking(*without, status=status, took=took, phase=phase), 200)


def lists(story: Story, *statuses: int | None, since: float = 45.0, path: str = "/tasks") -> Story:
    """With the database back, tasks are asked for from 45 to 48, and are answered like this each half second."""
    for number, status in enumerate(statuses):
        story.ask("GET", path, since + number / 2, status, {"detail": "no"} if status != 200 else [])
    return story.note("asks-for-tasks", 45.0).note("asked-for-tasks", 48.0)


def _asking(*without: str, status: int | None = None, took: float = 0.1, phase: str = "") -> Story:
    story = Story().start("api").ask("GET", "/health", 35.0, 503).ask("GET", "/tasks", 20.0, 500, took=9.0)
    for name, (at, right, _) in PHASES.items():
        if name in without:
            continue
        story.note("asks-health", at, phase=name)
        changed = name == phase
        story.ask("GET", "/health", at, status if changed else right, took=took if changed else 0.1)
    return story


def judged(story: Story, patience: float = 1.0) -> Judgement:
    return CHECK.judge(story.history(patience))


def test_a_health_that_tells_the_truth_passes() -> None:
    judgement = judged(asking())
    assert judgement.verdict is PASS
    assert judgement.observed == "200, 200 behind a slow query, 503, 200 again, and 503 when nothing answers"


@pytest.mark.parametrize("phase", PHASES)
def test_another_answer_fails_in_every_phase(phase: str) -> None:
    at, right, words = PHASES[phase]
    wrong = 503 if right == 200 else 200
    judgement = judged(asking(phase=phase, status=wrong, took=0.25))
    assert (judgement.verdict, judgement.expected) == (FAIL, f"{words}: {right} within 2 s")
    assert judgement.observed == f"status {wrong} after 0.2 s"
    assert (judgement.hint is not None and "has to be replaced" in judgement.hint) is (phase == "back")
    assert [(line.at, line.text) for line in judgement.evidence] == [(at, f"GET /health → {wrong} null")]


@pytest.mark.parametrize("phase", PHASES)
def test_no_answer_fails_in_every_phase(phase: str) -> None:
    judgement = judged(asking(phase=phase, status=None, took=4.0))
    assert (judgement.verdict, judgement.observed) == (FAIL, "ReadTimeout after 4.0 s")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("took", "patience", "verdict"),
    # Two seconds, and half a second for the machine times patience.
    [(2.5, 1.0, PASS), (2.51, 1.0, FAIL), (3.5, 3.0, PASS), (3.51, 3.0, FAIL)],
)
def test_a_right_answer_that_comes_late_fails(phase: str, took: float, patience: float, verdict: Verdict) -> None:
    story = asking(phase=phase, status=PHASES[phase][1], took=took)
    assert judged(story, patience).verdict is verdict


@pytest.mark.parametrize(("at", "verdict"), [(29.9, FAIL), (30.0, PASS), (31.0, PASS), (33.6, FAIL)])
def test_the_time_that_the_machine_stood_still_meanwhile_is_taken_off(at: float, verdict: Verdict) -> None:
    story = asking(phase="gone", status=503, took=3.0).add(Stalled(at=at, seconds=0.5))
    assert judged(story).verdict is verdict


def test_the_first_wrong_answer_is_told() -> None:
    story = asking("busy", "back", phase="up", status=500)
    assert judged(story).observed == "status 500 after 0.1 s"


def test_an_api_service_that_was_not_asked_to_the_end_says_nothing() -> None:
    with pytest.raises(NotObserved, match="^the api-service did not come up$"):
        judged(asking("silent", phase="up", status=500))
    with pytest.raises(NotObserved, match="^the api-service did not come up$"):
        judged(asking("silent").note("asks-health", 50.0, phase="silent"))


@pytest.mark.parametrize("phase", ["up", "busy", "gone", "back"])
def test_a_phase_that_did_not_come_about_says_nothing(phase: str) -> None:
    with pytest.raises(NotObserved, match=f"^/health was not asked {PHASES[phase][2]}$"):
        judged(asking(phase))


def test_what_health_answers_until_it_is_asked_in_a_phase_does_not_count() -> None:
    story = asking().ask("GET", "/health", 39.99, 503).ask("GET", "/health", 40.01, 503)
    assert judged(story).verdict is PASS


def test_only_get_health_is_an_answer_of_health() -> None:
    story = asking("silent").note("asks-health", 50.0, phase="silent")
    story.ask("POST", "/health", 50.0, 405).ask("GET", "/healthz", 50.0, 404).ask("GET", "/health", 50.2, 503)
    assert judged(story).verdict is PASS


# ---------------------------------------------------------------- the tasks, with the database back


@pytest.mark.parametrize("statuses", [(200,), (500, 503, 200), (None, 500, 200), (200, 500)])
def test_tasks_that_are_there_again_in_time_pass(statuses: tuple[int | None, ...]) -> None:
    assert judged(lists(_asking(), *statuses)).verdict is PASS


def test_a_connection_that_stays_lost_fails_with_how_often_tasks_were_asked_for() -> None:
    judgement = judged(lists(_asking(), 500, 500, None, 503))
    assert judgement.verdict is FAIL
    assert judgement.expected == "with the database back, GET /tasks answers 200 again"
    assert judgement.observed == "status 503, 4 times in 3.0 s"
    assert "A connection that was lost has to be replaced" in str(judgement.hint)
    assert [(line.at, line.text) for line in judgement.evidence] == [
        (45.5, 'GET /tasks → 500 {"detail": "no"}'),
        (46.0, "GET /tasks → ReadTimeout"),
        (46.5, 'GET /tasks → 503 {"detail": "no"}'),
    ]


@pytest.mark.parametrize(
    ("at", "verdict"), [(44.99, FAIL), (45.0, PASS), (47.99, PASS), (48.0, FAIL), (48.01, FAIL)]
)
def test_only_an_answer_to_what_was_asked_meanwhile_counts(at: float, verdict: Verdict) -> None:
    story = lists(_asking(), 500, since=46.0)
    assert judged(story.ask("GET", "/tasks", at, 200, [])).verdict is verdict


def test_tasks_that_were_not_asked_for_say_nothing() -> None:
    with pytest.raises(NotObserved, match="^no task was asked for with the database back$"):
        judged(lists(_asking()))


@pytest.mark.parametrize("status", [201, 204, 404])
def test_another_answer_than_200_shows_no_tasks(status: int) -> None:
    assert judged(lists(_asking(), status)).observed == f"status {status}, 1 time in 3.0 s"


@pytest.mark.parametrize(("method", "path"), [("POST", "/tasks"), ("GET", "/tasks/1"), ("GET", "/health")])
def test_only_get_tasks_shows_the_tasks(method: str, path: str) -> None:
    story = lists(_asking(), 500)
    assert judged(story.ask(method, path, 46.0, 200, [])).verdict is FAIL


@pytest.mark.parametrize("noted", [(), ("asks-for-tasks",), ("asked-for-tasks",)])
def test_tasks_that_were_not_asked_for_to_the_end_say_nothing(noted: tuple[str, ...]) -> None:
    story = _asking().ask("GET", "/tasks", 46.0, 500)
    for name in noted:
        story.note(name, 45.0 if name == "asks-for-tasks" else 48.0)
    with pytest.raises(NotObserved, match="^no task was asked for with the database back$"):
        judged(story)


def test_a_health_that_lies_is_told_before_tasks_that_are_not_shown() -> None:
    story = lists(_asking(phase="silent", status=200), 500)
    assert judged(story).expected == "with a database that accepts connections and never answers: 503 within 2 s"
