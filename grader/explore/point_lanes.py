"""A point that broke a rule, in lanes that people can read. Pure."""

from __future__ import annotations

from grader.explore.point_rules import broken_point
from grader.explore.trace import GRADER
from grader.explore.visible import ends_transaction, is_plumbing
from grader.history.events import Moment, ServiceExited, SignalSent
from grader.history.sql import bare
from grader.history.steps import Step
from grader.history.tasks import Change
from grader.history.timeline import History
from grader.history.words import change_words, short
from grader.model import Counterexample, LaneStep

SHOWN_AFTER = 12
"""Statements after the signal that are shown."""

_SQL = 400


def point_lanes(history: History, point: Moment, seen: int) -> Counterexample:
    """What the worker did up to the signal, and what came of its task. ``seen``: how often it was seen."""
    detail = point.detail
    service, began, end = detail["service"], detail["began"], point.at
    others = [name for name in (detail.get("rescuer"),) if name]
    changes = [c for c in history.story(detail["task"]).changes if c.service and began <= c.at <= end + 1]
    told: list[tuple[float, LaneStep]] = [
        (step.began, _told(step, changes))
        for step in history.steps
        if step.service in (service, *others) and began <= step.began <= end and _is_shown(step, service, changes)
    ]
    told = _from_first_meeting(told, detail["sent"])
    told += [(e.at, LaneStep(0, GRADER, f"{e.signal} to {service}")) for e in _signals(history, service)]
    told += [(e.at, LaneStep(0, service, _ended(e))) for e in _exits(history, service)]
    told.sort(key=lambda pair: pair[0])
    steps = [_numbered(number, step) for number, (_, step) in enumerate(told, start=1)]
    rule = broken_point(history, point)
    return Counterexample(
        lanes=(service, GRADER, *others),
        steps=tuple(steps),
        setup=f"task {detail['task']} is pending, “{short(detail['title'], 60)}”",
        rule=rule.sentence if rule else "",
        schedule=f"{detail['signal']} {detail['where']} {detail['step']}",
        replays=seen,
    )


def _numbered(number: int, step: LaneStep) -> LaneStep:
    return LaneStep(
        number, step.lane, step.text, step.result, step.transaction, step.waits_for, False, step.changes
    )


def _is_shown(step: Step, service: str, changes: list[Change]) -> bool:
    if step.service == service:
        return not is_plumbing(step.sql) or ends_transaction(step.sql)
    return bool(_changes_of(step, changes)) or bool(step.sqlstate)


def _from_first_meeting(told: list[tuple[float, LaneStep]], sent: float) -> list[tuple[float, LaneStep]]:
    """Without the polls before the task was there, and no more after the signal than one can read."""
    before = [pair for pair in told if pair[0] <= sent]
    met = next((i for i, (_, step) in enumerate(before) if step.changes or "nothing" not in step.result), 0)
    after = [pair for pair in told if pair[0] > sent]
    return before[max(met - 1, 0) :] + after[:SHOWN_AFTER]


def _changes_of(step: Step, changes: list[Change]) -> list[Change]:
    end = float("inf") if step.ended is None else step.ended
    return [c for c in changes if c.service == step.service and step.began <= c.at <= end]


def _told(step: Step, changes: list[Change]) -> LaneStep:
    return LaneStep(
        0,
        step.service,
        short(bare(step.sql) or step.sql, _SQL),
        _result(step),
        step.state_after,
        None,
        False,
        tuple(change_words(change) for change in _changes_of(step, changes)),
    )


def _result(step: Step) -> str:
    if step.ended is None:
        return "no answer"
    if step.sqlstate:
        return f"error {step.sqlstate}: {short(step.message or '', 120)}"
    if ends_transaction(step.sql):
        return "done"
    if step.rows == 0:
        return "nothing found" if step.tag.startswith("SELECT") else "0 rows"
    return "done" if step.rows is None else f"{step.rows} row{'s' * (step.rows != 1)}"


def _signals(history: History, service: str) -> list[SignalSent]:
    return [event for event in history.of(SignalSent) if event.service == service][:1]


def _exits(history: History, service: str) -> list[ServiceExited]:
    return [event for event in history.of(ServiceExited) if event.service == service][:1]


def _ended(exit_: ServiceExited) -> str:
    return f"ends, exit status {exit_.status}" if exit_.status >= 0 else f"is ended by signal {-exit_.status}"
