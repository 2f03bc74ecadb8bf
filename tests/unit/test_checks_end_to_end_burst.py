"""3b.burst, from literal histories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from grader.history.events import Event, HttpExchange
from grader.judgement import NotObserved
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, times
from tests.unit.stories import Row, never_up, without

PASS, FAIL = Verdict.PASS, Verdict.FAIL
B = "worker-B"

TITLES = [f"burst {number}" for number in range(10)]


def posts(
    story: Story, answers: Sequence[Any] | None = None, statuses: Sequence[int | None] = (201,) * 10
) -> Story:
    """Ten clients post, one each hundredth of a second, and are answered with these bodies."""
    for number, title in enumerate(TITLES):
        body = {"id": number} if answers is None else answers[number]
        story.ask("POST", "/tasks", round(1.1 + number / 100, 2), statuses[number], body, {"title": title})
    return story


def stored(story: Story, titles: Sequence[str] = TITLES) -> Story:
    for number, title in enumerate(titles):
        story.insert(str(number), 1.5, by="api", title=title)
    return story


def worked_off(story: Story, tasks: Sequence[int] = range(10)) -> Story:
    for number in tasks:
        story.claim(str(number), 2.0 + number, B).complete(str(number), 2.54 + number, B)
    return story


def over(story: Story) -> Story:
    return story.note("burst-over", 20.0)


def begun() -> Story:
    return Story().start("api").start(B).note("burst", 1.0, titles=TITLES)


def burst(answers: Sequence[Any] | None = None, titles: Sequence[str] = TITLES) -> Story:
    return over(worked_off(stored(posts(begun(), answers), titles)))


def test_ten_tasks_that_are_each_worked_off_once_pass_with_the_time_from_first_to_last() -> None:
    judgement = judged("3b.burst", burst())
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "10 tasks in 10.4 s, each claimed once and completed once"


def test_a_burst_that_the_api_service_never_came_up_for_is_its_fault() -> None:
    judgement = judged("3b.burst", never_up(Story().start("api")))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "no answer in 10 s"


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("burst", "the scenario did not come as far as the burst"),
        ("burst-over", "the scenario came to no end"),
    ],
)
def test_a_burst_that_was_not_seen_to_its_end_says_nothing(missing: str, reason: str) -> None:
    with pytest.raises(NotObserved, match=f"^{reason}$"):
        judged("3b.burst", without(burst(), missing))


@pytest.mark.parametrize(
    ("statuses", "observed"),
    [
        ((201,) * 9 + (503,), "1 of 10 refused: status 503"),
        ((None, 429) + (201,) * 8, "2 of 10 refused: ReadTimeout"),
        ((201,) * 4 + (500,) * 6, "6 of 10 refused: status 500"),
        ((429,) + (201,) * 9, "1 of 10 refused: status 429"),
    ],
)
def test_posts_that_are_refused_fail_with_how_many_and_the_first_of_them(
    statuses: Sequence[int | None], observed: str
) -> None:
    judgement = judged("3b.burst", over(posts(begun(), statuses=statuses)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "a task for each of 10 POSTs at the same time"
    assert judgement.observed == observed
    assert ("send none of them away" if 429 in statuses[:1] else "a connection of its own") in str(judgement.hint)
    refused = [round(1.1 + n / 100, 2) for n, status in enumerate(statuses) if status != 201]
    assert times(judgement) == refused[:4]


def test_what_was_posted_before_the_burst_has_no_part_in_it() -> None:
    story = Story().start("api").start(B).ask("POST", "/tasks", 0.1, 500, {}, {"title": "first"})
    story.ask("POST", "/tasks", 0.2, 500, {}).ask("PUT", "/tasks/1", 0.3, 500, {}, {"title": TITLES[0]}).insert(
        "first", 0.3, by="api"
    ).add(*burst().events)
    judgement = judged("3b.burst", story)
    assert judgement.verdict is Verdict.PASS
    assert judgement.observed == "10 tasks in 10.4 s, each claimed once and completed once"


def of_another(*numbers: int) -> list[Any]:
    """Answers of which these are with the id of the next task."""
    return [{"id": (number + 1) % 10 if number in numbers else number} for number in range(10)]


@pytest.mark.parametrize("numbers", [(3,), (0, 2, 4, 5, 6)])
def test_clients_that_are_answered_with_the_task_of_another_fail_with_how_many(numbers: Sequence[int]) -> None:
    judgement = judged("3b.burst", burst(of_another(*numbers)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "10 tasks, one for each client, each with its own title"
    clients = f"{len(numbers)} client{'s' * (len(numbers) > 1)}"
    assert judgement.observed == f"10 tasks in the table; {clients} got the task of another"
    assert "must not lie where another one can reach it" in str(judgement.hint)
    assert times(judgement) == [round(1.1 + n / 100, 2) for n in numbers[:4]]


@pytest.mark.parametrize("answer", [None, {}, {"title": "burst 0"}, {"id": 77}, {"id": None}, []])
def test_an_answer_that_names_no_task_of_another_is_judged_elsewhere(answer: Any) -> None:
    assert judged("3b.burst", burst([answer] * 10)).verdict is Verdict.PASS


def test_an_answer_with_the_id_of_a_task_from_before_the_burst_is_the_task_of_another() -> None:
    story = Story().start("api").insert("77", 0.3, by="api", title="first").add(*burst([{"id": 77}] * 10).events)
    observed = judged("3b.burst", story).observed
    assert observed == "10 tasks in the table; 10 clients got the task of another"


@pytest.mark.parametrize(
    ("titles", "observed"),
    [
        (TITLES[:9], "9 tasks in the table, none of them with the title burst 9"),
        (TITLES[:6], "6 tasks in the table, none of them with the title burst 6, burst 7, burst 8 and 1 more"),
        (TITLES[:7], "7 tasks in the table, none of them with the title burst 7, burst 8, burst 9"),
        ([*TITLES, "burst 3"], "11 tasks in the table"),
        ([*TITLES[:9], "burst 3"], "10 tasks in the table, none of them with the title burst 9"),
    ],
)
def test_titles_that_are_not_in_the_table_once_each_fail_with_what_is_there(
    titles: Sequence[str], observed: str
) -> None:
    story = over(stored(posts(begun(), [{}] * 10), titles))
    judgement = judged("3b.burst", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == observed
    assert times(judgement) == [1.1, 1.11, 1.12, 1.13]


def test_the_title_that_a_task_began_with_is_its_own_whatever_is_written_later() -> None:
    edited = stored(posts(begun())).update("3", 1.6, "api", title="edited")
    assert judged("3b.burst", over(worked_off(edited))).verdict is Verdict.PASS
    edited = stored(posts(begun())).update("3", 1.6, "api", title="edited")
    others = [number for number in range(10) if number != 3]
    assert (
        judged("3b.burst", over(worked_off(edited, others))).observed
        == "all but 1: task 3 (0 claims, 0 completions)"
    )


def test_tasks_may_be_stored_in_another_order_than_they_were_posted_in() -> None:
    answers = [{"id": 9 - number} for number in range(10)]
    assert judged("3b.burst", burst(answers, TITLES[::-1])).verdict is Verdict.PASS


def test_tasks_may_be_posted_in_any_order() -> None:
    story = Story().start("api").start(B).note("burst", 1.0, titles=TITLES[::-1])
    assert judged("3b.burst", over(worked_off(stored(posts(story))))).verdict is Verdict.PASS


def test_tasks_that_are_left_are_told_with_their_numbers() -> None:
    judgement = judged("3b.burst", over(worked_off(stored(posts(begun())), range(4))))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "10 tasks, each claimed once and completed once"
    told = ", ".join(f"task {n} (0 claims, 0 completions)" for n in (4, 5, 6))
    assert judgement.observed == f"all but 6: {told} and 3 more"
    assert times(judgement) == [1.5, 1.5, 1.5]
    assert [line.text for line in judgement.evidence] == [f"task {n} inserted, pending" for n in (4, 5, 6)]


@pytest.mark.parametrize(
    ("change", "observed"),
    [
        ({"status": "completed"}, "all but 1: task 9 (0 claims, 1 completion)"),
        ({"status": "processing"}, "all but 1: task 9 (1 claim, 0 completions)"),
    ],
)
def test_a_task_that_was_claimed_or_completed_and_not_both_fails(change: Row, observed: str) -> None:
    story = worked_off(stored(posts(begun())), range(9)).update("9", 12.0, B, **change)
    assert judged("3b.burst", over(story)).observed == observed


def test_a_second_completion_and_a_second_claim_fail() -> None:
    story = worked_off(stored(posts(begun()))).complete("2", 15.0, "worker-C")
    assert (
        judged("3b.burst", over(story.start("worker-C"))).observed == "all but 1: task 2 (1 claim, 2 completions)"
    )
    story = stored(posts(begun())).claim("2", 1.6, B).update("2", 1.7, B, status="pending")
    assert judged("3b.burst", over(worked_off(story))).observed == "all but 1: task 2 (2 claims, 1 completion)"


def without_its_title(event: Event) -> Event:
    """The exchange with another one's title in its body, and this one's under another key."""
    if isinstance(event, HttpExchange) and event.at == 1.15:
        return replace(event, request=json.dumps({"title": "burst 9", "description": "burst 5"}))
    return event


def test_it_is_the_title_of_a_request_that_says_whose_task_it_asked_for() -> None:
    story = Story().add(*[without_its_title(event) for event in burst().events])
    assert judged("3b.burst", story).observed == ("10 tasks in the table; 1 client got the task of another")


# ---------------------------------------------------------------- ten clients


def ten_clients(
    *,
    titles: list[str] = TITLES,
    answered: list[int] | None = None,
    status: int = 201,
    claims: int = 1,
    left: int = 0,
) -> CheckResult:
    """Ten tasks with these titles are stored; the n-th client is answered with the id of the n-th of ``answered``."""
    story = Story().start("api").start(B).note("burst", 1.0, titles=TITLES)
    ids = answered or list(range(10))
    for number, title in enumerate(TITLES):
        story.ask("POST", "/tasks", 1.1, status, {"id": ids[number]}, {"title": title}, took=0.3)
    for number, title in enumerate(titles):
        story.insert(str(number), 1.2, by="api", title=title)
    for number in range(len(titles) - left):
        for again in range(claims):
            story.claim(str(number), 2.0 + number + again / 10, B)
            if again < claims - 1:
                story.update(str(number), 2.05 + number + again / 10, B, status="pending")
        story.complete(str(number), 2.5 + number, B)
    return graded("3b.burst", story.note("burst-over", 20.0).history())


def test_ten_tasks_of_ten_clients_pass_with_whatever_number_they_are_answered() -> None:
    assert ten_clients().verdict is PASS
    assert ten_clients(status=200).verdict is PASS


def test_a_task_under_the_title_of_another_fails() -> None:
    seen = ten_clients(titles=[*TITLES[:9], TITLES[0]])
    assert seen.verdict is FAIL
    assert seen.observed == (
        "10 tasks in the table, none of them with the title burst 9; 1 client got the task of another"
    )


def test_an_answer_with_the_id_of_another_task_fails() -> None:
    seen = ten_clients(answered=[9] * 10)
    assert seen.observed == "10 tasks in the table; 9 clients got the task of another"


def test_refusals_lost_tasks_and_second_claims_fail() -> None:
    assert ten_clients(status=429, titles=[]).observed == "10 of 10 refused: status 429"
    assert ten_clients(left=1).observed == "all but 1: task 9 (0 claims, 0 completions)"
    assert ten_clients(claims=2).verdict is FAIL
