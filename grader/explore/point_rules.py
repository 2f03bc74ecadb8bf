"""The rules that hold wherever a signal comes. Pure: a history and the note of one point in, the broken rule out."""

from __future__ import annotations

from grader.explore.rules import Broken, Rule
from grader.history.events import Moment
from grader.history.sql import bare
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.history.words import short, status_words

_WHERE = {
    "before": "before the server saw {sql}",
    "answer": "after the server did {sql}, before the worker knew",
    "waiting": "while {sql} waited for a lock",
    "connecting": "while the worker was connecting",
}
_SQL_SHOWN = 60


def place_words(point: Moment) -> str:
    """``SIGKILL after the server did COMMIT, before the worker knew``."""
    detail = point.detail
    sql = short(bare(detail["sql"]) or "COMMIT", _SQL_SHOWN)
    return f"{detail['signal']} {_WHERE[detail['where']].format(sql=sql)}"


def broken_point(history: History, point: Moment) -> Broken | None:
    """The rule that broke at a point; None when all held."""
    story = history.story(point.detail["task"])
    if point.detail["signal"] == "SIGKILL":
        return _after_kill(story, point)
    return _after_stop(story, point)


def _after_kill(story: Story, point: Moment) -> Broken | None:
    """Never lost, never stuck, completed in the end, and done again only if it was cut off."""
    task, detail = story.task, point.detail
    if not detail["done"]:
        status = story.status_at(point.at) or "gone from the table"
        return _broken(
            "not-completed",
            task,
            f"task {task} is {status}, and another worker does not bring it to its end",
            point,
        )
    done = [change for change in story.completions if change.at >= detail["inserted"]]
    if len(done) > 1:
        text = f"task {task} was completed twice, by {done[0].service} and by {done[1].service}"
        return _broken("completed-twice", task, text, point)
    for change in story.changes:
        is_later = done and change.at > done[0].at and change.service is not None
        if is_later and change.before("status") == "completed" and change.status_moved:
            text = f"task {task} was completed, and then {change.service} set it {change.after('status')}"
            return _broken("brought-back", task, text, point)
    return None


def _after_stop(story: Story, point: Moment) -> Broken | None:
    """Exit status 0, nothing left processing, nothing lost."""
    task, detail = story.task, point.detail
    if detail["exited"] is None:
        return _broken("waits-for-ever", task, f"{detail['service']} did not end", point)
    left = detail["left"]
    if left not in ("pending", "completed"):
        state = "is gone from the table" if left is None else f"is left {left}"
        return _broken("not-completed", task, f"task {task} {state}", point)
    if detail["exited"] != 0:
        status = detail["exited"]
        how = f"{'ended with exit' if status > 0 else 'was'} {status_words(status)}"
        return _broken("worker-ended", task, f"{detail['service']} {how}", point)
    return None


def _broken(rule: Rule, task: str, text: str, point: Moment) -> Broken:
    return Broken(rule, task, f"{place_words(point)}: {text}", point.at)
