"""Hints for a worker that got a signal with a task in hand, and did not finish as it should have: one for each way."""

from __future__ import annotations

import signal
from collections.abc import Sequence, Set

from grader.history.events import ChildrenLeft, ServiceExited, SignalSent
from grader.history.tasks import Story
from grader.history.timeline import History


def why_still_there(stories: Sequence[Story], *, claimed_since: bool) -> str:
    """A hint for a worker that got a signal and did not end; ``claimed_since``: it took more tasks."""
    if claimed_since:
        return (
            "It went on to claim after the signal, so the loop never learned of it: is the flag looked at in every "
            "round, or did something catch the exception that the handler raised?"
        )
    if all(story.status == "completed" for story in stories):
        return (
            "The work was finished, and still the process lives: something keeps it alive, such as a loop, a thread "
            "or a pool that nobody ends. (In Python: end the thread too, or make it a daemon.)"
        )
    return "Something waits without looking at the flag, or nobody set it."


def why_gone(
    history: History, signal_: SignalSent, exit_: ServiceExited, unfinished: Sequence[Story], in_hand: int
) -> str | None:
    """A hint for a worker that ended too soon, or not well; None: what the check says anyway."""
    is_killed = exit_.status == -signal.Signals[signal_.signal]
    if is_killed and any(left.service == exit_.service for left in history.of(ChildrenLeft)):
        return (
            f"{signal_.signal} goes to the process that your command starts, and that one passed nothing on: the "
            "worker is a child of it, and lived on. Start the worker itself, or let the wrapper exec it."
        )
    if is_killed and unfinished:
        return (
            f"Nothing caught {signal_.signal}, so it ended the process by itself. Install a handler, before anything "
            "else, that only sets a flag; your loop looks at it before it claims, never between claim and completion."
        )
    if 0 < len(unfinished) < in_hand:
        return (
            "It held more tasks than it finished: claim a task only when its work begins, or finish all that you hold "
            "before you exit."
        )
    if exit_.status == 0 and unfinished:
        return _why_let_go({story.status_at(exit_.at) for story in unfinished})
    if exit_.status != 0 and not unfinished:
        return (
            "The work was finished; the exit status alone is wrong. After a signal, end as if all went well: no "
            "exception on the way out, no other status than 0."
        )
    return None


def _why_let_go(statuses: Set[str | None]) -> str:
    """A hint for a worker that ended well but for its task, by what it left that as."""
    if statuses == {"pending"}:
        return (
            "The worker gave the task back, and whoever takes it begins again. There is time to finish what is in hand: "
            "do its work to the end, complete it, and leave then."
        )
    if statuses == {"failed"}:
        return (
            "A signal is no error of the work: what the handler raised ended the work, and was taken for a failure. Let "
            "the handler only set a flag, which your loop looks at before it claims."
        )
    return (
        "The worker ended by itself with the task in hand: a handler that exits, or raises, leaves it behind. Let "
        "the handler only set a flag, which your loop looks at before it claims."
    )
