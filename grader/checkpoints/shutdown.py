"""Exercise 3a, part 3: what SIGTERM means to a worker that has a task in hand."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from grader.checkpoints.durable import AtCommit, maker
from grader.checkpoints.evidence import ended, life, list_of, moved, sent, short, status_words
from grader.checkpoints.lines import speaks_of_shutdown
from grader.checkpoints.polling import cut_short, does_the_work, idle_quarter
from grader.checkpoints.races import shares_the_work
from grader.checkpoints.starting import LAB, A
from grader.checkpoints.unfinished import why_gone, why_still_there
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import SignalSent
from grader.history.steps import Step
from grader.history.tasks import Claim, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab, any_of
from grader.model import Evidence

BACKLOG = 30
"""Tasks that wait; more than a worker with some slots works off meanwhile."""

STEADY, LONGEST_STEADY = 0.1, 0.3
"""Seconds in which a worker's other slots come as far as the first one, or a signal comes to its handler: on a quiet
machine, and on any. The work that it is at lasts longer, whatever the machine does."""

SECOND_AFTER, LONGEST_SECOND_AFTER = 0.2, 0.5
"""Seconds after a signal until the next one comes: on a quiet machine, and on any. The work that it is at lasts longer;
what the first signal does to it, it has done by then."""

LONGEST_SILENCE = 3.0
"""Seconds (times patience) in which a worker that speaks of a signal at all has done so."""


def steady(lab: Lab) -> None:
    """Let a worker's other slots come as far as the first one, or a signal come to its handler."""
    lab.watch(min(STEADY * lab.patience, LONGEST_STEADY))


@scenario(timeout=10, seconds=3)
def sigterm_mid_task(lab: Lab) -> None:
    """Three tasks wait; the worker gets SIGTERM at work on one of them, and has the time to say so before it ends."""
    worker = lab.start_worker(poll=0.4, duration=0.8)
    tasks = lab.insert_tasks(3)
    # One that never works can be told to stop all the same.
    at_work = {task.id: worker.works_on(task) for task in tasks}
    if lab.comes(any_of(at_work.values(), by=worker.name), timeout=5):
        steady(lab)
    with worker.relay.hold(lambda _step: True):  # so that its work comes to no end meanwhile
        told = worker.says(speaks_of_shutdown)
        worker.signal(signal.SIGTERM)
        if lab.comes(told, timeout=LONGEST_SILENCE):
            steady(lab)  # what else it says of the signal comes with it
        lab.note("let-go")
    lab.wait_until(lab.has_exited(worker))


@scenario(timeout=10, seconds=2)
def second_signal(lab: Lab) -> None:
    """The worker gets SIGTERM while it works, and SIGTERM again while it finishes."""
    worker = lab.start_worker(poll=0.2, duration=1.0)
    [task] = lab.insert_tasks(1)
    lab.wait_until(worker.works_on(task))
    lab.settle()
    worker.signal(signal.SIGTERM)
    lab.watch(min(SECOND_AFTER * lab.patience, LONGEST_SECOND_AFTER))
    lab.stop(worker, signal.SIGTERM)


@scenario(timeout=10, seconds=2)
def sigterm_between_tasks(lab: Lab) -> None:
    """The answer to a completion is withheld when SIGTERM comes; many more tasks wait."""
    tasks = lab.insert_tasks(BACKLOG)
    worker = lab.start_worker(poll=0.2, duration=0.2, ready=False)
    first = lab.wait_for_any({task.id: lab.has_status(task) for task in tasks})
    history = lab.history()
    statement = next((maker(history, c) for c in history.story(first).completions), None)
    lab.give_up_unless(statement is not None, "the statement that completed a task")
    with worker.relay.hold(AtCommit(str(statement)), where="answer") as hold:
        withheld = Condition("a completion", lambda _b, _n: hold.is_holding, by=worker.name)
        if lab.comes(withheld, timeout=3):
            steady(lab)
        lab.note("answer-withheld", sql=hold.held[0].sql if hold.is_holding else None)
        worker.signal(signal.SIGTERM)
        steady(lab)
        lab.note("answer-given")
    lab.comes(lab.has_exited(worker), timeout=5)
    lab.note("watched")


def _stories_in_hand(history: History, signal_: SignalSent) -> list[Story]:
    tasks = history.in_hand(A, signal_.at)
    need(tasks or None, "no task was in hand when the signal came")
    return [history.story(task) for task in tasks]


def _left_processing(history: History) -> list[Story]:
    exit_ = history.exited(A)
    at = exit_.at if exit_ else float("inf")
    return [s for s in history.stories.values() if s.status_at(at) == "processing"]


@check(
    "3a.sigterm-finishes-task",
    points=6,
    on=(sigterm_mid_task, second_signal, idle_quarter),
    after=processes,
    explained_by=does_the_work,
    hint="The handler only sets a flag. Your loop looks at it before it claims, never between claim and completion.",
    read=f"{LAB}#graceful-shutdown",
)
def finishes_the_task_in_hand(history: History, twice: History, usual: History) -> Judgement:
    """A worker that gets SIGTERM while it works does that work to its end, completes the task, and exits with status 0.

    Every deployment sends SIGTERM to every worker. If each one drops its task, each deployment leaves tasks behind
    that wait for a timeout, or for a person.
    """
    result = finishes(history, need(history.signal("SIGTERM"), "the worker never had a task in hand"), usual)
    signals = sigterms(twice)
    if result.expected is None and len(signals) > 1:
        first, second = (signal_.at for signal_ in signals[:2])
        before = [s for s in twice.stories.values() if s.completions and first < s.completions[0].at <= second]
        return ended_early(twice, signals[0], before, usual) or result
    return result


def sigterms(history: History) -> list[SignalSent]:
    """Every SIGTERM to the worker, in order."""
    return [s for s in history.of(SignalSent) if s.service == A and s.signal == "SIGTERM"]


def ended_early(
    history: History, signal_: SignalSent, stories: Sequence[Story], usual: History
) -> Judgement | None:
    """What is wrong with tasks whose work a signal has cut short; ``usual`` is work that nothing disturbs."""
    for story in stories:
        if seen := cut_short(history, story, usual):
            return broken(
                sent(signal_),
                *life(story),
                expected="the work in hand is done to its end, and then the task is completed",
                observed=seen,
                hint="The signal ended the work itself: does the work wait on the flag that the handler sets? Only "
                "the wait between two polls may end early.",
            )
    return None


def finishes(history: History, signal_: SignalSent, usual: History) -> Judgement:
    """Whether what was in hand at a signal was done and completed, and the worker then ended well."""
    stories = _stories_in_hand(history, signal_)
    exit_ = history.exited(A)
    proof = [sent(signal_), *[moved(c) for s in stories for c in s.changes if c.status_moved][:8]]
    if exit_ is None:
        waited = need(history.gave_up, "the scenario came to no end").seconds
        return broken(
            *proof,
            expected="the task completed, then exit status 0",
            observed=f"{_states(stories, float('inf'))}, still running {waited:.0f} s after {signal_.signal}",
            hint=why_still_there(stories, claimed_since=bool(_late_claims(history, signal_))),
        )
    proof.append(ended(exit_))
    unfinished = [s for s in stories if s.status_at(exit_.at) != "completed"]
    stuck = _left_processing(history)
    if unfinished or stuck or exit_.status != 0:
        states = _states(unfinished or stuck or stories, exit_.at)
        return broken(
            *proof,
            expected="the task completed, nothing left processing, exit status 0",
            observed=f"{states}, {status_words(exit_.status)}",
            hint=why_gone(history, signal_, exit_, unfinished or stuck, len(stories)),
        )
    return ended_early(history, signal_, stories, usual) or holds(
        f"task {stories[0].task} completed, then exit status 0", *proof
    )


def _states(stories: Sequence[Story], at: float) -> str:
    return list_of(f"task {s.task} {s.status_at(at)}" for s in stories)


@check(
    "3a.sigterm-takes-no-more",
    points=3,
    on=(sigterm_mid_task, sigterm_between_tasks),
    after=processes,
    explained_by=(does_the_work, shares_the_work),
    hint="Look at the flag right before the statement that claims.",
    read=f"{LAB}#graceful-shutdown",
)
def takes_no_more(history: History, between: History) -> Judgement:
    """While more tasks wait, no claim begins after SIGTERM, at work or between two tasks.

    Whoever sent the signal waits a few seconds and then sends SIGKILL. A task begun after SIGTERM is a task that
    may be killed in its middle.
    """
    signal_ = need(history.signal("SIGTERM"), "the worker never had a task in hand")
    _stories_in_hand(history, signal_)
    if late := _late_claims(history, signal_):
        return broken(
            sent(signal_),
            *[moved(c.change) for c in late[:6]],
            expected="no claim after the signal",
            observed=f"task {late[0].task} claimed {late[0].at - signal_.at:.2f} s after it",
        )
    if problem := _takes_no_more_between(between):
        return problem
    left = [s for h in (history, between) for s in h.stories.values() if s.status == "pending"]
    return holds(f"signals at work and between two tasks: {len(left)} tasks were left for others", sent(signal_))


def _late_claims(history: History, signal_: SignalSent) -> list[Claim]:
    return [c for c in history.claims if c.at > signal_.at and claim_began(history, c.task, c.at) > signal_.at]


def _takes_no_more_between(history: History) -> Judgement | None:
    withheld = need(history.moment("answer-withheld"), "no task was completed while others waited")
    sql = need(withheld.detail["sql"], "the completion was not seen to come")
    signal_ = need(history.signal("SIGTERM"), "the worker got no signal")
    given = need(history.moment("answer-given"), "the scenario came to no end")
    need(history.moment("watched"), "the scenario came to no end")
    left = [s for s in history.stories.values() if s.status_at(given.at) == "pending"]
    need(left or None, "no task was waiting when the signal came")
    late = _late_claims(history, signal_)
    if len(late) <= _under_way(history, signal_):
        return None
    withheld_mark = Evidence(withheld.at, f"answer withheld: {short(sql, 100)}", A)
    return broken(
        withheld_mark,
        sent(signal_),
        Evidence(given.at, "answer given", A),
        *[moved(c.change) for c in late[:6]],
        expected="no claim after a signal that comes while a completion is on its way",
        observed=f"task {late[0].task} claimed {_after(late[0].at, given.at, signal_.at)}",
        hint="Look at the flag between the completion and the next claim, after the completion's answer.",
    )


def _after(at: float, given: float, signal_: float) -> str:
    if at < given:
        return f"{at - signal_:.2f} s after the signal"
    return f"{at - given:.2f} s after the completion was answered"


def _under_way(history: History, signal_: SignalSent) -> int:
    """How many claims may have been under way inside the worker when the signal came, on their way to the wire.

    Where several tasks are in hand at a time, all but one of their slots may wait for a connection to claim with.
    And a worker that sends its next claim without waiting for the answer before has sent it already.
    """
    before = [c for c in history.claims if c.at < signal_.at]
    slots = max((len(history.in_hand(A, c.at)) for c in before), default=1)
    return slots - 1 + _sends_ahead(history, signal_.at)


def _sends_ahead(history: History, before: float) -> bool:
    """Whether the worker sends a statement while the one that ends the transaction before it is not answered."""
    last: dict[int, Step] = {}
    for step in history.steps_of(A):
        earlier = last.get(step.connection)
        over = earlier is not None and earlier.state_after == "I" and step.began < (earlier.ended or 0)
        if over and step.began < before:
            return True
        last[step.connection] = step
    return False


def claim_began(history: History, task: str, at: float) -> float:
    """When the first statement of the claim that changed a row at ``at`` was sent to the server.

    A claim begins with the first statement of its transaction.
    """
    story = history.story(task)
    change = next(c for c in story.changes if c.at == at)
    line = next((c for c in history.connections if c.backend_pid == change.row.backend_pid), None)
    if line is None:
        return at
    steps = [s for s in history.steps_of(line.service) if s.connection == line.number and s.began <= at + 0.005]
    began = at
    for step in reversed(steps):
        began = min(began, step.began)
        if step.state_before == "I":
            break
    return began
