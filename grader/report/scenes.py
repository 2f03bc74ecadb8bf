"""What was done to a submission, scenario by scenario, bounded so that a page of all of them stays small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.history.timeline import History
from grader.model import CheckResult, Report, Verdict
from grader.report.chart import (
    Happening,
    draw,
    fold,
    happenings,
    in_short,
    names_markup,
    plot_markup,
    telling,
)
from grader.report.text import line

MOST_ROWS = 320
"""Lines of a scenario in which something failed."""

BUDGET = 900_000
"""Characters of all scenarios together, about; what a verdict rests on takes its share first."""

_SHORT_NAME = 10
"""Characters of a lane's name for which there is room on a phone."""

_ROW, _MARK = 150, 90
"""Characters of markup that a line, and a mark, take besides their text."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A scenario as it was recorded: its name, the sentence that says what is done, and its history.

    ``take`` counts from 1; a scenario is repeated once where it was inconclusive.
    """

    name: str
    sentence: str
    history: History
    take: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a scene's list. ``number`` is what its marks refer to."""

    number: int
    happening: Happening
    proof: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A scenario ready to be shown.

    ``plot`` is None where there is nothing to draw, ``wide`` says that its names are long, ``left_out`` what is missing.
    """

    key: str
    name: str
    sentence: str
    take: int
    checks: tuple[CheckResult, ...]
    short: tuple[str, ...]
    plot: Markup | None
    names: Markup
    wide: bool
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether a check that failed was judged by it."""
        return any(check.verdict is Verdict.FAIL for check in self.checks)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the lab that its checks belong to."""
        return tuple(dict.fromkeys(check.part for check in self.checks))


def scenes(report: Report, recorded: Sequence[Recorded], budget: int = BUDGET) -> Mapping[str, Sequence[Scene]]:
    """The scenes by scenario, those of failed checks drawn in full before the others share what is left."""
    users = _users(report)
    order = sorted(range(len(recorded)), key=lambda n: (not _matters(users.get(recorded[n].name, ())), n))
    made: dict[int, Scene] = {}
    for place, number in enumerate(order):
        each = recorded[number]
        checks = users.get(each.name, ())
        share = budget if _matters(checks) else budget // (len(order) - place)
        scene, size = _scene(each, f"s{number}", checks, share)
        budget = max(budget - size, 0)
        made[number] = scene
    found: dict[str, list[Scene]] = {}
    for number in sorted(made):
        found.setdefault(recorded[number].name, []).append(made[number])
    return found


def _matters(checks: Iterable[CheckResult]) -> bool:
    return any(check.verdict not in (Verdict.PASS, Verdict.SKIPPED) for check in checks)


def _users(report: Report) -> dict[str, tuple[CheckResult, ...]]:
    users: dict[str, tuple[CheckResult, ...]] = {}
    for check in report.checks:
        for name in (check.scenario or "").split("+"):
            users[name] = (*users.get(name, ()), check)
    return users


def _scene(each: Recorded, key: str, checks: tuple[CheckResult, ...], share: int) -> tuple[Scene, int]:
    told = fold(happenings(each.history))
    proof = tuple(sorted({item.at for check in checks for item in check.evidence}))
    size, most = 0, 0
    for most, number in enumerate(telling(told, MOST_ROWS)):  # noqa: B007 - how far the share reaches
        size += _ROW + _MARK + len(told[number].text)
        if size > share:
            break
    else:
        most = min(len(told), MOST_ROWS)
    numbers = telling(told, most)
    chart = draw(each.history, told, numbers, proof)
    left_out = list(chart.left_out) if chart else []
    if len(numbers) < len(told):
        left_out.append(f"{len(told) - len(numbers)} of {len(told)} lines, of the less telling sorts")
    name = line(each.name, 80)
    label = f"timeline of {name.replace('_', ' ')}"
    rows = tuple(Row(n, told[n], _rests_on(proof, told[n])) for n in numbers)
    scene = Scene(
        key=key,
        name=name,
        sentence=line(each.sentence, 300),
        take=each.take,
        checks=checks,
        short=in_short(each.history),
        plot=plot_markup(chart, key, label) if chart else None,
        names=names_markup(chart) if chart else Markup(""),
        wide=chart is not None and max(len(lane.name) for lane in chart.lanes) > _SHORT_NAME,
        rows=rows,
        left_out=tuple(line(text, 200) for text in left_out),
    )
    return scene, size


def _rests_on(proof: Sequence[float], happening: Happening) -> bool:
    return any(abs(at - happening.at) < 2e-6 for at in proof)
