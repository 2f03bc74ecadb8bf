"""x.task-types, from literal histories."""

from __future__ import annotations

import pytest

from grader.model import CheckResult, Evidence, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, reason

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"

PLAIN, EMAIL = ("6101", "fuzzy otter"), ("6102", "quiet heron")
SAME = "the same lines as for a plain task"


def an_email(*lines: tuple[float, str], status: str = "completed") -> Story:
    """A plain task until 2, an email from then on, completed at 3."""
    story = Story().start(A, WORKER_TASK_DURATION="0.4").insert("6101", 1.0).insert("6102", 2.0)
    story.claim("6101", 1.25, A).complete("6101", 1.75, A)
    story.note("email", 2.0, task=EMAIL[0], title=EMAIL[1], plain=PLAIN[0], plain_title=PLAIN[1])
    if status != "pending":
        story.claim("6102", 2.25, A).update("6102", 3.0, A, status=status)
    for at, text in lines:
        story.log(A, at, text)
    return story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")


def test_without_an_email_nothing_can_be_judged_of_types() -> None:
    story = Story().start(A).insert("6101", 1.0)
    assert reason("x.task-types", story) == "the plain task was not completed"


@pytest.mark.parametrize(("status", "steps"), [("pending", 1), ("failed", 3)])
def test_an_email_that_is_not_completed_fails_with_its_life(status: str, steps: int) -> None:
    judgement = judged("x.task-types", an_email((2.5, "sending mail for task 6102"), status=status))
    assert (judgement.verdict, judgement.expected) == (FAIL, "the email task completed")
    assert judgement.observed == f"it is {status}"
    assert len(judgement.evidence) == steps
    assert all("6102" in line.text for line in judgement.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "sending task=6102 to nobody",
        "sending 'quiet heron' to nobody",
        "E-MAIL is on its way",
        "mailer called",
    ],
)
def test_a_line_that_names_the_email_and_has_no_like_is_its_own(text: str) -> None:
    judgement = judged(
        "x.task-types", an_email((1.5, "claimed task=6101"), (2.5, "claimed task=6102"), (2.6, text))
    )
    assert (judgement.verdict, judgement.observed) == (PASS, "completed, with a line of its own")
    assert judgement.evidence == (Evidence(2.6, f"log: {text}", A),)


def test_the_first_line_of_its_own_is_the_proof() -> None:
    story = an_email((2.0, "email 6102 begins"), (2.5, "email 6102 is under way"))
    assert judged("x.task-types", story).evidence == (Evidence(2.0, "log: email 6102 begins", A),)


@pytest.mark.parametrize(
    ("plain", "email"),
    [
        ("done id:6101", "done id:6102"),
        ("working on 'fuzzy otter'", "working on 'quiet heron'"),
        ("12:00:01 task 6101 took 0.05 s", "12:00:02 task 6102 took 0.06 s"),
        ("mail checked", "mail checked"),
    ],
)
def test_a_line_that_a_plain_task_has_as_well_is_not_the_emails_own(plain: str, email: str) -> None:
    assert judged("x.task-types", an_email((1.5, plain), (2.5, email))).observed == SAME


@pytest.mark.parametrize("text", ["heartbeat", "task 61020 seen", "task 7.6102 seen"])
def test_a_line_of_something_else_is_not_the_emails_own(text: str) -> None:
    assert judged("x.task-types", an_email((2.5, text))).observed == SAME


def test_a_line_of_another_service_is_not_the_emails_own() -> None:
    story = an_email().start(B).log(B, 2.5, "sending mail for task 6102")
    assert judged("x.task-types", story).verdict is FAIL


def test_a_line_that_names_the_plain_task_is_not_the_emails_own_however_late_it_comes() -> None:
    assert judged("x.task-types", an_email((2.5, "no mail to send for task 6101"))).observed == SAME


def test_a_late_line_of_the_plain_task_tells_what_is_usual() -> None:
    assert judged("x.task-types", an_email((2.4, "ending task 6102"), (2.5, "ending task 6101"))).observed == SAME


def test_an_email_like_any_other_task_fails_with_the_first_five_lines_since_it_came() -> None:
    usual = [(1.5 + number / 100, f"step {number}") for number in range(3)]
    since = [(2.0 + number / 100, f"step {number}") for number in range(7)]
    judgement = judged("x.task-types", an_email(*usual, *since))
    assert judgement.verdict is FAIL
    assert judgement.expected == "a log line for the email that a plain task does not have"
    assert judgement.observed == SAME
    assert judgement.evidence == tuple(Evidence(at, f"log: {text}", A) for at, text in since[:5])


def test_an_email_s_own_line_counts_however_soon_it_comes() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="0.05").insert("6101", 1.0).claim("6101", 1.25, A)
    story.complete("6101", 1.75, A).insert("6102", 2.0).claim("6102", 2.005, A)
    story.log(A, 2.01, "sending mail for task 6102 to nobody").complete("6102", 2.1, A)
    story.note("email", 2.02, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1])
    story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")
    assert judged("x.task-types", story).verdict is Verdict.PASS


SENDING = (2.5, "sending mail for task 6102")


def plain_task_that_fails(status: str = "failed") -> Story:
    story = Story().start(A).insert("1", 1.0).claim("1", 1.5, A).update("1", 2.0, A, status=status)
    return story.note("failing", 1.1, task="1")


def test_an_email_that_is_over_before_its_work_can_have_been_done_fails() -> None:
    story = an_email(SENDING, status="processing").complete("6102", 2.3, A)
    judgement = judged("x.task-types", story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "an email takes the time that work takes")
    assert judgement.observed == "task 6102 completed 0.05 s after its claim, and its work takes 0.4 s"


def test_where_plain_work_is_too_short_as_well_the_email_is_not_blamed() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="2").insert("6101", 1.0).insert("6102", 2.0)
    story.claim("6101", 1.25, A).complete("6101", 1.75, A).claim("6102", 2.25, A).complete("6102", 2.3, A)
    story.note("email", 2.0, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1]).log(A, *SENDING)
    story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_is_to_fail_and_is_completed_fails_where_a_plain_task_does_not() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).complete("6103", 5.0, A)
    judgement = judged("x.task-types", story, plain_task_that_fails())
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 6103 was completed")
    assert judgement.expected == "an email whose payload says so fails, as a plain task does"
    assert judged("x.task-types", story, plain_task_that_fails("completed")).verdict is PASS
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_ends_the_worker_as_it_fails_is_no_plain_failure() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).exit(A, 5.0, 1)
    judgement = judged("x.task-types", story, plain_task_that_fails())
    assert (judgement.verdict, judgement.observed) == (FAIL, "the worker ended")


def test_an_email_that_came_to_no_end_is_not_judged_where_a_plain_task_does() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A)
    assert reason("x.task-types", story, plain_task_that_fails()) == "an email whose work fails came to no end"
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_fails_as_its_payload_says_passes() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).update("6103", 5.0, A, status="failed")
    assert judged("x.task-types", story, plain_task_that_fails()).verdict is PASS


def test_without_an_email_that_is_to_fail_nothing_can_be_said() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="0.1").insert("6101", 1.0).claim("6101", 1.25, A)
    story.complete("6101", 1.75, A).insert("6102", 2.0).claim("6102", 2.25, A).complete("6102", 3.0, A)
    story.note("email", 2.0, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1]).log(A, *SENDING)
    assert reason("x.task-types", story) == "the scenario came to no end"


def an_email_after_a_plain_task(*lines: tuple[float, str]) -> CheckResult:
    """A plain task 1 until 2, an email 2 from then on, completed at 3."""
    story = Story().start(A).insert("1", 1.0).insert("2", 2.0).claim("2", 2.5, A).complete("2", 3.0, A)
    story.note("email", 2.1, task="2", title="title 2", plain="1", plain_title="title 1")
    story.insert("3", 3.5).note("failing-email", 3.5, task="3")
    story.log(A, 1.2, "claimed task=1 'title 1' attempt=1")
    for at, text in (*lines, (2.6, "claimed task=2 'title 2' attempt=1"), (3.1, "completed task=2 in 0.31 s")):
        story.log(A, at, text)
    return graded("x.task-types", story.history())


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (((1.9, "completed task=1 in 0.12 s"),), FAIL),
        (((2.55, "completed task=1 in 0.12 s"),), FAIL),  # read late
        (((1.9, "completed task=1 in 0.12 s"), (2.7, "sending task=2 to nobody")), PASS),
        (((1.9, "completed task=1 in 0.12 s"), (2.7, "mail sent")), PASS),
    ],
)
def test_an_email_has_a_line_that_a_plain_task_does_not_have(
    lines: tuple[tuple[float, str], ...], verdict: Verdict
) -> None:
    assert an_email_after_a_plain_task(*lines).verdict is verdict
