"""Exercise 3b: the way of a task, from the client that posts it to the client that sees it completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from grader.checkpoints.client import BURST, DURATION, client_to_client
from grader.checkpoints.evidence import asked, ended, life, list_of, moved, said, short
from grader.checkpoints.failing import failing_work
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.recovery import killed_mid_task
from grader.checkpoints.replies import any_task, json_of, never_answered, seen_of, went_well
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.worker import processes
from grader.declare import check
from grader.history.events import HttpExchange
from grader.history.tasks import Change, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need


@check(
    "3b.end-to-end",
    points=4,
    on=(client_to_client, killed_mid_task, failing_work),
    after=processes,
    explained_by=does_the_work,
    hint="UPDATE only the columns that you own: status, assigned_worker, updated_at, and those that you have added.",
    read=f"{LAB}#end-to-end",
)
def works_end_to_end(history: History, killed: History, failing: History) -> Judgement:
    """A posted task is seen to complete, updated_at moved, all else in it untouched; deleting one harms no other.

    This is what a client of the whole system sees, and all that it sees.
    """
    if silent := never_answered(history, before="burst"):
        return silent
    post = need(next(iter(history.exchanges("POST")), None), "the api-service and the worker did not come up")
    posted = history.moment("posted")
    if posted is None:
        return broken(
            asked(post),
            expected="a task that is posted is there",
            observed=f"{seen_of(post)}, and no task with this title in the table",
            hint=_STORED,
        )
    need(history.moment("looked"), "the scenario came to no end")
    story = history.story(posted.detail["task"])
    read = need(
        next(iter(reversed(history.exchanges("GET", f"/tasks/{story.task}"))), None), "the task was not read"
    )
    if not story.completions or story.completions[0].committed_at > read.ended_at:
        status = story.status_at(read.ended_at)
        return broken(
            *life(story),
            asked(read),
            expected="a task that is posted becomes completed",
            observed=f"in the table it is {status}" if story.changes else "the task is not in the table",
            hint=None
            if status == "processing"
            else "The worker has to find what the api-service stores: the same table, the same words for the status.",
        )
    shown = any_task(read) or {}
    if read.status != 200 or shown.get("status") != "completed":
        seen = seen_of(read) if read.status != 200 else f"GET answers {short(read.body, 60)}"
        return broken(
            *life(story),
            asked(read),
            expected="GET shows the task completed",
            observed=f"in the table it is {story.status}, and {seen}",
            hint="GET asks the table each time: nobody else knows how far the worker has come.",
        )
    wanted = {"title": posted.detail["title"], "description": "as it was posted"}
    if other := _other_than(wanted, story):
        is_stored_so = not _is_as(wanted, story.changes[0])
        return broken(
            *life(story),
            expected="title and description as posted",
            observed=other,
            hint="POST stores title and description as the client sent them." if is_stored_so else None,
        )
    for each in (history, killed, failing):
        # What a client changes at work is looked at for itself.
        columns = _NOT_THE_WORKERS if each is history else (*_NOT_THE_WORKERS, "title", "description")
        if problem := _without_a_time(each) or _written_over(each, columns):
            return problem
    kept = _keeps_the_change(history)
    if kept.expected is not None:
        return kept
    return _bears_a_deletion(history) or _works_on_a_deleted_one(history) or kept


_STORED = "POST has to store the task in the table: this is where the worker looks for it."


def _is_as(wanted: Mapping[str, str], change: Change) -> bool:
    return all(change.after(key) == value for key, value in wanted.items())


def _without_a_time(history: History) -> Judgement | None:
    """A task that others saw a worker give another status, with the time of the one before."""
    for story in history.stories.values():
        shown: dict[str, Change] = {}
        for change in story.changes:
            shown[change.row.transaction] = change  # the last of a transaction is what others see
        for before, change in pairwise(shown.values()):
            if (
                change.service in history.workers()
                and None not in (before.row.after, change.row.after)
                and change.after("status") != before.after("status")
                and change.after("updated_at") == before.after("updated_at")
            ):
                return broken(
                    *life(story),
                    expected="updated_at moves with every change of the status",
                    observed=f"task {story.task} became {change.after('status')}, and updated_at stayed what it was",
                    hint="Set updated_at = now() in every UPDATE: it tells clients what is new, and recovery what is "
                    "old.",
                )
    return None


_THE_CLIENTS = "What a task is, its client says. What became of it belongs into columns of your own."

_NOT_THE_WORKERS = {
    "created_at": "created_at is a task's place in the queue: one that is recovered, or tried again, has waited longest.",
    "type": _THE_CLIENTS,
    "payload": _THE_CLIENTS,
}
"""Columns that no worker writes, with what a hint says of them."""


def _written_over(history: History, columns: Iterable[str]) -> Judgement | None:
    """A task in which a worker wrote what is not its own."""
    for story in history.stories.values():
        for change in story.changes:
            if change.service not in history.workers() or None in (change.row.before, change.row.after):
                continue
            for column in columns:
                if change.before(column) != change.after(column):
                    return broken(
                        *life(story),
                        expected=f"{column} stays what it was",
                        observed=f"task {story.task} got another one as it became {change.after('status')}",
                        hint=_NOT_THE_WORKERS.get(column, _THE_CLIENTS),
                    )
    return None


def _other_than(wanted: Mapping[str, str], story: Story) -> str | None:
    row = story.row or {}
    other = [f"{key} is “{short(str(row.get(key)), 60)}”" for key in wanted if row.get(key) != wanted[key]]
    return " and ".join(other) or None


def _keeps_the_change(history: History) -> Judgement:
    again = need(history.moment("posted-again"), "no second task was created")
    story = history.story(again.detail["task"])
    changed = history.moment("changed-at-work")
    if changed is None:
        if not _was_over_at_once(story):
            need(None, "no task was in hand when the client changed it")
        return holds("posted, claimed, completed, seen by the client; never in hand for long", *life(story))
    put = need(next(iter(history.exchanges("PUT", f"/tasks/{story.task}")), None), "no PUT was sent")
    if not went_well(put):
        return broken(
            asked(put),
            *life(story),
            expected="200: a client may change title and description while a worker works on the task",
            observed=seen_of(put),
            hint="Title and description belong to the client, whatever the status is.",
        )
    if not story.completions:
        return broken(
            asked(put),
            *life(story),
            expected="a task that the client changed meanwhile is completed like any other",
            observed=f"task {story.task} stayed {story.status}",
            hint="The completion must not ask for what a client may change meanwhile: title, description, updated_at.",
        )
    if other := _other_than({key: changed.detail[key] for key in ("title", "description")}, story):
        return broken(
            asked(put),
            *[moved(c) for c in story.changes[-4:]],
            expected="title and description that the client set while the worker worked",
            observed=f"after the completion {other}",
        )
    return holds("posted, claimed, completed, seen by the client; a PUT in between was kept", *life(story))


def _bears_a_deletion(history: History) -> Judgement | None:
    """What is wrong after a task was deleted that a worker had in hand: that is no fault of the others."""
    deleted = history.moment("deleted-at-work")
    if deleted is None:
        return None
    delete = need(next(iter(history.exchanges("DELETE")), None), "no DELETE was sent")
    if not went_well(delete):
        return broken(
            asked(delete),
            expected="204 or 200: a client may delete a task while a worker works on it",
            observed=seen_of(delete),
            hint="DELETE is for any task, whatever its status.",
        )
    behind = history.story(need(history.moment("behind-it"), "the scenario came to no end").detail["task"])
    after = need(history.moment("after-it"), "the scenario came to no end")
    exit_ = history.exited(A)
    gone = exit_ if exit_ is not None and exit_.at < after.at else None
    if gone is not None or not behind.completions:
        return broken(
            asked(delete),
            *[said(line) for line in history.log(A) if deleted.at < line.at < after.at][-4:],
            *([ended(gone)] if gone is not None else []),
            expected="the worker goes on with the next task when the one in hand was deleted",
            observed="the worker ended"
            if gone is not None
            else f"the next one, task {behind.task}, stayed {behind.status}",
            hint="The UPDATE that completes a deleted task finds no row. That is no error: look at the row count.",
        )
    return None


def _works_on_a_deleted_one(history: History) -> Judgement | None:
    """What is wrong where a task was taken that had been deleted before a worker was there."""
    deleted = history.moment("deleted-before-work")
    if deleted is None:
        return None
    story = history.story(deleted.detail["task"])
    delete = need(next(iter(history.exchanges("DELETE", f"/tasks/{story.task}")), None), "no DELETE was sent")
    workers = [*(claim.service for claim in story.claims), *(end.service for end in story.completions)]
    if not went_well(delete) or not workers:
        return None
    return broken(
        asked(delete),
        *life(story),
        expected="a task that was deleted is never worked on",
        observed=f"{workers[0]} took task {story.task} after DELETE had answered {delete.status}",
        hint="Where DELETE marks a task and leaves it in the table, whatever looks for work has to look at the mark.",
    )


def _was_over_at_once(story: Story) -> bool:
    """Whether nobody could have changed the task while it was in hand."""
    ends = story.completions
    return bool(ends) and (not story.claims or ends[0].at - story.claims[0].at < DURATION / 2)


@check(
    "3b.burst",
    points=5,
    on=client_to_client,
    after=processes,
    hint="Ten rows, ten claims, ten completions: claim one row at a time, or remember every row that you claimed.",
    read=f"{LAB}#end-to-end",
)
def works_off_a_burst(history: History) -> Judgement:
    """Ten tasks posted at the same moment are ten tasks, each claimed once and completed once.

    Tasks come in crowds. What works with one task at a time shows its gaps when ten come at once.
    """
    if silent := never_answered(history):
        return silent
    titles = need(history.moment("burst"), "the scenario did not come as far as the burst").detail["titles"]
    need(history.moment("burst-over"), "the scenario came to no end")
    posts = [e for e in history.exchanges("POST") if any(t in (e.request or "") for t in titles)]
    refused = [e for e in posts if not went_well(e)]
    if refused:
        return broken(
            *[asked(e) for e in refused[:4]],
            expected=f"a task for each of {BURST} POSTs at the same time",
            observed=f"{len(refused)} of {BURST} refused: {seen_of(refused[0])}",
            hint="Ten clients that post at the same moment are nothing unusual: send none of them away."
            if refused[0].status == 429
            else "Each request needs a connection of its own, or a turn on a shared one.",
        )
    if problem := _mixed_up(history, posts, titles):
        return problem
    stories = [s for s in history.stories.values() if s.changes[0].after("title") in titles]
    wrong = [s for s in stories if len(s.claims) != 1 or len(s.completions) != 1]
    if wrong:
        return broken(
            *[e for s in wrong[:3] for e in life(s)],
            expected=f"{BURST} tasks, each claimed once and completed once",
            observed=f"all but {len(wrong)}: {list_of(map(_how_often, wrong), 3)}",
        )
    start, end = min(e.at for e in posts), max(s.completions[0].at for s in stories)
    return holds(f"{BURST} tasks in {end - start:.1f} s, each claimed once and completed once")


def _how_often(story: Story) -> str:
    claims, ends = len(story.claims), len(story.completions)
    return f"task {story.task} ({claims} claim{'s' * (claims != 1)}, {ends} completion{'s' * (ends != 1)})"


def _mixed_up(history: History, posts: Sequence[HttpExchange], titles: Sequence[str]) -> Judgement | None:
    """Whether the table does not hold each title once, or a client got another one's task as the answer."""
    stored = {s.task: str(s.changes[0].after("title")) for s in history.stories.values()}
    found = [title for title in stored.values() if title in titles]
    strange = [
        post
        for post in posts
        if (task := str((any_task(post) or {}).get("id"))) in stored
        and stored[task] != json_of(post.request)["title"]
    ]
    if sorted(found) == sorted(titles) and not strange:
        return None
    missing = [title for title in titles if title not in found]
    seen = f"{len(found)} tasks in the table"
    if missing:
        seen += f", none of them with the title {list_of(missing, 3)}"
    if strange:
        seen += f"; {len(strange)} client{'s' * (len(strange) != 1)} got the task of another"
    return broken(
        *[asked(post) for post in (strange or posts)[:4]],
        expected=f"{BURST} tasks, one for each client, each with its own title",
        observed=seen,
        hint="What belongs to one request must not lie where another one can reach it." if found else _STORED,
    )
