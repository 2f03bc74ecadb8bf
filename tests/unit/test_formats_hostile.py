"""Whatever a submission writes stays text, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.model import Refusal
from grader.report import BY_NAME
from grader.report.markdown import block, code, sentence
from tests.unit.any_report import HOSTILE, SOME, hostile_report

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]"
)


def texts(name: str, text: str) -> Iterator[str]:
    """What a format says of a report, and of a refusal, full of ``text``."""
    each = BY_NAME[name]
    yield each.render(hostile_report(text))
    yield each.refuse(Refusal(text, text, ours=False))
    yield each.refuse(Refusal(text, text, ours=True))


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON document."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield from (key, *strings(item))
        case list():
            for item in value:
                yield from strings(item)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", BY_NAME)
def test_no_control_sequence_and_nothing_unseen_gets_through(name: str, text: str) -> None:
    for said in texts(name, text):
        assert not _UNSEEN.search(said)
        if BY_NAME[name].file.endswith(".json"):
            assert not any(_UNSEEN.search(part) for part in strings(json.loads(said)))


@SOME
@given(text=st.text(st.characters(), max_size=50))
@pytest.mark.parametrize("name", BY_NAME)
def test_no_control_sequence_of_any_text_gets_through(name: str, text: str) -> None:
    for said in texts(name, text):
        assert not _UNSEEN.search(said)


@pytest.mark.parametrize("text", HOSTILE)
def test_xml_stays_one_document_without_entities(text: str) -> None:
    for said in texts("junit", text):
        root = Xml.fromstring(said.encode())
        assert "<!" not in said
        known = {"testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped"}
        assert {element.tag for element in root.iter()} <= known | {"system-out", "system-err"}


@SOME
@given(text=st.text(st.characters(), max_size=50))
def test_xml_of_any_text_is_a_document(text: str) -> None:
    for said in texts("junit", text):
        Xml.fromstring(said.encode())


@SOME
@given(text=st.one_of(st.sampled_from(HOSTILE), st.from_regex(r"\s*[=+\-@＝＋－＠].{0,20}", fullmatch=True)))
def test_no_cell_is_a_formula(text: str) -> None:
    for said in texts("csv", text):
        for row in csv.reader(io.StringIO(said, newline=""), strict=True):
            for cell in row:
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")), cell


@pytest.mark.parametrize("text", HOSTILE)
def test_annotations_are_ours_alone_one_a_line(text: str) -> None:
    for said in texts("annotations", text):
        rows = said.split("\n")
        assert rows.pop() == ""
        for row in rows:
            assert re.match(r"::(error|warning) title=[^:,]*::", row)
            assert "\r" not in row


# ---------------------------------------------------------------- Markdown


def rendered(markdown: str) -> tuple[set[str], str]:
    """The kinds of what a page consists of, and its raw HTML, as a reader of GitHub's Markdown sees it."""
    reader = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
    kinds, html = set(), []
    todo = reader.parse(markdown)
    while todo:
        token = todo.pop()
        kinds.add(token.type)
        todo += token.children or []
        if token.type in ("html_block", "html_inline"):
            html.append(token.content)
    return kinds, "".join(html)


def outside_of_code(markdown: str) -> str:
    """The text in which GitHub looks for people, issues and addresses."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    said, todo = [], reader.parse(markdown)
    while todo:
        token = todo.pop()
        todo += token.children or []
        if token.type in ("text", "html_block", "html_inline"):
            said.append(token.content)
    return "\n".join(said)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["summary", "comment"])
def test_a_page_has_no_markup_but_its_own(name: str, text: str) -> None:
    for said in texts(name, text):
        kinds, html = rendered(said)
        assert not {"link_open", "image", "autolink"} & kinds
        own = r"(<!-- grader: report -->|<details><summary>.{0,3} ?\w+: <code>[^<>&]*</code></summary>|</details>|\s)*"
        assert re.fullmatch(own, html), html
        around = outside_of_code(re.sub(r"<!-- grader: report -->|<code>[^<]*</code>", "", said))
        assert not re.search(r"@|#\d|GH-\d|://|javascript:", around)


@SOME
@given(text=st.text(max_size=80))
def test_code_and_blocks_hold_any_text(text: str) -> None:
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)
    assert rendered(f"a {code(text)} b")[0] <= {
        "paragraph_open",
        "inline",
        "text",
        "code_inline",
        "paragraph_close",
    }
    assert rendered(block(f"{text}\n{text}"))[0] == {"fence"}
    kinds, html = rendered(f"x {sentence(text)}")
    assert not html
    assert kinds <= {"paragraph_open", "inline", "text", "code_inline", "paragraph_close"}


def test_a_plain_sentence_is_not_put_into_code() -> None:
    for text in ("A worker that gets SIGTERM finishes its task; it ends.", "It took 1.5 s: sigterm_mid_task."):
        assert sentence(text) == text
    for text in (
        "@all",
        "see #1",
        "a https://example.org",
        "_b_ c",
        "a _b_",
        "www.example.org",
        "1. one",
        "- a",
        "GH-12",
        "deadbeef12",
        "a<b>",
    ):
        assert sentence(text).startswith("`"), text
