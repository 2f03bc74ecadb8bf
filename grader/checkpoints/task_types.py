"""Beyond the lab: more than one kind of task."""

from __future__ import annotations

from grader.checkpoints.evidence import ended, life, said
from grader.checkpoints.failing import failing_work, without_rests
from grader.checkpoints.lines import form, is_about
from grader.checkpoints.polling import cut_short
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab, any_of

EMAIL_WORK = 0.3
"""Seconds that the work of each task lasts."""


@scenario(timeout=12, seconds=2)
def an_email(lab: Lab) -> None:
    """A plain task, one of type email, and an email whose work fails."""
    worker = lab.start_worker(poll=0.2, duration=EMAIL_WORK)
    [plain] = lab.insert_tasks(1)
    lab.wait_until(lab.has_status(plain))
    [email] = lab.insert_tasks(1, type="email")
    lab.note("email", task=email.id, title=email.title, plain=plain.id, plain_title=plain.title)
    lab.wait_until(lab.has_status(email))
    lab.wait_until(worker.has_looked())
    [bad] = lab.insert_tasks(1, type="email", fail=True)
    lab.note("failing-email", task=bad.id)
    ends = (lab.has_status(bad, status="failed"), lab.has_status(bad), lab.has_exited(worker))
    without_rests(lab, any_of(ends), bad)


@check(
    "x.task-types",
    points=1,
    on=(an_email, failing_work),
    after=processes,
    hint="A dictionary from type to function: a new type is one new entry.",
    read=f"{LAB}#task-types",
)
def knows_email(history: History, failing: History) -> Judgement:
    """A task of type email is worked on like any other, with a log line of its own.

    A queue for one kind of task gets a second kind soon. Adding one should not mean to touch the loop that claims.
    """
    detail = need(history.moment("email"), "the plain task was not completed").detail
    story = history.story(detail["task"])
    if not story.completions:
        return broken(*life(story), expected="the email task completed", observed=f"it is {story.status}")
    names = (detail["plain"], detail["plain_title"], detail["task"], detail["title"])
    log = history.log(A)
    # Whatever reached the grader late is a plain task's line all the same if it names that one.
    inserted = story.changes[0].at
    plain = [n for n in log if n.at < inserted or is_about(n.text, detail["plain"])]
    usual = {form(n.text, *names) for n in plain}
    own = [
        n
        for n in log
        if n not in plain
        and (is_about(n.text, story.task) or detail["title"] in n.text or "mail" in n.text.lower())
        and form(n.text, *names) not in usual
    ]
    if not own:
        return broken(
            *[said(n) for n in log if n.at >= inserted][:5],
            expected="a log line for the email that a plain task does not have",
            observed="the same lines as for a plain task",
        )
    if short_work := cut_short(history, story, history):
        return broken(
            *life(story),
            expected="an email takes the time that work takes",
            observed=short_work,
            hint="What is common to all types belongs beside the dictionary, not into its functions.",
        )
    bad = need(history.moment("failing-email"), "the scenario came to no end")
    failed, exit_ = history.story(bad.detail["task"]), history.exited(A)
    if failed.status != "failed" and _plain_work_fails(failing):
        if not failed.completions and exit_ is None:
            need(None, "an email whose work fails came to no end")
        return broken(
            *life(failed),
            *([ended(exit_)] if exit_ is not None else []),
            expected="an email whose payload says so fails, as a plain task does",
            observed=f"task {failed.task} was completed" if failed.completions else "the worker ended",
        )
    return holds("completed, with a line of its own", said(own[0]))


def _plain_work_fails(history: History) -> bool:
    """Whether work that is to fail does so where the task is a plain one."""
    moment = history.moment("failing")
    return moment is not None and history.story(moment.detail["task"]).status == "failed"
