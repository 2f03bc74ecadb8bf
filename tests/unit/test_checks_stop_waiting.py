"""3a.sigterm-while-waiting, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.events import Stalled
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged, told
from tests.unit.stories import at_work, no_exit, once

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A = "worker-A"


def waiting(exits: float | None = None, status: int = 0) -> Story:
    """SIGTERM comes at 1."""
    story = Story().start(A, WORKER_POLL_INTERVAL="30").signal(A, "SIGTERM", 1.0)
    return story if exits is None else story.exit(A, exits, status)


UNHEARD = "worker-unheard"


def unreachable(
    *, alive: bool = True, signal: bool = True, exits: float | None = 1.25, unheard: float | None = 1.5
) -> Story:
    """Without a database; SIGTERM comes at 1, and the scenario waits until 9. ``unheard``: when the other one ends."""
    story = Story().start(A).log(A, 0.1, "started").start(UNHEARD)
    story.note("tried", 0.9, alive=[*([A] if alive else []), UNHEARD])
    if signal:
        story.signal(A, "SIGTERM", 1.0)
    story.signal(UNHEARD, "SIGTERM", 1.0).note("waited", 9.0)
    for name, ends in ((A, exits), (UNHEARD, unheard)):
        if ends is not None:
            story.exit(name, ends, 1)
    return story


def stops(
    story: Story, patience: float = 1.0, without: Story | None = None, busy: Story | None = None
) -> Judgement:
    histories = (story, without or unreachable(), busy or once())
    return judged("3a.sigterm-while-waiting", *histories, patience=patience)


def test_a_waiting_worker_that_is_soon_gone_passes() -> None:
    judgement = stops(waiting(1.125))
    assert (judgement.verdict, judgement.observed) == (PASS, "gone after 0.12 s")
    assert told(judgement) == [(1.0, "SIGTERM sent"), (1.125, "exited, status 0")]


@pytest.mark.parametrize(
    ("exits", "patience", "verdict"), [(3.0, 1.0, PASS), (3.01, 1.0, FAIL), (5.0, 2.0, PASS), (5.01, 2.0, FAIL)]
)
def test_a_waiting_worker_has_two_seconds_times_patience(exits: float, patience: float, verdict: Verdict) -> None:
    assert stops(waiting(exits), patience).verdict is verdict


def test_a_waiting_worker_that_is_late_is_told_with_its_time() -> None:
    judgement = stops(waiting(3.75))
    assert (judgement.expected, judgement.observed) == ("gone within 2 s", "gone after 2.8 s")
    assert told(judgement) == [(1.0, "SIGTERM sent"), (3.75, "exited, status 0")]


@pytest.mark.parametrize(("at", "verdict"), [(2.0, PASS), (0.5, FAIL), (4.5, FAIL)])
def test_only_the_time_that_the_machine_stood_still_meanwhile_is_taken_off(at: float, verdict: Verdict) -> None:
    assert stops(waiting(3.5).add(Stalled(at=at, seconds=0.5))).verdict is verdict


def test_a_waiting_worker_that_stays_is_told_with_how_long_was_waited() -> None:
    judgement = stops(waiting().add(no_exit(6.0)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "gone within 2 s")
    assert judgement.observed == "still there 6 s after SIGTERM"
    assert told(judgement) == [(1.0, "SIGTERM sent")]


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (Story().start(A).signal(A, "SIGINT", 1.0).exit(A, 1.1), "^the worker never came to wait$"),
        (waiting(), "^the scenario came to no end$"),
    ],
)
def test_a_wait_that_was_not_interrupted_or_not_watched_to_its_end_says_nothing(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        stops(story)


def test_a_worker_that_ends_after_sigterm_without_a_database_passes_whenever_and_however() -> None:
    assert stops(waiting(1.125), without=unreachable(exits=8.9)).verdict is PASS
    killed = unreachable(exits=None).exit(A, 1.01, -15)
    assert stops(waiting(1.125), without=killed).observed == "gone after 0.12 s"


def test_a_worker_that_tries_to_connect_and_does_not_hear_of_sigterm_fails_with_how_long_was_waited() -> None:
    deaf = unreachable(exits=None)
    for number in range(1, 6):
        deaf.log(A, 1.0 + number, f"no database, try {number}")
    judgement = stops(waiting(1.125), without=deaf)
    assert (judgement.verdict, judgement.observed) == (FAIL, "still there 8 s after SIGTERM")
    assert judgement.expected == "an end after SIGTERM, although the database cannot be reached"
    assert "before each new try" in str(judgement.hint)
    assert told(judgement) == [
        (1.0, "SIGTERM sent"),
        *[(1.0 + number, f"log: no database, try {number}") for number in range(2, 6)],
    ]


def test_a_worker_that_waits_for_a_database_that_is_silent_fails_with_what_connecting_lacks() -> None:
    story = unreachable(unheard=None).log(UNHEARD, 0.5, "connecting")
    judgement = stops(waiting(1.125), without=story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "still there 8 s after SIGTERM")
    assert judgement.expected == "an end after SIGTERM, although the database is silent"
    assert "connect_timeout" in str(judgement.hint)
    assert told(judgement) == [(1.0, "SIGTERM sent"), (0.5, "log: connecting")]


def test_a_worker_that_hears_of_sigterm_neither_refused_nor_in_silence_is_told_of_the_first() -> None:
    judgement = stops(waiting(1.125), without=unreachable(exits=None, unheard=None))
    assert judgement.expected == "an end after SIGTERM, although the database cannot be reached"


def test_workers_that_the_grader_ended_in_silence_have_not_ended() -> None:
    story = unreachable(unheard=9.51).note("scenario-over", 9.5)
    assert stops(waiting(1.125), without=story).verdict is FAIL


@pytest.mark.parametrize(("exits", "verdict"), [(9.49, PASS), (9.5, FAIL), (9.51, FAIL)])
def test_an_end_that_the_grader_makes_is_none_of_the_workers(exits: float, verdict: Verdict) -> None:
    story = unreachable(exits=exits).note("scenario-over", 9.5)
    assert stops(waiting(1.125), without=story).verdict is verdict


def test_a_worker_that_gave_up_by_itself_without_a_database_needs_no_signal() -> None:
    gone_before = unreachable(alive=False, signal=False, exits=0.8)
    assert stops(waiting(1.125), without=gone_before).verdict is PASS
    assert stops(waiting(1.125), without=unreachable(alive=False, signal=False, exits=None)).verdict is PASS
    gone_meanwhile = unreachable(signal=False, exits=0.95)
    assert stops(waiting(1.125), without=gone_meanwhile).verdict is PASS


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (Story().start(A).signal(A, "SIGTERM", 1.0).note("waited", 9.0), "^the workers were not started$"),
        (unreachable(signal=False, exits=None), "^the worker got no signal$"),
        (
            Story().start(A).note("tried", 0.9, alive=[A]).signal(A, "SIGTERM", 1.0),
            "^the scenario came to no end$",
        ),
    ],
)
def test_a_worker_that_was_not_seen_to_try_without_a_database_says_nothing(without: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        stops(waiting(1.125), without=without)


@pytest.mark.parametrize(("status", "observed"), [(1, "status 1"), (-15, "ended by signal 15")])
def test_a_wait_that_ends_with_another_status_than_work_does_fails(status: int, observed: str) -> None:
    judgement = stops(waiting(1.125, status))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "exit status 0, as after a signal at work"
    assert "handled while the worker waits as well" in str(judgement.hint)
    assert told(judgement)[0] == (1.0, "SIGTERM sent")
    assert told(judgement)[1][0] == 1.125


@pytest.mark.parametrize("busy", [(-15,), (1,), ()])
def test_a_status_that_is_wrong_after_every_signal_is_another_checks_matter(busy: tuple[int, ...]) -> None:
    story = at_work()
    for status in busy:
        story.exit(A, 2.1, status)
    assert stops(waiting(1.125, -15), busy=story).verdict is PASS


def test_a_worker_that_ends_late_is_late_whatever_its_status_is() -> None:
    assert stops(waiting(3.75, 1)).observed == "gone after 2.8 s"
    assert stops(waiting(1.125, 1), without=unreachable(exits=None)).observed == "status 1"


def test_a_wait_that_is_not_interrupted_is_told_before_what_happens_without_a_database() -> None:
    late = stops(waiting(3.75), without=unreachable(exits=None))
    assert late.observed == "gone after 2.8 s"
    assert stops(waiting(3.75), without=Story()).verdict is FAIL
