"""Exercise 3b: the table as a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.checkpoints.client import BURST, DURATION, client_to_client
from grader.checkpoints.evidence import asked, ended, life, list_of, moved, said, short
from grader.checkpoints.polling import does_the_work
from grader.checkpoints.replies import any_task, json_of, never_answered, seen_of, went_well
from grader.checkpoints.shutdown import claim_began
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.board import Board
from grader.history.events import HttpExchange
from grader.history.tasks import Change, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, Worker
from grader.model import Evidence


@scenario(timeout=10, seconds=2)
def oldest_row_locked(lab: Lab) -> None:
    """The oldest of two tasks is locked by somebody else when the worker comes; later the lock is let go."""
    oldest, other = lab.insert_tasks(2)
    with lab.database.hold_row(oldest.id):
        lab.note("row-locked", task=oldest.id, other=other.id)
        worker = lab.start_worker(poll=0.2, duration=0.05, ready=False)
        # Long enough for a start and several polls; a worker that waits for the lock does not get there.
        lab.comes(lab.has_status(other), timeout=4)
        lab.note("row-let-go")
    lab.wait_until(lab.has_status(oldest, other))
    lab.wait_until(worker.has_looked())
    _held_claim(lab, worker)


MANY = 20
"""Tasks of which a claim may lock some, but never all."""


def _held_claim(lab: Lab, worker: Worker) -> None:
    """A claim is held inside its transaction, if it has one, while somebody else looks which tasks are free."""
    titles = [lab.new_title() for _ in range(MANY)]
    shown = set(titles)
    met = worker.has_met(shown)
    with worker.relay.hold(lambda step: met() and step.transaction == "T", limit=1) as hold:
        tasks = lab.insert_tasks(MANY, titles=titles)
        shown.update(task.id for task in tasks)

        def is_claimed(board: Board, _now: float) -> bool:
            return hold.is_holding or any(board.status(task.id) not in (None, "pending") for task in tasks)

        claimed = lab.comes(Condition("the next claim", is_claimed, by=worker.name), timeout=2)
        pending = [task.id for task in tasks if lab.status_of(task) == "pending"]
        held = hold.held[0].sql if hold.is_holding and len(pending) == MANY else None
        free = lab.database.lockable(pending) if held is not None else pending
        lab.note("claim-held", claimed=claimed, sql=held, tasks=len(tasks), free=len(free))


@check(
    "3b.skip-locked",
    points=5,
    on=oldest_row_locked,
    after=processes,
    hint="SELECT … FOR UPDATE SKIP LOCKED passes over a row that somebody else has locked, without waiting.",
    read=f"{LAB}#claiming-with-skip-locked",
)
def skips_a_locked_row(history: History) -> Judgement:
    """With the oldest task locked by someone else, the worker takes the next one, and the locked one when it is free.

    A worker that waits for a locked row does nothing, although other tasks wait as well: ten workers are then as
    fast as one.
    """
    locked = need(history.moment("row-locked"), "the worker never came to its first poll")
    let_go = need(history.moment("row-let-go"), "the scenario came to no end")
    oldest, other = history.story(locked.detail["task"]), history.story(locked.detail["other"])
    early = [c for c in other.claims if c.at < let_go.at]
    proof = [
        Evidence(locked.at, f"task {oldest.task} locked by the grader"),
        *[moved(c.change) for s in (oldest, other) for c in s.claims],
        Evidence(let_go.at, "lock let go"),
    ]
    if not early:
        return broken(
            *sorted(proof, key=lambda e: e.at),
            expected=f"task {other.task} claimed while task {oldest.task} is locked",
            observed=f"nothing claimed for {let_go.at - locked.at:.1f} s, until the lock was let go",
            hint="If your claim is one UPDATE without a lock clause, it waits for the locked row like FOR UPDATE "
            "does: pick the row with FOR UPDATE SKIP LOCKED inside it."
            if history.claims
            else None,
        )
    if oldest.status != "completed":
        return broken(
            *life(oldest),
            expected=f"task {oldest.task} taken after the lock was let go",
            observed=f"task {oldest.task} stayed {oldest.status}",
        )
    claim = need(history.moment("claim-held"), "the scenario came to no end").detail
    if not claim["claimed"]:
        need(None, "the worker claimed nothing more")
    if claim["sql"] is not None and claim["free"] == 0:
        return broken(
            *life(oldest),
            Evidence(need(history.moment("claim-held"), "").at, f"held before: {short(claim['sql'], 100)}", A),
            expected="a claim locks the task that it takes; the others stay free for other workers",
            observed=f"while a claim is under way, all {claim['tasks']} pending tasks are locked",
            hint="Without LIMIT 1 the SELECT locks every row that it finds; LOCK TABLE locks them all as well. "
            "Other workers then find nothing, or wait.",
        )
    return holds(
        f"task {other.task} claimed {early[0].at - locked.at:.2f} s after it came, with task {oldest.task} locked",
        *sorted(proof, key=lambda e: e.at),
    )


@scenario(timeout=10, seconds=2)
def shuffled_ages(lab: Lab) -> None:
    """Six tasks whose order in the table is not their order of age, and no index to sort by accident."""
    lab.database.set_for_services("enable_indexscan", "off")
    lab.database.set_for_services("enable_bitmapscan", "off")
    lab.database.set_for_services("enable_indexonlyscan", "off")
    ages = [10.0 + number for number in lab.shuffled(6)]
    tasks = lab.insert_tasks(6, ages=ages)
    lab.database.rewrite([tasks[number].id for number in lab.shuffled(6)[:3]])
    lab.note("shuffled", ages=dict(zip((t.id for t in tasks), ages, strict=True)))
    lab.start_worker(poll=0.2, duration=0.0, ready=False)
    lab.wait_until(lab.has_status(*tasks))


@check(
    "3b.oldest-first",
    points=3,
    on=shuffled_ages,
    after=processes,
    hint="Without ORDER BY created_at the order is whatever the table happens to give.",
    read=f"{LAB}#oldest-first",
)
def takes_the_oldest_first(history: History) -> Judgement:
    """Tasks are claimed in the order of created_at, whatever their order in the table.

    Without an order the database gives what it finds first, which is the oldest for as long as the table is new.
    Later some tasks wait for ever.
    """
    ages: dict[str, float] = need(history.moment("shuffled"), "the tasks were not inserted").detail["ages"]
    # What is claimed once more was not waiting meanwhile.
    first = {claim.task: claim for claim in reversed(history.claims) if claim.task in ages}
    if len(first) < len(ages):
        need(None, "not all of the tasks were claimed")
    claims = sorted(first.values(), key=lambda claim: claim.at)
    order = [f"{c.task} ({ages[c.task]:.0f} s old)" for c in claims]
    for younger in claims:
        for older in claims:
            began = claim_began(history, older.task, older.at)
            if ages[older.task] > ages[younger.task] and began > younger.committed_at:
                return broken(
                    *[moved(c.change) for c in claims],
                    expected="oldest first",
                    observed=list_of(order, 6),
                )
    return holds(list_of(order, 6))


@check(
    "3b.end-to-end",
    points=4,
    on=client_to_client,
    after=processes,
    explained_by=does_the_work,
    hint="UPDATE only the columns that you own: status, assigned_worker, updated_at.",
    read=f"{LAB}#end-to-end",
)
def works_end_to_end(history: History) -> Judgement:
    """A posted task is seen to reach completed, its title untouched, updated_at moved; deleting one harms no other.

    This is what a client of the whole system sees, and all that it sees.
    """
    if silent := never_answered(history):
        return silent
    post = need(next(iter(history.exchanges("POST")), None), "the api-service and the worker did not come up")
    posted = history.moment("posted")
    if posted is None:
        return broken(
            asked(post),
            expected="a task that is posted is there",
            observed=f"{seen_of(post)}, and no task with this title in the table",
            hint="POST has to store the task in the table: this is where the worker looks for it.",
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
        return broken(*life(story), expected="title and description as posted", observed=other)
    if stale := _without_a_time(history, story):
        return broken(
            *life(story),
            expected="updated_at moves with every change of the status",
            observed=f"task {story.task} became {stale}, and updated_at stayed what it was",
            hint="Set updated_at = now() in every UPDATE: it tells clients what is new, and recovery what is old.",
        )
    kept = _keeps_the_change(history)
    return kept if kept.expected is not None else _bears_a_deletion(history) or kept


def _without_a_time(history: History, story: Story) -> str | None:
    """The first status that others saw the worker give a task, with the time of the one before; None: there is none."""
    shown: dict[str, Change] = {}
    for change in story.changes:
        shown[change.row.transaction] = change  # the last of a transaction is what others see
    before: Change | None = None
    for change in shown.values():
        if (
            before is not None
            and change.service in history.workers()
            and change.after("status") != before.after("status")
            and change.after("updated_at") == before.after("updated_at")
        ):
            return str(change.after("status"))
        before = change
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
            observed=f"{len(refused)} were refused: {seen_of(refused[0])}",
            hint="Each request needs a connection of its own, or a turn on a shared one.",
        )
    if problem := _mixed_up(history, posts, titles):
        return problem
    stories = [s for s in history.stories.values() if s.changes[0].after("title") in titles]
    wrong = [s for s in stories if len(s.claims) != 1 or len(s.completions) != 1]
    if wrong:
        return broken(
            *[e for s in wrong[:3] for e in life(s)],
            expected=f"{BURST} tasks, each claimed once and completed once",
            observed=list_of(
                f"task {s.task}: {len(s.claims)} claims, {len(s.completions)} completions" for s in wrong
            ),
        )
    start, end = min(e.at for e in posts), max(s.completions[0].at for s in stories)
    return holds(f"{BURST} tasks in {end - start:.1f} s, each claimed once and completed once")


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
        seen += f"; {len(strange)} clients were answered with the task of another"
    return broken(
        *[asked(post) for post in (strange or posts)[:4]],
        expected=f"{BURST} tasks, one for each client, each with its own title",
        observed=seen,
        hint="What belongs to one request must not lie where another one can reach it.",
    )
