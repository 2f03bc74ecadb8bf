"""The rules that no schedule may break. Pure: a history in, the first broken rule out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grader.explore.visible import is_plumbing
from grader.history.double import double_claims
from grader.history.steps import Step
from grader.history.tasks import FINAL, Change, Story
from grader.history.timeline import History
from grader.history.words import status_words

Rule = Literal[
    "claimed-twice",
    "completed-twice",
    "brought-back",
    "completed-by-another",
    "worker-ended",
    "waits-for-ever",
    "not-completed",
]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that broke. ``at`` is when, in seconds of the run; ``since`` when it began to (the first of two claims)."""

    rule: Rule
    task: str | None
    sentence: str
    at: float
    since: float | None = None


def broken_rule(
    history: History, tasks: Sequence[str], *, stuck: str | None = None, is_over: bool = True
) -> Broken | None:
    """The rule that broke first in a schedule of live workers, none of which was killed; None when all held.

    ``tasks`` were there at its beginning. ``stuck`` says who waits for ever, if anybody does. ``is_over``: all had
    the time to come to an end.
    """
    found = [broken for task in tasks for broken in _of_task(history, history.story(task))]
    found += _ended_workers(history)
    if found:
        return min(found, key=lambda broken: broken.at)
    if not is_over:
        return None
    last = history.events[-1].at if history.events else 0.0
    if stuck is not None:
        return Broken("waits-for-ever", None, stuck, last)
    for task in tasks:
        story = history.story(task)
        if story.status != "completed":
            # What comes after the last change are looks that find nothing.
            since = max((c.at for other in tasks for c in history.story(other).changes if c.service), default=last)
            return Broken("not-completed", task, _not_completed(story), since)
    return None


def _of_task(history: History, story: Story) -> list[Broken]:
    """What broke first comes first; of two that broke with the same change, the one that says more."""
    task = story.task
    found: list[Broken] = []
    done: Change | None = None
    for change in story.changes:
        if change.service is None:
            continue
        if done is not None and change.before("status") == "completed" and change.status_moved:
            text = f"task {task} was completed by {done.service}; then {change.service} set it {change.after('status')}"
            found.append(Broken("brought-back", task, text, change.at, done.at))
        if change.after("status") == "completed":
            done = done or change
    for double in double_claims(history, story):
        text = f"task {task} was claimed twice: by {double.first}, and then by {double.second}"
        found.append(Broken("claimed-twice", task, text, double.at, story.claims[0].at))
    if len(story.completions) > 1:
        first, second = story.completions[:2]
        text = f"task {task} was completed twice: by {first.service}, and then by {second.service}"
        found.append(Broken("completed-twice", task, text, second.at, first.at))
    elif story.completions:
        found += _by_another(story, story.completions[0])
    return found


def _by_another(story: Story, done: Change) -> list[Broken]:
    claims = [claim for claim in story.claims if claim.at < done.at]
    if not claims or claims[-1].service == done.service:
        return []
    text = f"task {story.task} was completed by {done.service} while {claims[-1].service} had it"
    return [Broken("completed-by-another", story.task, text, done.at, claims[-1].at)]


def _ended_workers(history: History) -> list[Broken]:
    found = []
    for name in history.workers():
        exit_ = history.exited(name)
        if exit_ is None:
            continue
        error = last_error(history, name, exit_.at)
        why = f" after {error.sqlstate}: {error.message}" if error else ""
        how = f"{'exit ' if exit_.status >= 0 else ''}{status_words(exit_.status)}"
        found.append(Broken("worker-ended", None, f"{name} ended by itself{why} ({how})", exit_.at))
    return found


def last_error(history: History, service: str, before: float) -> Step | None:
    """The last statement of a service before a moment, if it failed; rollbacks and the like do not count."""
    sent = [s for s in history.steps_of(service) if s.began < before and (s.sqlstate or not is_plumbing(s.sql))]
    return sent[-1] if sent and sent[-1].sqlstate else None


def _not_completed(story: Story) -> str:
    if story.row is None:
        return f"task {story.task} is gone from the table"
    claims = story.claims
    held = f", claimed by {claims[-1].service}" if claims and story.status not in FINAL else ""
    return f"task {story.task} is left {story.status}{held}, and every worker looks for tasks and finds nothing"
