"""Exercise 3a: the worker moves tasks, and nobody else does."""

from __future__ import annotations

from grader.checkpoints.client import client_to_client
from grader.checkpoints.evidence import life, moved
from grader.checkpoints.starting import LAB, starts, three_tasks
from grader.declare import check
from grader.history.tasks import Change, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.postgres.table import STATUSES


@check(
    "3a.processes",
    points=5,
    on=(three_tasks, client_to_client),
    after=starts,
    hint="Claim: status 'processing', commit. Work. Then status 'completed', commit. Then look for the next one.",
    read=f"{LAB}#polling-loop",
)
def processes(history: History, with_api: History) -> Judgement:
    """Several tasks each go from pending to processing to completed, and it is the worker that moves them.

    This is the whole of a worker in one sentence; everything else says what must hold while it does this.
    """
    need(history.inserted or None, "no task was inserted")
    for task in history.inserted:
        story = history.story(task)
        if story.statuses != ("pending", "processing", "completed"):
            return broken(
                *life(story),
                expected="pending → processing → completed",
                observed=f"task {task}: {' → '.join(story.statuses)}",
                hint=_why_another_way(story),
            )
    for seen in (history, with_api):
        strangers = [
            change
            for story in seen.stories.values()
            for change in story.changes
            if change.row.operation == "update"
            and change.status_moved
            and change.service not in (None, *seen.workers())
            and not _asked_by_client(seen, change)
        ]
        if strangers:
            return broken(
                *[moved(change) for change in strangers[:4]],
                expected="the worker-service moves tasks, nobody else",
                observed=f"task {strangers[0].row.task} was moved by {strangers[0].service}",
                hint="The api-service only stores tasks; the work is the worker's alone.",
                spoils=(client_to_client.name,) if seen is with_api else None,
            )
    return holds(f"{len(history.inserted)} tasks, one after the other", *life(history.story(history.inserted[0])))


def _why_another_way(story: Story) -> str | None:
    if not story.claims and story.status == "pending":
        return _NEVER_TAKEN
    if other := [status for status in story.statuses if status not in STATUSES]:
        return f"The contract has four words for the status, {', '.join(STATUSES)}; {other[0]} is none of them."
    return None


_NEVER_TAKEN = (
    "The worker has to ask the table itself, at each interval: it takes whatever is pending there, whoever put it there, "
    "and whether or not anybody told it so."
)


def _asked_by_client(history: History, change: Change) -> bool:
    """Whether it was made for a client that changed this very task: what PUT may do is judged elsewhere."""
    puts = history.exchanges("PUT", f"/tasks/{change.row.task}")
    return any(put.at <= change.at <= put.ended_at for put in puts)
