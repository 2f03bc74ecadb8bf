"""The report on a terminal: readable in 80 columns, without colour, and in a log file.

Brief, it fits a window of 24 rows: what to mend first, the rest a row each, the score. Verbose, it says all that is to
be said of every check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from grader.model import CheckResult, Evidence, Outcome, Report, Verdict
from grader.report import outline
from grader.report.account import NOT_ALL_ASKED_FOR, NOT_TO_BE_USED
from grader.report.lanes import draw
from grader.report.look import STYLES
from grader.report.rows import Rows
from grader.report.text import Limits, cleaned, line

SHOWN_EVIDENCE = 8
"""The rest is in the files; so much fits beside the failure that it explains."""

BRIEF = 23
"""Rows of a brief report; the prompt takes the last one of a small window."""

_LIMITS = Limits(line=200, block=1_200, attachment=0, statement=4_000)


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways on from a report: where the whole of it is, and the commands for one check of it.

    ``again`` runs a check alone, ``replay`` its counterexample; both take its id.
    """

    where: str
    again: Callable[[str], str]
    replay: Callable[[str], str] | None = None

    def replay_of(self, check: CheckResult) -> str | None:
        """The command that runs the check's counterexample; None where it has none."""
        return self.replay(check.id) if self.replay is not None and check.counterexample is not None else None


def render_terminal(
    report: Report,
    console: Console,
    *,
    where: str,
    again: Callable[[str], str],
    replay: Callable[[str], str] | None = None,
    verbose: bool = False,
) -> None:
    """Print ``report``, in brief or as a whole.

    ``where`` is the folder with the full report; ``again`` gives, for a check's id, the command that runs this
    check alone, ``replay`` the one that runs its counterexample. Texts are shown verbatim: nothing in them is taken
    for markup.
    """
    rows = Rows(console)
    ways = Ways(line(where, 1_000), again, replay)
    show = _Whole if verbose else _Brief
    show(cleaned(report, _LIMITS), rows, ways).make()
    rows.show()


@dataclass(frozen=True, slots=True)
class _Room:
    """How many rows the texts of one check may take."""

    title: int
    expected: int
    observed: int
    hint: int


_AMPLE, _TIGHT = _Room(3, 3, 4, 5), _Room(2, 1, 2, 3)
_SOME = 4
"""Rows for the other checks that the first one has to leave, where there are so many."""


class _Page:
    """One report on its way into rows."""

    def __init__(self, report: Report, rows: Rows, ways: Ways) -> None:
        self._report = report
        self._rows = rows
        self._ways = ways

    def _score(self) -> Text:
        style = {Outcome.PASS: "bold green", Outcome.FAIL: "bold", Outcome.ERROR: "bold magenta"}
        return Text(outline.score(self._report), style[self._report.outcome])

    def _reservations(self) -> None:
        if self._report.outcome is Outcome.ERROR:
            self._rows.say(NOT_TO_BE_USED)
        if not self._report.complete:
            self._rows.say(NOT_ALL_ASKED_FOR)


class _Brief(_Page):
    """What to mend first, in full; what else there is, a row each; the score."""

    def make(self) -> None:
        """Fill the rows."""
        step = outline.first_step(self._report)
        end = self._end()
        others = self._others(step)
        self._rows.blank()
        if step is not None:
            for limits in (_AMPLE, _TIGHT):
                self._rows.made = [Text()]
                self._first(step, limits)
                if len(self._rows.made) + min(len(others) + 1, _SOME) + len(end) <= BRIEF:
                    break
        self._rows.made += self._fitting(others, BRIEF - len(self._rows.made) - len(end), step is not None)
        self._rows.made += end

    def _first(self, check: CheckResult, limits: _Room) -> None:
        rows = self._rows
        rows.check(check, limits.title)
        rows.fact("expected", check.expected, limits.expected)
        rows.fact("observed", check.observed, limits.observed)
        rows.fact("hint", check.hint, limits.hint)
        rows.fact("read", check.read)
        rows.fact("again", self._ways.again(check.id))
        rows.fact("replay", self._ways.replay_of(check))

    def _others(self, step: CheckResult | None) -> list[Text]:
        """Everything else that is no pass, a row each."""
        report, rows = self._report, self._rows
        failed = [check for check in outline.of(report, Verdict.FAIL) if check != step]
        unjudged = outline.of(report, Verdict.INCONCLUSIVE, Verdict.ERROR)
        names = max((len(check.id) for check in (*failed, *unjudged)), default=0)
        found = [rows.line(check, check.observed or check.title, names) for check in failed]
        for check in unjudged:
            reason = (check.reason or outline.excuse(check.verdict)).removeprefix("Could not be judged: ")
            found.append(rows.line(check, f"not your fault: {reason}", names))
        for group in outline.waiting(report, report.checks):
            sign = Text(rows.look.sign(Verdict.SKIPPED) + " ", STYLES[Verdict.SKIPPED])
            told = f"{group} ({outline.number(group.max_points)} points)"
            found.append(sign.append(rows.beginning(told, rows.width - 2)))
        return found

    def _fitting(self, others: list[Text], room: int, apart: bool) -> list[Text]:
        """As many of the other rows as there is room for, set ``apart`` by an empty one, and how many there are."""
        if not others:
            return []
        before = [Text()] if apart and room > 1 else []
        room -= len(before)
        if len(others) <= room:
            return before + others
        kept = max(room - 1, 0)
        more = f"  and {len(others) - kept} more: see the page, or ask for --verbose"
        return [*before, *others[:kept], self._rows.text(more, "dim")]

    def _end(self) -> list[Text]:
        """The score, and where all of it is."""
        report = self._report
        rows, kept = self._rows, self._rows.made
        rows.made = []
        if outline.first_step(report) is None:
            rows.say(outline.without_step(report), "bold")
        rows.blank()
        rows.heading(report.submission, report.lab)
        counts = f"  {outline.tally(report)} in {outline.duration(report.duration_s)}"
        score = self._score()
        if score.cell_len + len(counts) <= rows.width:
            rows.add(score.append(counts, "not bold default"))
        else:
            rows.add(score)
            rows.say(counts.strip())
        self._reservations()
        rows.bars(outline.parts(report))
        # Never wrapped: a path that is broken in two cannot be clicked or copied.
        rows.add(rows.text(f"Full report, with timelines: {self._ways.where}/report.html"))
        end, rows.made = rows.made, kept
        return end


class _Whole(_Page):
    """Every check, whatever came of it, with all that is known of those that did not pass."""

    def make(self) -> None:
        """Fill the rows."""
        for part in outline.parts(self._report):
            self._part(part)
        self._failures()
        self._unjudged()
        self._summary()
        self._next_step()

    # ------------------------------------------------------------ sections

    def _part(self, part: outline.Part) -> None:
        self._heading(part.heading, f"{outline.ratio(part.points, part.max_points)} points")
        for check in part.judged:
            self._rows.check(check)
        for group in outline.waiting(self._report, part.checks):
            sign = Text(self._rows.look.sign(Verdict.SKIPPED) + " ", STYLES[Verdict.SKIPPED])
            self._rows.hanging(sign, self._rows.text(f"{group} ({outline.number(group.max_points)} points)"))
            self._rows.hanging(Text("  "), self._rows.text(", ".join(check.id for check in group.checks), "dim"))

    def _failures(self) -> None:
        failed = outline.of(self._report, Verdict.FAIL)
        if failed:
            self._heading("What failed, and how", _counted(failed))
        for index, check in enumerate(failed):
            self._gap(index)
            self._rows.check(check)
            self._rows.fact("expected", check.expected)
            self._rows.fact("observed", check.observed)
            self._evidence(check.evidence)
            self._counterexample(check)
            self._rows.fact("hint", check.hint)
            self._rows.fact("read", check.read)
            self._rows.fact("replay", self._ways.replay_of(check))

    def _unjudged(self) -> None:
        unjudged = outline.of(self._report, Verdict.INCONCLUSIVE, Verdict.ERROR)
        if unjudged:
            self._heading("Could not be judged: not your fault", _counted(unjudged))
        for index, check in enumerate(unjudged):
            self._gap(index)
            self._rows.check(check)
            self._rows.fact("meaning", outline.excuse(check.verdict))
            self._rows.fact("reason", check.reason)
            self._counterexample(check)
            self._rows.fact("again", self._ways.again(check.id))
            self._rows.fact("replay", self._ways.replay_of(check))

    def _summary(self) -> None:
        report = self._report
        self._heading(report.submission, report.lab)
        self._rows.add(self._score())
        self._reservations()
        self._rows.bars(outline.parts(report))
        self._rows.say(f"{outline.tally(report)} in {outline.duration(report.duration_s)}")
        for check in outline.explored(report):
            self._rows.say(f"{check.id}: {check.coverage}")
        for note in report.notes:
            self._rows.say(f"Note: {note}")
        postgres = f"PostgreSQL {report.postgres.version} ({report.postgres.provider})"
        self._rows.say(f"{postgres}, isolation: {report.isolation}, seed {report.seed}", "dim")
        # Never wrapped: a path that is broken in two cannot be clicked or copied.
        self._rows.add(self._rows.text(f"Full report: {self._ways.where}"))

    def _next_step(self) -> None:
        step = outline.first_step(self._report)
        if step is None:
            self._rows.blank()
            self._rows.say(outline.without_step(self._report), "bold")
            return
        self._heading(f"Your next step: {step.id}", "")
        self._rows.say(step.title)
        self._rows.fact("hint", step.hint)
        self._rows.fact("read", step.read)
        self._rows.fact("again", self._ways.again(step.id))
        self._rows.fact("replay", self._ways.replay_of(step))

    # ------------------------------------------------------------ pieces

    def _heading(self, left: str, right: str) -> None:
        self._rows.blank()
        self._rows.heading(left, right)

    def _evidence(self, evidence: Sequence[Evidence]) -> None:
        rows, shown = self._rows, evidence[:SHOWN_EVIDENCE]
        times = max((len(f"{item.at:.3f}") for item in shown), default=0)
        names = max((len(item.service or "") for item in shown), default=0)
        for index, item in enumerate(shown):
            before = Text(f"  {'' if index else 'evidence':<10}", "cyan")
            before.append(f"{item.at:{times}.3f} s  ", "dim")
            if names:
                before.append(rows.look.text(f"{item.service or '':<{names}}  "), "dim")
            rows.hanging(before, rows.text(item.text))
        if len(evidence) > len(shown):
            more = f"and {len(evidence) - len(shown)} more in the full report"
            rows.hanging(Text(" " * 12), Text(more, "dim"))

    def _counterexample(self, check: CheckResult) -> None:
        """The steps that broke the rule, set off from the facts around them."""
        if check.counterexample is None:
            return
        self._rows.blank()
        for row in draw(check.counterexample, self._rows.width, self._rows.look):
            self._rows.add(row)
        self._rows.blank()

    def _gap(self, index: int) -> None:
        if index:
            self._rows.blank()


def _counted(checks: Sequence[CheckResult]) -> str:
    return "1 check" if len(checks) == 1 else f"{len(checks)} checks"
