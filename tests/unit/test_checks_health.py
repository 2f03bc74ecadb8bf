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
