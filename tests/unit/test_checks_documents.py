"""3b.data-flow and 3b.answers: what is found in a text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grader.checkpoints.documents import PARTS, QUESTIONS, STATES, answers, asked_in_the_lab, in_order
from grader.history.events import DocumentRead
from grader.history.timeline import History
from grader.model import CheckResult, Verdict
from tests.unit.judging import CHECKS, graded


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
    assert "in a comment" in str(documents_judged("3b.data-flow", f"# Flow\n<!-- {story} -->").hint)
    assert documents_judged("3b.data-flow", story.replace("worker", "nobody")).hint == CHECKS["3b.data-flow"].hint


def documents_judged(name: str, text: str | None) -> CheckResult:
    kind = "data-flow" if name == "3b.data-flow" else "answers"
    document = DocumentRead(at=1.0, name=kind, path="x.md", text=text, problem=None if text else "it is not there")
    return graded(name, History([document]))


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


@pytest.mark.parametrize(
    "code",
    [
        "```sh\n# a comment\n## 3a.2 no heading\n```",
        "~~~\n# a comment\n```\n# still\n~~~",
        "````\n```\n# a comment\n```\n# still\n````",
        "```\n# a comment\n``` no end\n# still\n`````  ",
        "  ```\n  x\n# a comment\n  ```".replace("\n#", "\n  #"),
        "- ```sh\n  # a comment\n  ```",
        "1. first:\n\n    ```sh\n    # a comment\n    ```",
        "```html\n<!-- shown -->\n# a comment\n```",
        "```html\n<!-- never closed\n# a comment\n```",
        "```\n# a comment\n```\n\nand\n\n~~~\n# another\n~~~",
    ],
)
def test_code_in_an_answer_ends_no_answer_and_begins_none(code: str) -> None:
    text = f"## 3a.1\nBefore.\n{code}\nAfter.\n## 3a.2\nNext.\n# End\nx"
    assert answers(text) == {"3a.1": f"Before.\n{code}\nAfter.", "3a.2": "Next."}


def test_code_that_never_ends_reaches_to_the_end_of_the_text() -> None:
    assert answers("## 3a.1\n```\n# x\n## 3a.2\ny") == {"3a.1": "```\n# x\n## 3a.2\ny"}


def test_code_in_a_list_ends_with_the_list() -> None:
    assert answers("## 3a.1\n- x\n  ```\n  y\n## 3a.2\nz") == {"3a.1": "- x\n  ```\n  y", "3a.2": "z"}


@pytest.mark.parametrize("line", ["```x``` is inline", "``", "text ```", "<!-- ``` -->", "<!--\n```\n-->\nx"])
def test_what_opens_no_code_hides_no_heading(line: str) -> None:
    assert answers(f"## 3a.1\n{line}\n## 3a.2\ny")["3a.2"] == "y"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("odd", ["\x0c", "\u2028", "\x85"])
def test_lines_are_counted_as_markdown_counts_them(newline: str, odd: str) -> None:
    text = newline.join(["## 3a.1", f"a{odd}b", "```", "# x", "```", "## 3a.2", "y"])
    assert answers(text) == {"3a.1": f"a{odd}b\n```\n# x\n```", "3a.2": "y"}


def test_a_rule_below_an_answer_makes_no_heading_of_it() -> None:
    assert answers("## 3a.1\nBecause.\n---\n## 3a.2\ny\n===") == {"3a.1": "Because.\n---", "3a.2": "y\n==="}


def test_a_heading_in_a_quotation_is_none_of_the_document() -> None:
    assert answers("## 3a.1\nx\n> ## 3a.2\n> y") == {"3a.1": "x\n> ## 3a.2\n> y"}


def test_an_answer_with_code_is_attached_as_a_whole() -> None:
    code = "```python\n# first\nfor step in work:\n    pass\n```"
    seen = answered(lambda question: f"{own(question)}\n{code}\nThat is all.")
    assert seen.verdict is Verdict.PASS
    assert all(code in each.text and each.text.endswith("That is all.") for each in seen.attachments)


def test_what_stands_in_code_is_drawn() -> None:
    story = "client, api, table, worker; pending, processing, completed"
    assert documents_judged("3b.data-flow", f"# Flow\n```\n<!-- {story}\n```").verdict is Verdict.PASS
