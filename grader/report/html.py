"""The report as one page, ``report.html``: no script, nothing fetched, fit to be printed or sent by mail."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from grader.model import Report, Verdict
from grader.report import outline
from grader.report.files import write_atomically
from grader.report.text import Limits, cleaned

if TYPE_CHECKING:
    from jinja2 import Environment

_LIMITS = Limits(line=400, block=8_000, attachment=40_000)


def render_html(report: Report) -> str:
    """The whole page. Every text of the report is escaped; none of them can reach the style or a link."""
    css = resources.files("grader.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    shown = cleaned(report, _LIMITS)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=shown,
            outline=outline,
            Verdict=Verdict,
            failed=outline.of(shown, Verdict.FAIL),
            unjudged=outline.of(shown, Verdict.INCONCLUSIVE, Verdict.ERROR),
            attached=[check for check in outline.of(shown, *Verdict) if check.attachments],
            step=outline.first_step(shown),
            css=css,
            css_hash=_hash(css),
        )
    )


def write_html(report: Report, path: Path) -> None:
    """Write the page to ``path``: whole, or not at all. Raises OSError."""
    write_atomically(path, render_html(report))


def _environment() -> Environment:
    # Imported here, so that only those who write a page pay for loading jinja2.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("grader.report"),
        # Not select_autoescape(): that goes by the last suffix, and is off for .html.j2.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hash(css: str) -> str:
    """The source expression by which the content security policy lets this style in, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
