"""``grader schedules FOLDER``: the steps of a task's life, and the schedules that would be explored; judges nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rich.console import Console

from grader.commands.stage import ServerChoice, one_lab, stage
from grader.errors import BadSubmission
from grader.explore import ONE_TASK, WORKERS, Frontier, Pair, Undecided, life, set_up_database, walk
from grader.history.sql import bare
from grader.lab import Lab
from grader.report import line
from grader.submission import load_submission

_INDENT = 6


def show(folder: Path, choice: ServerChoice, preemptions: int, console: Console) -> int:
    """Print them; the exit status. Raises CannotGrade, GraderError or Ended."""
    submission = load_submission(folder)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    with stage(submission, choice, say) as there:
        try:
            with one_lab(there, "life", 0) as lab:
                say("\nOne task's life, step by step:")
                for step in life(lab):
                    waits = "  [another one's lock on the row can hold it up]" if step.may_wait else ""
                    rows = textwrap.wrap(
                        line(f"{bare(step.place.sql) or step.place.sql}{waits}", 4_000),
                        max(console.width - _INDENT, 20),
                    )
                    say(f"{step.number:4}  " + f"\n{' ' * _INDENT}".join(rows))
            with one_lab(there, "schedules", 0) as lab:
                _walk_all(lab, preemptions, say)
        except Undecided as reason:
            raise BadSubmission(
                f"{submission.name}: its workers cannot be walked step by step: {reason}"
            ) from None
    return 0


def _walk_all(lab: Lab, preemptions: int, say: Callable[[str], None]) -> None:
    set_up_database(lab, {})
    frontier = Frontier(preemptions)
    count = 0
    merged: dict[str, None] = {}
    with closing(Pair(lab, WORKERS)) as pair:
        most = f"at most {preemptions} preemption{'s' * (preemptions != 1)}"
        say(f"\nTwo workers, {ONE_TASK.sentence}, {most}; who takes each step:")
        while (beginning := frontier.pop()) is not None:
            pair.park()
            pair.begin(ONE_TASK.prepare(lab))
            walked = walk(pair, beginning, frontier)
            count += 1
            say(f"{count:4}  {' '.join(walked.schedule)}")
            merged |= {bare(line.entry.text): None for line in pair.trace.lines if not line.entry.number}
            if not pair.is_reusable:
                raise Undecided("a schedule left a task undone; `grader grade` judges it and says why")
    more = (
        f"; {frontier.left_out} choices would take more preemptions"
        if frontier.left_out
        else "; there are no more"
    )
    say(f"\n{count} schedules{more}.")
    if merged:
        say(f"Nobody else can notice these, so they have no place of their own: {line(', '.join(merged), 1_000)}")
