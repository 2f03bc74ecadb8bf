"""Exercise 3b, part 4, and the checkpoint questions: what is written, not run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from grader.checkpoints.evidence import list_of
from grader.declare import PROJECT, check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab
from grader.model import Attachment

if TYPE_CHECKING:
    from markdown_it.token import Token

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


_NEWLINE = re.compile(r"\r\n?|\n")
"""What ends a line in CommonMark; Python knows more ends."""

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def _blocks(text: str) -> list[Token]:
    """The blocks that CommonMark makes of a text, each with its lines; what is in them is left unread."""
    from markdown_it import MarkdownIt  # loaded where documents are read only

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.parse(text)


def _shown(lines: Sequence[str], blocks: Iterable[Token]) -> list[str]:
    """The same lines as a reader sees them: without comments, which are none in a block of code."""
    found, at = list[str](), 0
    for block in [*(b for b in blocks if b.type == "fence" and b.map), None]:
        begins, ends = block.map if block is not None and block.map else (len(lines), len(lines))
        text = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), "\n".join(lines[at:begins]))
        found += text.split("\n")[: begins - at]
        found += lines[begins:ends]
        at = ends
    return found


def shown(text: str) -> str:
    """What a reader sees of Markdown: no comments."""
    return "\n".join(_shown(_NEWLINE.split(text), _blocks(text)))


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
        missing = in_order(shown(document.text), patterns)
        if missing:
            return broken(
                expected=f"{what} in the order in which a task meets them: {', '.join(patterns)}",
                observed=f"not found in this order: {list_of(missing)}",
                hint="Draw with text: what is in a picture, or in a comment, is not read."
                if len(missing) == len(PARTS)
                else None,
            )
    return holds("the parts and the states, in order", attachments=(Attachment("Data flow", document.text),))


QUESTIONS = tuple(f"{exercise}.{number}" for exercise in ("3a", "3b") for number in range(1, 6))
_ENOUGH_WORDS = 10
"""An answer of substance has at least so many words that are not those of the question."""

_ALIKE = 0.8
"""Two answers that share so much of their words are one answer."""


def answers(text: str) -> dict[str, str]:
    """Question to answer: the text below each ``## 3a.1`` heading, without comments.

    A line of a block of code is no heading, whatever it looks like.
    """
    blocks = _blocks(text)
    lines = _shown(_NEWLINE.split(text), blocks)
    # A line under a text makes a heading of it as well, and is mostly meant as a rule between two answers.
    heads = [
        (block.map, content.content)
        for block, content in pairwise(blocks)
        if block.type == "heading_open" and block.markup in ("#", "##") and not block.level and block.map
    ]
    found = {}
    for number, ((_, begins), title) in enumerate(heads):
        ends = heads[number + 1][0][0] if number + 1 < len(heads) else len(lines)
        if question := re.match(r"3[ab]\.[1-5]\b", title):
            found[question[0]] = "\n".join(lines[begins:ends]).strip()
    return found


@cache
def asked_in_the_lab() -> Mapping[str, str]:
    """Question to its text, as the lab asks it."""
    text = (PROJECT / LAB).read_text(encoding="utf-8")
    items = re.findall(r"^- \*\*(3[ab]\.[1-5])\*\*(.*(?:\n  .*)*)", text, re.MULTILINE)
    return {number: question.strip() for number, question in items}


def own_words(answer: str, *questions: str) -> frozenset[str]:
    """The different words of an answer, quoted lines and the words of these questions left out."""
    own = [line for line in answer.splitlines() if not line.lstrip().startswith(">")]
    return _words(" ".join(own)) - _words(" ".join(questions))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in re.findall(r"\w{2,}", text))


def repeated(given: Mapping[str, str], asked: Mapping[str, str]) -> list[str]:
    """The questions to which the same answer is given, but for the words of the questions themselves."""
    found: set[str] = set()
    for one, other in combinations(QUESTIONS, 2):
        questions = asked[one], asked[other]
        words = [own_words(given.get(q, ""), *questions) for q in (one, other)]
        if len(words[0] & words[1]) >= _ALIKE * len(words[0] | words[1]):
            found |= {one, other}
    return sorted(found)


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
    asked = asked_in_the_lab()
    thin = [q for q in QUESTIONS if len(own_words(given.get(q, ""), asked[q])) < _ENOUGH_WORDS]
    same = [] if thin else repeated(given, asked)
    if thin or same:
        return broken(
            expected="ten answers, each of a few sentences of its own",
            observed=f"too short, missing, or no more than the question: {list_of(thin, 10)}"
            if thin
            else f"the same answer to {list_of(same, 10)}",
            attachments=attachments,
        )
    return holds("ten answers, for a person to mark", attachments=attachments)
