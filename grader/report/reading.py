"""Sections of the lab's text as HTML, so that a report can be read where the lab is not at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it.token import Token

_LEVEL = 4
"""The heading level at which a section's own parts begin."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: ``read`` is the file and anchor that checks name; ``id`` its place on the page."""

    read: str
    id: str
    title: str
    body: Markup


def sections(texts: Mapping[str, str]) -> dict[str, Section]:
    """The sections by file and anchor, from their Markdown (heading included). Markup in them is shown, not used."""
    ids = {read: f"read-{read.partition('#')[2]}" for read in texts}
    return {read: _section(read, text, ids) for read, text in texts.items()}


def _section(read: str, text: str, ids: Mapping[str, str]) -> Section:
    from markdown_it import MarkdownIt  # loaded by those who write a page only

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    heading, _, rest = text.partition("\n")
    tokens = parser.parse(rest)
    document = read.partition("#")[0]
    for token in tokens:
        _fit(token, document, ids)
        for child in token.children or ():
            _fit(child, document, ids)
    body: str = parser.renderer.render(tokens, parser.options, {})
    return Section(read, ids[read], heading.lstrip("# ").strip(), Markup(body))


def _fit(token: Token, document: str, ids: Mapping[str, str]) -> None:
    """Headings go below the section's own; links lead to what is on the page, or nowhere."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(_LEVEL + 1, 6)}"
    if token.type == "link_open":
        href = str(token.attrGet("href") or "")
        target = f"{document}{href}" if href.startswith("#") else f"labs/{href}"
        if target in ids:
            token.attrSet("href", f"#{ids[target]}")
        else:
            del token.attrs["href"]
