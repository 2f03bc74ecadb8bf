"""The report as one page, ``report.html``: nothing is fetched, and nothing is needed but a browser.

Its little script only adds: it shows what a mark of a timeline stands for, and opens what a link leads to. All that
it shows is on the page without it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from grader.model import CheckResult, Report, Verdict
from grader.report import account, outline
from grader.report.chart import legend_markup, symbols_markup
from grader.report.reading import sections
from grader.report.scenes import Recorded, Scene, scenes
from grader.report.text import Limits, cleaned, line

if TYPE_CHECKING:
    from jinja2 import Environment

_LIMITS = Limits(line=400, block=2_000, attachment=30_000, statement=4_500)
"""With what ``scenes`` allows itself, these keep the largest page of forty checks below 1.5 MB."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_ADVICE: Mapping[str, Advice] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Advice:
    """What there is to say of a check besides its result: the command that runs it again, the one that replays its
    counterexample, why it matters, and the faults that it is known to find.
    """

    again: str
    replay: str
    why: str
    faults: tuple[str, ...]


def render_html(
    report: Report,
    recorded: Sequence[Recorded] = (),
    reading: Mapping[str, str] = _NOTHING,
    advice: Mapping[str, Advice] = _NO_ADVICE,
) -> str:
    """The whole page. Every text of the report is escaped; none of them can reach the style, the script or a link.

    ``recorded`` are the scenarios to be drawn; ``reading`` the Markdown of the lab's sections, by file and anchor;
    ``advice`` what is known of the checks, by id.
    """
    css, js = _ours("report.css"), _ours("report.js")
    shown = cleaned(report, _LIMITS)
    drawn = scenes(shown, recorded)
    places = _places(shown, drawn)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=shown,
            outline=outline,
            account=account,
            Verdict=Verdict,
            parts=outline.parts(shown),
            failed=outline.of(shown, Verdict.FAIL),
            unjudged=outline.of(shown, Verdict.INCONCLUSIVE, Verdict.ERROR),
            attached=[check for check in outline.of(shown, *Verdict) if check.attachments],
            step=outline.first_step(shown),
            drawn=drawn,
            places=places,
            others=[s for name, group in drawn.items() if name not in places for s in group],
            sections=sections(reading),
            advice={id: _cleaned(each) for id, each in advice.items()},
            symbols=symbols_markup() if drawn else "",
            legend=legend_markup() if any(s.plot for group in drawn.values() for s in group) else "",
            css=css,
            js=js,
            css_hash=_hash(css),
            js_hash=_hash(js),
        )
    )


def _cleaned(advice: Advice) -> Advice:
    """The commands hold names of folders."""
    return replace(advice, again=line(advice.again), replay=line(advice.replay))


def _places(report: Report, drawn: Mapping[str, Sequence[Scene]]) -> dict[str, str]:
    """Where each scenario is drawn: with the first check that needs it explained, and once only."""
    places: dict[str, str] = {}
    for check in outline.of(report, Verdict.FAIL) + outline.of(report, Verdict.INCONCLUSIVE, Verdict.ERROR):
        for name in scenarios(check):
            if name in drawn:
                places.setdefault(name, check.id)
    return places


def scenarios(check: CheckResult) -> tuple[str, ...]:
    """The names of the scenarios that a check was judged by."""
    return tuple(name for name in (check.scenario or "").split("+") if name)


def _environment() -> Environment:
    # Imported here, so that only those who write a page pay for loading jinja2.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("grader.report"),
        # Not select_autoescape(): that goes by the last suffix, and is off for .html.j2.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["scenarios"] = scenarios
    return environment


def _ours(name: str) -> str:
    return resources.files("grader.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression by which the content security policy lets this text in, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
