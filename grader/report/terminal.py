"""The report on a terminal: readable in 80 columns, without colour, and in a log file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from grader.model import CheckResult, Evidence, Outcome, Report, Verdict
from grader.report import outline
from grader.report.lanes import draw
from grader.report.look import STYLES, Look
from grader.report.text import Limits, cleaned, line

MAX_WIDTH = 100
"""Longer lines are hard to read, however wide the window is."""

SHOWN_EVIDENCE = 8
"""The rest is in the files; so much fits beside the failure that it explains."""

BAR = 24
"""Cells of the bar of a part."""

_LIMITS = Limits(line=200, block=1_200, attachment=0, statement=4_000)


def render_terminal(
    report: Report,
    console: Console,
    *,
    where: str,
    again: Callable[[str], str],
    replay: Callable[[str], str] | None = None,
) -> None:
    """Print ``report``.

    ``where`` is the folder with the full report; ``again`` gives, for a check's id, the command that runs this
    check alone, ``replay`` the one that runs its counterexample. Texts are shown verbatim: nothing in them is taken
    for markup.
    """
    _Page(cleaned(report, _LIMITS), console, where, again, replay).show()


class _Page:
    """One report on its way to one console; every method prints."""

    def __init__(
        self,
        report: Report,
        console: Console,
        where: str,
        again: Callable[[str], str],
        replay: Callable[[str], str] | None,
    ) -> None:
        self._report = report
        self._console = console
        self._look = Look.of(console)
        self._width = min(console.width, MAX_WIDTH)
        self._where = line(where, 1_000)
        self._again = again
        self._replay = replay

    def show(self) -> None:
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
            self._check(check)
        for group in outline.waiting(self._report, part.checks):
            sign = Text(self._look.sign(Verdict.SKIPPED) + " ", STYLES[Verdict.SKIPPED])
            self._hanging(sign, self._text(f"{group} ({outline.number(group.max_points)} points)"))
            self._hanging(Text("  "), self._text(", ".join(check.id for check in group.checks), "dim"))

    def _failures(self) -> None:
        failed = outline.of(self._report, Verdict.FAIL)
        if failed:
            self._heading("What failed, and how", _counted(failed))
        for index, check in enumerate(failed):
            self._gap(index)
            self._check(check)
            self._fact("expected", check.expected)
            self._fact("observed", check.observed)
            self._evidence(check.evidence)
            self._counterexample(check)
            self._fact("hint", check.hint)
            self._fact("read", check.read)
            self._how_to_replay(check)

    def _unjudged(self) -> None:
        unjudged = outline.of(self._report, Verdict.INCONCLUSIVE, Verdict.ERROR)
        if unjudged:
            self._heading("Could not be judged: not your fault", _counted(unjudged))
        for index, check in enumerate(unjudged):
            self._gap(index)
            self._check(check)
            self._fact("meaning", outline.excuse(check.verdict))
            self._fact("reason", check.reason)
            self._counterexample(check)
            self._fact("again", self._again(check.id))
            self._how_to_replay(check)

    def _summary(self) -> None:
        report = self._report
        self._heading(report.submission, report.lab)
        style = {Outcome.PASS: "bold green", Outcome.FAIL: "bold", Outcome.ERROR: "bold magenta"}[report.outcome]
        self._print(Text(outline.score(report), style))
        if report.outcome is Outcome.ERROR:
            self._say("The grader failed somewhere: this score is not to be used.")
        if not report.complete:
            self._say("Only some of the checks were asked for; the score counts these alone.")
        self._bars(outline.parts(report))
        self._say(f"{outline.tally(report)} in {outline.duration(report.duration_s)}")
        for check in outline.explored(report):
            self._say(f"{check.id}: {check.coverage}")
        for note in report.notes:
            self._say(f"Note: {note}")
        postgres = f"PostgreSQL {report.postgres.version} ({report.postgres.provider})"
        self._say(f"{postgres}, isolation: {report.isolation}, seed {report.seed}", "dim")
        # Never wrapped: a path that is broken in two cannot be clicked or copied.
        self._print(self._text(f"Full report: {self._where}"))

    def _next_step(self) -> None:
        step = outline.first_step(self._report)
        if step is None:
            self._console.print()
            self._say(outline.without_step(self._report), "bold")
            return
        self._heading(f"Your next step: {step.id}", "")
        self._say(step.title)
        self._fact("hint", step.hint)
        self._fact("read", step.read)
        self._fact("again", self._again(step.id))
        self._how_to_replay(step)

    # ------------------------------------------------------------ pieces

    def _heading(self, left: str, right: str) -> None:
        """A blank line, then the heading, a line across, and what it amounts to."""
        left, right = self._look.text(left), self._look.text(f" {right}" if right else "")
        across = self._width - Text(left).cell_len - Text(right).cell_len - 1
        self._console.print()
        self._print(Text.assemble((left, "bold"), " ", (self._look.rule * max(across, 3), "dim"), right))

    def _check(self, check: CheckResult) -> None:
        """A check in two lines: sign, id, verdict and points, then its sentence."""
        style = STYLES[check.verdict]
        quiet = check.verdict is Verdict.PASS
        left = Text.assemble((self._look.sign(check.verdict), style), " ")
        left.append(self._look.text(check.id), "" if quiet else "bold")
        ratio = outline.ratio(check.points, check.max_points)
        right = Text.assemble((check.verdict.value, style), f" {ratio:>5}")
        space = self._width - left.cell_len - right.cell_len
        self._print(left.append(" " * max(space, 2)).append_text(right))
        self._hanging(Text("  "), self._text(check.title, "dim" if quiet else ""))

    def _fact(self, label: str, fact: str | None) -> None:
        """A labelled text; nothing where there is none."""
        if fact:
            self._hanging(Text(f"  {label:<10}", "cyan"), self._text(fact))

    def _evidence(self, evidence: Sequence[Evidence]) -> None:
        shown = evidence[:SHOWN_EVIDENCE]
        times = max((len(f"{item.at:.3f}") for item in shown), default=0)
        names = max((len(item.service or "") for item in shown), default=0)
        for index, item in enumerate(shown):
            before = Text(f"  {'' if index else 'evidence':<10}", "cyan")
            before.append(f"{item.at:{times}.3f} s  ", "dim")
            if names:
                before.append(self._look.text(f"{item.service or '':<{names}}  "), "dim")
            self._hanging(before, self._text(item.text))
        if len(evidence) > len(shown):
            more = f"and {len(evidence) - len(shown)} more in the full report"
            self._hanging(Text(" " * 12), Text(more, "dim"))

    def _counterexample(self, check: CheckResult) -> None:
        """The steps that broke the rule, set off from the facts around them."""
        if check.counterexample is None:
            return
        self._console.print()
        for row in draw(check.counterexample, self._width, self._look):
            self._print(row)
        self._console.print()

    def _how_to_replay(self, check: CheckResult) -> None:
        if self._replay is not None and check.counterexample is not None:
            self._fact("replay", self._replay(check.id))

    def _bars(self, parts: Sequence[outline.Part]) -> None:
        names = max((Text(part.heading).cell_len for part in parts), default=0)
        for part in parts:
            full = int(BAR * part.points / part.max_points) if part.max_points else 0
            row = self._text(part.heading)
            row.append(" " * (names - row.cell_len + 2))
            row.append(self._look.bar_full * full, "green")
            row.append(self._look.bar_empty * (BAR - full), "dim")
            self._print(row.append(f" {outline.ratio(part.points, part.max_points):>6}"))

    def _gap(self, index: int) -> None:
        if index:
            self._console.print()

    def _text(self, text: str, style: str = "") -> Text:
        return Text(self._look.text(text), style)

    def _say(self, text: str, style: str = "") -> None:
        self._hanging(Text(), self._text(text, style))

    def _hanging(self, before: Text, text: Text) -> None:
        """``text`` wrapped beside ``before``, its later lines indented as far."""
        indent = before.cell_len
        for index, row in enumerate(text.wrap(self._console, max(self._width - indent, 20), overflow="fold")):
            row.rstrip()
            self._print(Text.assemble(Text(" " * indent) if index else before, row))

    def _print(self, row: Text) -> None:
        # Rows are as long as they are to be; what rich wrapped would come out padded.
        self._console.print(row, soft_wrap=True)


def _counted(checks: Sequence[CheckResult]) -> str:
    return "1 check" if len(checks) == 1 else f"{len(checks)} checks"
