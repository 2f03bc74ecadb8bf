"""Checks judged on literal histories: no process, no database."""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter

import pytest

from grader.checkpoints import all_checks, scenarios_of, select
from grader.checkpoints.documents import PARTS, QUESTIONS, STATES, answers, asked_in_the_lab, in_order
from grader.checkpoints.lines import names_id
from grader.checkpoints.polling import seconds_of
from grader.checkpoints.polls import rhythms
from grader.declare import Check
from grader.errors import BadCall
from grader.history.double import double_claims
from grader.history.events import DocumentRead
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story

CHECKS = all_checks()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_check_passes_or_fails_by_accident_on_an_empty_history(check: Check) -> None:
    takes = {s.name: [Take(History([]), 1.0)] for s in check.on}
    assert Judge((check,), takes).results()[check.id].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_check_passes_when_nothing_happened_after_the_start(check: Check) -> None:
    started = Story().start("api").start("worker-A").history()
    takes = {s.name: [Take(started, 1.0)] for s in check.on}
    assert Judge((check,), takes).results()[check.id].verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL)


def test_every_check_comes_after_those_that_it_builds_on() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert {before.id for before in check.after} <= seen, check.id
        seen.add(check.id)


def test_no_check_waits_for_itself_to_be_explained() -> None:
    needs = {check.id: [other.id for other in (*check.after, *check.explained_by)] for check in CHECKS}
    assert tuple(TopologicalSorter(needs).static_order())  # raises CycleError


def test_scenario_names_are_unique() -> None:
    names = [s.name for s in scenarios_of(CHECKS)]
    assert len(names) == len(set(names))


def test_a_part_and_single_checks_can_be_selected() -> None:
    assert [c.id for c in select(CHECKS, only=["3b.burst", "2.read"])] == ["2.read", "3b.burst"]
    assert {c.part for c in select(CHECKS, part="3a")} == {"3a"}
    assert select(CHECKS) == CHECKS


def test_an_unknown_check_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadCall, match="did you mean 3a.starts"):
        select(CHECKS, only=["3a.start"])
    with pytest.raises(BadCall, match="2, 3a, 3b, x"):
        select(CHECKS, part="3")


# ---------------------------------------------------------------- double claims


def claimed_by_both() -> Story:
    story = Story().start("worker-A").start("worker-B").insert("7", 1.0)
    return story.claim("7", 2.0, "worker-A")


def doubles(story: Story, timeout: float | None = None) -> int:
    history = story.history()
    return len(double_claims(history, history.story("7"), timeout))


def test_two_workers_that_take_one_task_are_a_double_claim() -> None:
    assert doubles(claimed_by_both().claim("7", 2.1, "worker-B")) == 1


def test_a_claim_after_a_crash_is_none() -> None:
    assert doubles(claimed_by_both().exit("worker-A", 2.5, -9).claim("7", 3.0, "worker-B")) == 0


def test_a_claim_after_the_holder_gave_the_task_back_is_none() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-A", status="pending")
    assert doubles(story.claim("7", 3.0, "worker-B")) == 0


def test_a_claim_after_somebody_else_gave_the_task_back_is_one() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-B", status="pending")
    assert doubles(story.claim("7", 3.0, "worker-B")) == 1


def test_a_takeover_after_the_timeout_is_none_and_before_it_is_one() -> None:
    story = claimed_by_both().update("7", 3.0, "worker-A").claim("7", 4.1, "worker-B")
    assert doubles(story, timeout=1.0) == 0
    assert doubles(story, timeout=5.0) == 1


def test_a_retry_by_the_same_worker_is_none() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-A", status="pending")
    assert doubles(story.claim("7", 2.6, "worker-A")) == 0


# ---------------------------------------------------------------- the rhythm of polls


def polling(interval: float, loops: int = 1, statements: int = 2) -> History:
    story = Story().start("worker-A")
    for n in range(int(4 / interval)):
        for loop in range(loops):
            for statement in range(statements):
                at = 1.0 + n * interval + loop * interval / loops + statement * 0.002
                story.step("worker-A", at, f"SELECT {17 + statement} FROM tasks")
    return story.history()


@pytest.mark.parametrize("interval", [0.25, 1.0])
@pytest.mark.parametrize("statements", [1, 3])
def test_the_interval_of_a_loop_is_found_whatever_a_poll_consists_of(interval: float, statements: int) -> None:
    found = rhythms(polling(interval, statements=statements), "worker-A", 0, 10)
    assert found["all"].interval == pytest.approx(interval, abs=0.01)


def test_two_loops_with_one_interval_fit_when_every_second_poll_is_counted() -> None:
    found = rhythms(polling(1.0, loops=2), "worker-A", 0, 10)
    assert not found["all"].fits(1.0, 1.0)
    assert any(r.fits(1.0, 1.0) for r in found.values())


def test_a_loop_that_spins_fits_no_interval_in_any_way() -> None:
    found = rhythms(polling(0.01, statements=1), "worker-A", 0, 10)
    assert not any(r.fits(1.0, 1.0) or r.fits(0.25, 1.0) for r in found.values())


def test_fewer_than_three_polls_have_no_interval() -> None:
    assert rhythms(Story().start("worker-A").history(), "worker-A", 0, 10)["all"].interval is None


# ---------------------------------------------------------------- documents


def test_parts_and_states_are_looked_for_apart_and_in_order() -> None:
    text = "curl -> api-service -> PostgreSQL -> worker-service; pending, then processing, then completed"
    assert in_order(text, PARTS) == []
    assert in_order(text, STATES) == []


def test_what_is_missing_or_out_of_order_is_named() -> None:
    assert in_order("client, api, table", PARTS) == ["the worker"]
    assert in_order("completed before pending before processing", STATES) == ["completed"]
    assert in_order("", STATES) == ["pending", "processing", "completed"]


def test_what_stands_in_a_comment_is_not_drawn() -> None:
    story = "client, api, table, worker; pending, processing, completed"
    assert documents_judged("3b.data-flow", f"# Flow\n{story}").verdict is Verdict.PASS
    assert documents_judged("3b.data-flow", f"# Flow\n<!-- {story} -->").verdict is Verdict.FAIL
    assert documents_judged("3b.data-flow", f"# Flow\n<!-- {story}").verdict is Verdict.FAIL


def documents_judged(name: str, text: str | None) -> CheckResult:
    [check] = select(CHECKS, only=[name])
    kind = "data-flow" if name == "3b.data-flow" else "answers"
    document = DocumentRead(at=1.0, name=kind, path="x.md", text=text, problem=None if text else "it is not there")
    return Judge((check,), {check.on[0].name: [Take(History([document]), 1.0)]}).results()[name]


def answered(answer: Callable[[str], str]) -> CheckResult:
    text = "\n".join(f"## {question}\n{answer(question)}\n" for question in QUESTIONS)
    return documents_judged("3b.answers", text)


def own(question: str) -> str:
    """An answer with words that no other one has."""
    return " ".join(f"{question.replace('.', '')}word{number}" for number in range(12))


def test_ten_answers_in_words_of_their_own_pass() -> None:
    assert answered(own).verdict is Verdict.PASS


@pytest.mark.parametrize("quote", ["", "> ", "The question was: "])
def test_a_question_is_no_answer_to_itself(quote: str) -> None:
    asked = asked_in_the_lab()
    seen = answered(lambda question: quote + " ".join(asked[question].split()))
    assert (seen.verdict, "no more than the question" in str(seen.observed)) == (Verdict.FAIL, True)


def test_a_question_that_is_repeated_before_its_answer_does_no_harm() -> None:
    asked = asked_in_the_lab()
    assert answered(lambda question: f"{asked[question]}\n{own(question)}").verdict is Verdict.PASS


def test_one_answer_for_several_questions_is_told_with_their_numbers() -> None:
    seen = answered(lambda question: own("3a.4" if question == "3b.2" else question))
    assert (seen.verdict, seen.observed) == (Verdict.FAIL, "the same answer to 3a.4, 3b.2")


def test_the_questions_are_those_of_the_lab() -> None:
    asked = asked_in_the_lab()
    assert sorted(asked) == sorted(QUESTIONS)
    assert all(len(question.split()) > 5 for question in asked.values())


def test_an_answer_is_what_stands_below_its_heading() -> None:
    text = "# Answers\n## 3a.1 Polling\nBecause.\n### more\nx\n## 3a.2\n<!-- nothing -->\n## Other\ny"
    assert answers(text) == {"3a.1": "Because.\n### more\nx", "3a.2": ""}


# ---------------------------------------------------------------- reading logs and settings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("claimed 7", True),
        ("task=7, title", True),
        ('{"id":7}', True),
        ("#7", True),
        ("17", False),
        ("72", False),
        ("", False),
    ],
)
def test_an_id_is_named_as_a_word_of_its_own(text: str, named: bool) -> None:
    assert names_id(text, "7") is named


@pytest.mark.parametrize(
    ("text", "seconds"), [("0.25", 0.25), ("30", 30), ("250ms", 0.25), ("2s", 2), ("1m30s", 90), ("1h", 3600)]
)
def test_durations_are_read_back_in_both_forms(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
