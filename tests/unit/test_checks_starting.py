"""3a.starts and 3a.database-down, from literal histories."""

from __future__ import annotations

from typing import Any

import pytest

from grader.checkpoints.starting import BAD_SETTINGS
from grader.history.events import ConnectionOpened, UsageSampled, WaitTimedOut
from grader.history.recorder import PASSWORD_MARK
from grader.history.timeline import History
from grader.judgement import Judgement, NotObserved
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, told, verdicts
from tests.unit.stories import chatting

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"
POLL = "SELECT id FROM tasks WHERE status = 'pending'"


def gave_up(seconds: float) -> WaitTimedOut:
    return WaitTimedOut(at=20.0, waited_for="worker-A to look for tasks", seconds=seconds)


# ---------------------------------------------------------------- 3a.starts


SHOWN = {
    "no-url": "DATABASE_URL missing",
    "bad-url": "DATABASE_URL that is no URL",
    "poll-word": "WORKER_POLL_INTERVAL=abc",
    "poll-zero": "WORKER_POLL_INTERVAL=0s",
    "poll-negative": "WORKER_POLL_INTERVAL=-1",
    "poll-nan": "WORKER_POLL_INTERVAL=NaN",
    "duration-word": "WORKER_TASK_DURATION=soon",
    "stuck-zero": "WORKER_STUCK_TIMEOUT=0s",
    "level-word": "LOG_LEVEL=loud",
}
"""What the expectation calls each bad setting."""


def polling() -> Story:
    """Started at 1, its first poll at 1.5; what it sends before prepares its connection."""
    return Story().start(A, 1.0).step(A, 1.1, "SET TIME ZONE 'UTC'").step(A, 1.5, POLL).step(A, 2.5, POLL)


def refusing(
    *other: str, status: int | None = None, lines: tuple[str, ...] = (), started: tuple[str, ...] = tuple(SHOWN)
) -> Story:
    """Each bad setting is refused in order; the ``other`` ones with this status and these lines instead."""
    story = Story()
    for name in started:
        variable, service = BAD_SETTINGS[name][0], f"worker-{name}"
        value = SHOWN[name].partition("=")[2]
        settings: dict[str, Any] = {variable: value} if value else {}
        story.start(service, **settings)
        for number, text in enumerate(lines if name in other else (f"{variable} makes no sense",)):
            story.log(service, 0.3 + number / 100, text)
        if name not in other:
            story.exit(service, 0.9, 1)
        elif status is not None:
            story.exit(service, 0.9, status)
    return story if "plain" in other else plain(story, POLL)


def plain(story: Story, *sends: str) -> Story:
    """A worker that is told where its database is, and nothing else, sends these statements."""
    story.start("worker-plain")
    for number, sql in enumerate(sends):
        story.step("worker-plain", 0.5 + number / 10, sql)
    return story


def starts(first: Story | None = None, second: Story | None = None) -> Judgement:
    return judged("3a.starts", first or polling(), second or refusing())


def test_a_worker_that_polls_and_refuses_what_makes_no_sense_passes() -> None:
    judgement = starts()
    assert judgement.verdict is PASS
    assert judgement.observed == "polling 0.5 s after its start; 9 bad settings refused"


def test_workers_that_were_not_started_say_nothing() -> None:
    with pytest.raises(NotObserved, match="^the worker was not started$"):
        starts(Story().start(B).step(B, 0.5, POLL))
    with pytest.raises(NotObserved, match="^worker-bad-url was not started$"):
        starts(second=refusing(started=("no-url",)))


@pytest.mark.parametrize("looks", [False, True])
def test_a_worker_that_ends_by_itself_fails_with_whether_it_had_polled(looks: bool) -> None:
    story = chatting(Story().start(A), 7, 0.3).step(A, 0.4, "BEGIN")
    judgement = starts((story.step(A, 0.5, POLL) if looks else story).exit(A, 0.9, 3))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a worker that polls and stays up")
    assert judgement.observed == f"it ended, status 3, {'after' if looks else 'before'} its first poll"
    assert ("finds nothing is no error" if looks else "begin with the TODOs") in str(judgement.hint)
    assert looks or "begin with the TODOs of 3a part 1" in str(judgement.hint)
    assert [text for _, text in told(judgement)] == [*[f"log: line {n}" for n in "cdefgh"], "exited, status 3"]
    assert judgement.spoils is None


@pytest.mark.parametrize(("seconds", "words"), [(10.0, "no statement in 10 s"), (None, "no statement in 0 s")])
def test_a_worker_that_never_polls_fails_with_how_long_was_waited(seconds: float | None, words: str) -> None:
    story = chatting(Story().start(A), 7, 0.3).step(A, 0.5, "SELECT 1")
    judgement = starts(story if seconds is None else story.add(gave_up(seconds)))
    assert (judgement.verdict, judgement.observed) == (FAIL, words)
    assert judgement.expected == "a poll on the database that DATABASE_URL names"
    assert "the address in DATABASE_URL" in str(judgement.hint)
    assert [text for _, text in told(judgement)] == [f"log: line {n}" for n in "cdefgh"]
    assert judgement.spoils is None


def test_what_another_worker_polls_is_no_poll_of_this_one() -> None:
    assert starts(Story().start(A).start(B).step(B, 0.5, POLL)).observed == "no statement in 0 s"


@pytest.mark.parametrize("name", SHOWN)
def test_a_bad_setting_that_is_accepted_fails_and_is_named(name: str) -> None:
    judgement = starts(second=refusing(name))
    variable = BAD_SETTINGS[name][0]
    assert (judgement.verdict, judgement.observed) == (FAIL, "it went on running")
    assert judgement.expected == f"{SHOWN[name]}: a status other than 0 and one line that names {variable}"
    assert judgement.spoils == frozenset()


@pytest.mark.parametrize(
    ("status", "lines", "observed"),
    [
        (0, ("WORKER_POLL_INTERVAL is no number",), "it ended with status 0"),
        (-1, ("WORKER_POLL_INTERVAL is no number",), "it was ended by signal 1"),
        (-9, (), "it was ended by signal 9"),
        (2, (), "status 2, but no line names WORKER_POLL_INTERVAL"),
        (2, ("bad setting", "WORKER_POLL is wrong"), "status 2, but no line names WORKER_POLL_INTERVAL"),
        (1, ("Traceback (most recent call last):", "ValueError: WORKER_POLL_INTERVAL"), "a bare traceback"),
        (2, ("WORKER_POLL_INTERVAL", "panic: bad"), "a bare traceback"),
        (2, ("WORKER_POLL_INTERVAL", "goroutine 1 [running]:"), "a bare traceback"),
        (1, ("WORKER_POLL_INTERVAL", "Error", "    at main (worker.js:7)"), "a bare traceback"),
    ],
)
def test_a_refusal_has_a_status_and_a_line_with_the_name_and_no_traceback(
    status: int, lines: tuple[str, ...], observed: str
) -> None:
    judgement = starts(second=refusing("poll-word", status=status, lines=lines))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)


@pytest.mark.parametrize("status", [1, 78])
def test_a_refusal_may_have_any_status_but_zero_and_say_more(status: int) -> None:
    lines = ("starting", "error: WORKER_POLL_INTERVAL=abc: not a number, look at the log", "bye")
    assert starts(second=refusing("poll-word", status=status, lines=lines)).verdict is PASS


def test_the_first_bad_setting_that_is_not_refused_is_told_with_its_last_six_lines() -> None:
    lines = tuple(f"line {letter}" for letter in "abcdefgh")
    judgement = starts(second=refusing("poll-zero", "stuck-zero", status=0, lines=lines))
    assert str(judgement.expected).startswith("WORKER_POLL_INTERVAL=0s: ")
    assert [text for _, text in told(judgement)] == [*[f"log: line {n}" for n in "cdefgh"], "exited, status 0"]
    assert {line.service for line in judgement.evidence} == {"worker-poll-zero"}


def test_of_a_worker_that_goes_on_running_only_its_lines_are_shown() -> None:
    assert told(starts(second=refusing("poll-word", lines=("hello",)))) == [(0.3, "log: hello")]


def test_a_worker_with_nothing_but_defaults_that_polls_passes_whatever_comes_then() -> None:
    assert starts(second=plain(refusing("plain"), "SET TIME ZONE 'UTC'", POLL)).verdict is PASS
    assert starts(second=plain(refusing("plain"), POLL).exit("worker-plain", 0.9, 1)).verdict is PASS


@pytest.mark.parametrize(
    ("status", "observed"), [(None, "no poll"), (3, "it ended, status 3"), (-6, "it ended, ended by signal 6")]
)
def test_a_worker_that_does_not_poll_with_its_defaults_fails_and_spoils_nothing(
    status: int | None, observed: str
) -> None:
    story = plain(refusing("plain"), "SET TIME ZONE 'UTC'", "BEGIN")
    for letter in "abcdefgh":
        story.log("worker-plain", 0.7, f"line {letter}")
    judgement = starts(second=story if status is None else story.exit("worker-plain", 0.9, status))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == (
        "with DATABASE_URL and LOG_LEVEL=debug it polls: WORKER_ID, WORKER_POLL_INTERVAL, WORKER_TASK_DURATION, "
        "WORKER_STUCK_TIMEOUT have defaults"
    )
    assert "levels are debug, info, warning and error" in str(judgement.hint)
    assert [line.text for line in judgement.evidence if line.text.startswith("log")] == [
        f"log: line {letter}" for letter in "cdefgh"
    ]
    assert len(judgement.evidence) == (6 if status is None else 7)
    assert judgement.spoils == frozenset()


def test_what_the_workers_with_bad_settings_send_is_no_poll_with_defaults() -> None:
    story = plain(refusing("plain"))
    for service in ("worker-no-url", A):
        story.step(service, 0.5, POLL)
    assert starts(second=story).observed == "no poll"


def test_a_worker_with_nothing_but_defaults_that_was_not_started_says_nothing() -> None:
    with pytest.raises(NotObserved, match="^worker-plain was not started$"):
        starts(second=refusing("plain"))


def test_a_bad_setting_that_is_accepted_is_told_before_defaults_that_are_missing() -> None:
    assert starts(second=plain(refusing("plain", "stuck-zero"))).observed == "it went on running"


def test_a_bad_setting_that_is_accepted_leaves_the_rest_to_be_judged() -> None:
    running = Story().start(A).step(A, 0.5, "SELECT id FROM tasks").insert("7", 1.0).claim("7", 2.0, A)
    accepted = Story()
    for name in ("no-url", "bad-url", "poll-word"):
        accepted.start(f"worker-{name}")
    found = verdicts(
        "3a.starts",
        "3a.processes",
        three_tasks=running.complete("7", 2.5, A).history(),
        bad_settings=accepted.history(),
    )
    assert found == [FAIL, PASS]


def test_a_worker_that_never_polls_leaves_nothing_to_be_judged() -> None:
    ended = Story().start(A).exit(A, 1.0, 1).history()
    assert verdicts("3a.starts", "3a.processes", three_tasks=ended) == [FAIL, Verdict.SKIPPED]


# ---------------------------------------------------------------- 3a.database-down


def usual() -> Story:
    return Story().start(A).log(A, 0.1, "started").step(A, 0.3, POLL)


def gone(*lines: str, back: float | None = 3.0) -> Story:
    """The database is out of reach from 0.1 to 3; the worker writes these lines from 0.2 on."""
    story = Story().start(A).note("database-gone", 0.1)
    for number, text in enumerate(lines):
        story.log(A, 0.2 + number / 1000, text)
    return story if back is None else story.note("database-back", back)


def used(story: Story, cpu_s: float) -> Story:
    """So much CPU time in two seconds."""
    return story.add(
        UsageSampled(at=0.5, service=A, cpu_s=0.5, processes=1),
        UsageSampled(at=2.5, service=A, cpu_s=0.5 + cpu_s, processes=1),
    )


def copes(first: Story, second: Story | None = None, third: Story | None = None) -> Judgement:
    return judged("3a.database-down", first, second or usual(), third or refusing())


def test_a_worker_that_tries_again_until_the_database_is_back_passes() -> None:
    judgement = copes(used(gone("started", "no database", "no database yet"), 0.1).log(A, 3.2, "connected"))
    assert (judgement.verdict, judgement.observed) == (PASS, "3 lines in 2.9 s, then it connected")
    assert told(judgement) == [(0.2, "log: started")]


def test_a_worker_without_a_database_has_to_be_seen_and_to_poll_when_there_is_one() -> None:
    with pytest.raises(NotObserved, match="^the worker was not started$"):
        copes(Story().start(A).log(A, 0.2, "no database"))
    with pytest.raises(NotObserved, match="^with a database it does not come as far as a poll either$"):
        copes(gone("no database"), Story().start(A).step(A, 0.3, "SELECT 1").start(B).step(B, 0.4, POLL))


@pytest.mark.parametrize("at", [0.3, 3.5])
def test_a_password_in_the_log_is_what_matters_whenever_it_is_written(at: float) -> None:
    story = gone("started").log(A, at, f"cannot reach postgresql://me:{PASSWORD_MARK}@host/lab").exit(A, 4.0, 0)
    judgement = copes(story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "the database password was logged")
    assert judgement.expected == "no password in the log"
    assert "Log what failed, not the URL" in str(judgement.hint)
    assert told(judgement) == [(at, f"log: cannot reach postgresql://me:{PASSWORD_MARK}@host/lab")]


def test_a_password_in_the_log_of_a_worker_that_logs_as_much_as_it_can_is_one_as_well() -> None:
    text = f"connecting to postgresql://me:{PASSWORD_MARK}@host/lab"
    judgement = copes(gone("no database"), third=refusing().log("worker-plain", 0.7, text))
    assert (judgement.verdict, judgement.observed) == (FAIL, "the database password was logged")
    assert told(judgement) == [(0.7, f"log: {text}")]


@pytest.mark.parametrize("name", ["bad-url", "poll-word", "level-word"])
def test_a_password_in_what_a_bad_setting_is_refused_with_is_one_as_well(name: str) -> None:
    text = f"bad settings: DATABASE_URL='postgresql://me:{PASSWORD_MARK}@host:no-port/lab'"
    judgement = copes(gone("no database"), third=refusing().log(f"worker-{name}", 0.7, text))
    assert (judgement.verdict, judgement.observed) == (FAIL, "the database password was logged")
    assert told(judgement) == [(0.7, f"log: {text}")]


@pytest.mark.parametrize("at", [3.0, 3.2])
def test_what_is_said_when_the_database_is_back_is_said_too_late(at: float) -> None:
    judgement = copes(gone().log(A, at, "the database was away"))
    assert (judgement.verdict, judgement.observed) == (FAIL, "silence")
    assert judgement.expected == "a line that says that the database cannot be reached"
    assert told(judgement) == []


def test_lines_that_always_come_are_shown_up_to_four() -> None:
    story = gone("started", "started 1", "started 2", "started 3", "started 4").log(A, 3.2, "connected")
    with_database = usual().log(A, 0.2, "started 7")
    judgement = copes(story, with_database)
    assert judgement.observed == "no line but those that come with a database as well"
    assert [text for _, text in told(judgement)] == [f"log: started {number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("status", "words"), [(1, "it said so and ended, status 1"), (78, "it said so and ended, status 78")]
)
def test_a_worker_that_says_so_and_ends_passes(status: int, words: str) -> None:
    judgement = copes(used(gone("started", "no database", "bye", back=None), 2.0).exit(A, 1.0, status))
    assert (judgement.verdict, judgement.observed) == (PASS, words)
    assert told(judgement) == [(0.202, "log: bye")]


def test_a_worker_that_ends_as_if_all_were_well_fails() -> None:
    judgement = copes(gone("no database", back=None).exit(A, 1.0, 0))
    assert (judgement.verdict, judgement.expected, judgement.observed) == (
        FAIL,
        "a status other than 0",
        "status 0",
    )
    assert told(judgement) == [(1.0, "exited, status 0")]


@pytest.mark.parametrize(("cpu_s", "verdict"), [(0.69, PASS), (0.71, FAIL)])
def test_a_worker_that_waits_uses_little_cpu_time(cpu_s: float, verdict: Verdict) -> None:
    assert copes(used(gone("no database"), cpu_s)).verdict is verdict


@pytest.mark.parametrize(("cpu_s", "verdict"), [(0.5, PASS), (1.0, FAIL)])
def test_cpu_time_of_a_start_is_none_of_waiting(cpu_s: float, verdict: Verdict) -> None:
    story = gone("hello", "no database")
    for at, used_s in ((0.5, 1.0), (0.9, 3.5), (1.3, 3.6), (1.3, 3.6), (2.9, 3.6 + cpu_s)):
        story.add(UsageSampled(at=at, service=A, cpu_s=used_s, processes=1))
    assert copes(story).verdict is verdict


def test_exactly_the_share_that_is_allowed_is_no_busy_loop() -> None:
    story = gone("no database").add(
        UsageSampled(at=0.0, service=A, cpu_s=0.0, processes=1),
        UsageSampled(at=2.0, service=A, cpu_s=0.7, processes=1),
    )
    assert copes(story).verdict is PASS


def test_a_busy_loop_is_told_with_its_time_and_its_lines() -> None:
    judgement = copes(used(gone(*[f"no database, try {n}" for n in range(1, 7)]), 1.5).exit(A, 3.6, 1))
    assert (judgement.verdict, judgement.observed) == (FAIL, "1.5 s of CPU time in 2.0 s, and 6 lines")
    assert judgement.expected == "next to no CPU time while it waits for the database"
    assert [text for _, text in told(judgement)] == [f"log: no database, try {n}" for n in range(1, 5)]


@pytest.mark.parametrize(("count", "verdict"), [(100, PASS), (101, FAIL)])
def test_a_flood_of_lines_comes_of_a_busy_loop(count: int, verdict: Verdict) -> None:
    assert copes(used(gone(*["no database"] * count), 0.0).log(A, 3.2, "connected")).verdict is verdict


def test_a_worker_whose_usage_was_sampled_once_is_judged_by_the_rest() -> None:
    story = gone("no database").add(UsageSampled(at=0.5, service=A, cpu_s=5.0, processes=1))
    assert copes(story).verdict is PASS


@pytest.mark.parametrize(("ends", "observed"), [(True, "it ended"), (False, "no poll within 10 s")])
def test_a_worker_that_does_not_find_the_database_when_it_is_back_fails(ends: bool, observed: str) -> None:
    story = used(chatting(gone("no database"), 7, 3.3), 0.1)
    judgement = copes(story.exit(A, 3.6, 1) if ends else story.add(gave_up(10.0)))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "a worker that is still trying finds the database when it is back"
    assert [text for _, text in told(judgement)] == [f"log: line {n}" for n in "cdefgh"]


@pytest.mark.parametrize(
    ("exits", "connects", "verdict"),
    [(3.02, False, PASS), (3.49, False, PASS), (3.51, False, FAIL), (3.02, True, FAIL)],
)
def test_a_worker_that_gives_up_in_the_moment_in_which_the_database_is_back_has_said_so(
    exits: float, connects: bool, verdict: Verdict
) -> None:
    story = used(gone("no database, try 1", "no database, giving up"), 0.1)
    if connects:
        story.add(ConnectionOpened(at=3.01, service=A, connection=102))
    assert copes(story.exit(A, exits, 1)).verdict is verdict


def test_a_worker_that_was_gone_before_its_exit_could_be_seen_says_nothing() -> None:
    story = gone("no database", back=None).note("scenario-over", 2.0).exit(A, 2.01, 1)
    with pytest.raises(NotObserved, match="how it ended was not seen"):
        copes(story)


# ---------------------------------------------------------------- 3a.database-down: which lines say so


def without_database(*lines: str) -> Story:
    story = Story().start(A, WORKER_POLL_INTERVAL="0.5").note("database-gone", 0.1).note("database-back", 2.0)
    for number, line in enumerate(lines):
        story.log(A, 0.2 + number / 100, line)
    return story


def with_database() -> History:
    story = Story().start(A).log(A, 0.1, f"id-of-{A} started, interval 0.2 s").log(A, 0.2, "connecting, try 1")
    return story.step(A, 0.3, POLL).history()


def down(*lines: str) -> CheckResult:
    return graded("3a.database-down", without_database(*lines).history(), with_database(), Story().history())


def test_a_line_that_comes_only_without_a_database_says_so() -> None:
    assert down(f"id-of-{A} started, interval 0.5 s", "no connection; next try in 1 s").verdict is PASS


@pytest.mark.parametrize(
    "lines", [(), (f"id-of-{A} started, interval 0.5 s",), ("connecting, try 1", "connecting, try 2")]
)
def test_lines_that_come_with_a_database_as_well_say_nothing_of_its_absence(lines: tuple[str, ...]) -> None:
    assert down(*lines).verdict is FAIL


def test_a_worker_that_does_not_poll_with_a_database_either_cannot_be_judged_without_one() -> None:
    gone = without_database("cannot connect").history()
    histories = (gone, Story().start(A).history(), Story().history())
    assert graded("3a.database-down", *histories).verdict is INCONCLUSIVE
