"""A point that broke a rule, in lanes that people can read. Pure."""

from __future__ import annotations

import dataclasses

from grader.explore.counterexample import SQL_SHOWN, answer_words
from grader.explore.point_rules import broken_point
from grader.explore.trace import GRADER
from grader.explore.visible import has_no_effect
from grader.history.events import Moment, ServiceExited, SignalSent
from grader.history.sql import bare
from grader.history.steps import Step
from grader.history.tasks import Change
from grader.history.timeline import History
from grader.history.words import change_words, short, status_words
from grader.model import Counterexample, LaneStep

SHOWN_AFTER = 12
"""Lines after the signal that are shown."""


def point_lanes(history: History, point: Moment, seen: int) -> Counterexample:
    """What the worker did up to the signal, and what came of its task. ``seen``: how often it was seen."""
    detail = point.detail
    service, rescuer = detail["service"], detail.get("rescuer")
    changes = [c for c in history.story(detail["task"]).changes if c.service]
    told = [(step.began, _told(step, changes)) for step in _steps(history, point, changes)]
    _mark(told, point)
    told += [(e.at, LaneStep(0, GRADER, f"{e.signal} to {service}")) for e in _signals(history, service)]
    told += [(e.at, LaneStep(0, service, _ended(e))) for e in _exits(history, service)]
    told.sort(key=lambda pair: pair[0])
    before = [step for at, step in told if at <= detail["sent"]]
    after = [step for at, step in told if at > detail["sent"]]
    shown = [*before, *after[:SHOWN_AFTER]]
    rule = broken_point(history, point)
    return Counterexample(
        lanes=(service, GRADER, rescuer) if rescuer else (service, GRADER),
        steps=tuple(dataclasses.replace(step, number=number) for number, step in enumerate(shown, start=1)),
        setup=f"task {detail['task']} is pending, “{short(detail['title'], 60)}”",
        rule=rule.sentence if rule else "",
        schedule=f"{detail['signal']} {detail['where']} {detail['step']}",
        replays=seen,
    )


def _steps(history: History, point: Moment, changes: list[Change]) -> list[Step]:
    """The worker's own from the task's insert on; of the other one's those that changed the task, or failed."""
    detail = point.detail
    found = []
    for step in history.steps:
        if not detail["inserted"] <= step.began <= point.at or has_no_effect(step.sql):
            continue
        is_rescue = step.service == detail.get("rescuer") and (_changes_of(step, changes) or step.sqlstate)
        if step.service == detail["service"] or is_rescue:
            found.append(step)
    return found


def _mark(told: list[tuple[float, LaneStep]], point: Moment) -> None:
    """Say at the step in question what the signal found."""
    detail = point.detail
    if detail["where"] == "before":
        held = LaneStep(0, detail["service"], _sql(detail["sql"]), "held: the server does not see it")
        told.append((detail["sent"], held))
        return
    mine = [i for i, (at, step) in enumerate(told) if at <= detail["sent"] and step.lane == detail["service"]]
    if not mine or detail["where"] == "connecting":
        return
    at, step = told[mine[-1]]
    words = (
        "the worker is not told" if detail["where"] == "answer" else "it waits for the grader, which holds the row"
    )
    told[mine[-1]] = (at, dataclasses.replace(step, result=f"{step.result}; {words}"))


def _changes_of(step: Step, changes: list[Change]) -> list[Change]:
    end = float("inf") if step.ended is None else step.ended
    return [c for c in changes if c.service == step.service and step.began <= c.at <= end]


def _told(step: Step, changes: list[Change]) -> LaneStep:
    return LaneStep(
        0,
        step.service,
        _sql(step.sql),
        "no answer" if step.ended is None else answer_words(step.sql, step),
        step.state_after,
        changes=tuple(change_words(change) for change in _changes_of(step, changes)),
    )


def _sql(sql: str) -> str:
    return short(bare(sql) or sql, SQL_SHOWN)


def _signals(history: History, service: str) -> list[SignalSent]:
    return [event for event in history.of(SignalSent) if event.service == service][:1]


def _exits(history: History, service: str) -> list[ServiceExited]:
    return [event for event in history.of(ServiceExited) if event.service == service][:1]


def _ended(exit_: ServiceExited) -> str:
    return f"{'ends, exit' if exit_.status >= 0 else 'is'} {status_words(exit_.status)}"
