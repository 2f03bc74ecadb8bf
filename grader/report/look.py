"""How verdicts look on a terminal: always a word, a sign that its encoding can show, and perhaps a colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rich.console import Console

from grader.model import Verdict
from grader.report.text import encodable

STYLES: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.PASS: "green",
        Verdict.FAIL: "bold red",
        Verdict.SKIPPED: "dim",
        Verdict.INCONCLUSIVE: "yellow",
        Verdict.ERROR: "bold magenta",
    }
)

_SIGNS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.PASS: ("✓", "+"),
        Verdict.FAIL: ("✗", "x"),
        Verdict.SKIPPED: ("·", "."),
        Verdict.INCONCLUSIVE: ("?", "?"),
        Verdict.ERROR: ("!", "!"),
    }
)

_PLAIN: Mapping[int, str] = MappingProxyType({ord("→"): "->", ord("…"): "..."})
"""What the grader's own sentences are written with, in ASCII."""


@dataclass(frozen=True, slots=True)
class Look:
    """The signs of one console. ``encoding`` is what its file takes; ``unicode`` whether that is all of it."""

    encoding: str
    unicode: bool

    @classmethod
    def of(cls, console: Console) -> Look:
        """The look that suits ``console``."""
        return cls(console.encoding, not console.options.ascii_only)

    def sign(self, verdict: Verdict) -> str:
        """One character for a verdict, beside its word."""
        return _SIGNS[verdict][0 if self.unicode else 1]

    def text(self, text: str) -> str:
        """``text`` as the console's encoding can show it."""
        return text if self.unicode else encodable(text.translate(_PLAIN), self.encoding)

    @property
    def rule(self) -> str:
        """What a line across is made of."""
        return "─" if self.unicode else "-"

    @property
    def bar_full(self) -> str:
        """The part of a bar that is done."""
        return "━" if self.unicode else "="

    @property
    def bar_empty(self) -> str:
        """The part of a bar that is to come."""
        return "─" if self.unicode else "."

    @property
    def spinner(self) -> str:
        """The name of rich's spinner."""
        return "dots" if self.unicode else "line"
