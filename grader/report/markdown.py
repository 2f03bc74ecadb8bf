"""Text of a submission in Markdown that GitHub or GitLab will render: inert, whatever it says.

HTML, links, pictures, mentions of people, references to issues, and commands that a platform reads from a comment
(``/merge``) have no effect inside code; so whatever is not plainly a sentence goes there.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(
    r"""
    [A-Za-z] (?: [A-Za-z0-9 ,;()'’-]
               | [.:](?=\ |$)
               | (?<=[0-9])\.(?=[0-9])
               | (?<=[A-Za-z0-9])_(?=[A-Za-z0-9])
             )*
    """,
    re.VERBOSE,
)
"""Nothing in it can begin a markup: no ``@``, ``#``, ``*``, ``<``, ``[``, ``/``, no underscore at a word's end."""


def sentence(text: str) -> str:
    """``text`` as it is where it is plainly a sentence, else as code."""
    return text if _PLAIN.fullmatch(text) and not _looks_like_a_hash(text) else code(text)


def code(text: str) -> str:
    """``text``, one line, as inline code, fit for a table too."""
    text = " ".join(text.split()) or " "
    # A bar would end a table's cell, even in code, and its escape shows outside of tables.
    text = text.replace("|", "¦")
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def block(text: str) -> str:
    """``text`` as a fenced block of its own."""
    fence = "`" * max(_longest_run(text) + 1, 3)
    return f"{fence}text\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _looks_like_a_hash(text: str) -> bool:
    """Whether GitHub might take a word for a commit, or for an issue of another tracker (GH-12)."""
    return re.search(r"\b(?:[0-9a-f]{7,40}|[A-Za-z]+-\d+)\b", text) is not None
