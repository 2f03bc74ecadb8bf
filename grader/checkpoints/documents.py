"""Exercise 3b, part 4, and the checkpoint questions: what is written, not run."""

from __future__ import annotations

import re
from itertools import takewhile

from grader.checkpoints.evidence import list_of
from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Attachment

LAB = "labs/lab-03-worker-service.md"


@scenario(timeout=5, seconds=0)
def documents(lab: Lab) -> None:
    """The data flow and the answers are read."""
    lab.read_documents()


PARTS: dict[str, str] = {
    "the client": r"\b(client|user|curl|browser)\b",
    "the api-service": r"\bapi\b",
    "the table": r"\b(tasks|table|postgres|postgresql|database|db)\b",
    "the worker": r"\bworkers?\b",
}
STATES: dict[str, str] = {state: rf"\b{state}\b" for state in ("pending", "processing", "completed")}


def in_order(text: str, patterns: dict[str, str]) -> list[str]:
    """The first names whose patterns are missing when they are looked for one after the other; empty: all there.

    Greedy from the left, which finds a subsequence whenever there is one.
    """
    position = 0
    for number, pattern in enumerate(patterns.values()):
        found = re.compile(pattern, re.IGNORECASE).search(text.replace("_", " "), position)
        if found is None:
            return list(patterns)[number:]
        position = found.end()
    return []


@check(
    "3b.data-flow",
    points=2,
    on=documents,
    hint="Draw the way of one task: client, api-service, table, worker; and its states from pending to completed.",
    read=f"{LAB}#data-flow-document",
)
def draws_the_data_flow(history: History) -> Judgement:
    """The data-flow document draws the way of a task through client, api, table and worker, with its three states.

    Whoever can draw the way of a task can say where it may be lost. It is also the first thing that a new
    colleague asks for.
    """
    document = need(history.document("data-flow"), "the document was not looked for")
    if document.text is None:
        return broken(expected=f"a document {document.path}", observed=str(document.problem))
    for patterns, what in ((PARTS, "the parts"), (STATES, "the states")):
        missing = in_order(document.text, patterns)
        if missing:
            return broken(
                expected=f"{what} in the order in which a task meets them: {', '.join(patterns)}",
                observed=f"not found in this order: {list_of(missing)}",
            )
    return holds("the parts and the states, in order", attachments=(Attachment("Data flow", document.text),))


QUESTIONS = tuple(f"{exercise}.{number}" for exercise in ("3a", "3b") for number in range(1, 6))
_ENOUGH_WORDS = 12
"""An answer of substance has at least so many words of its own."""


def answers(text: str) -> dict[str, str]:
    """Question to answer: the text below each ``## 3a.1`` heading, without comments."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    found: dict[str, str] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        heading = re.match(r"##\s+(3[ab]\.[1-5])\b", line)
        if heading:
            body = takewhile(lambda following: not re.match(r"##?\s", following), lines[number + 1 :])
            found[heading[1]] = "\n".join(body).strip()
    return found


def substance(answer: str) -> int:
    """How many words an answer has, quoted questions left out; a repeated word counts once."""
    own = [line for line in answer.splitlines() if not line.lstrip().startswith(">")]
    return len({word.lower() for word in re.findall(r"\w{2,}", " ".join(own))})


@check(
    "3b.answers",
    points=2,
    on=documents,
    hint="Write a few sentences under each heading, in your own words. A person marks them.",
    read=f"{LAB}#checkpoint-questions",
)
def answers_the_questions(history: History) -> Judgement:
    """The ten checkpoint questions are answered, one heading each, with an answer of substance.

    The code shows that it works; the answers show that you know why.
    """
    document = need(history.document("answers"), "the document was not looked for")
    if document.text is None:
        return broken(expected=f"a document {document.path}", observed=str(document.problem))
    given = answers(document.text)
    attachments = tuple(Attachment(f"Question {q}", given[q]) for q in QUESTIONS if given.get(q))
    thin = [q for q in QUESTIONS if substance(given.get(q, "")) < _ENOUGH_WORDS]
    if thin:
        return broken(
            expected="ten answers, each of a few sentences",
            observed=f"too short or missing: {list_of(thin, 10)}",
            attachments=attachments,
        )
    return holds("ten answers, for a person to mark", attachments=attachments)
