"""Part 2: whether /health tells the truth."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from grader.checkpoints.api import LAB
from grader.checkpoints.evidence import asked
from grader.checkpoints.replies import never_answered, seen_of
from grader.declare import check, scenario
from grader.history.events import HttpExchange
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Api, Condition, Lab

HEALTH_LIMIT = 2.0
"""Seconds within which the contract wants an answer from /health."""
_SLACK = 0.5
"""Seconds that starting a request and reading its answer may add on a quiet machine."""


@scenario(timeout=10, seconds=6)
def database_gone_for_the_api(lab: Lab) -> None:
    """/health is asked while the database is up, busy, gone, silent, and back; a task while it is gone."""
    api = lab.start_api()
    [task] = lab.insert_tasks(1)
    limit = (HEALTH_LIMIT + 2) * lab.patience
    _health(lab, api, "up", limit)
    with ThreadPoolExecutor(2) as others:
        with lab.database.hold_table("ACCESS EXCLUSIVE"):
            lab.note("table-locked")
            lists = [others.submit(api.request, "GET", "/tasks", timeout=30) for _ in range(2)]
            lab.watch(0.2)
            _health(lab, api, "busy", limit)
        for each in lists:
            each.result()
    with lab.outage(api):
        _health(lab, api, "gone", limit)
        lab.note("asks-without-database", task=task.id)
        with ThreadPoolExecutor(2) as clients:
            paths = ("/tasks", f"/tasks/{task.id}")
            for each in [clients.submit(api.request, "GET", path, timeout=limit) for path in paths]:
                each.result()
        lab.note("asked-without-database")
    lab.comes(_healthy(api), timeout=5)
    _health(lab, api, "back", limit)
    lab.note("asks-for-tasks")
    lab.comes(Condition("GET /tasks to answer 200 again", lambda _b, _n: _lists(api)), timeout=5)
    lab.note("asked-for-tasks")
    api.relay.stall()
    _health(lab, api, "silent", limit)
    api.relay.accept()


def _health(lab: Lab, api: Api, phase: str, limit: float) -> None:
    lab.note("asks-health", phase=phase)
    api.request("GET", "/health", timeout=limit)


def _healthy(api: Api) -> Condition:
    return Condition("/health to answer 200 again", lambda _b, _n: api.request("GET", "/health").status == 200)


def _lists(api: Api) -> bool:
    return api.request("GET", "/tasks").status == 200


@check(
    "2.health",
    points=1,
    on=database_gone_for_the_api,
    hint="Ask the database for something small on every request, on a connection of its own, and answer 503 "
    "yourself when that takes longer than a second; a handler that blocks must not keep /health waiting.",
    read=f"{LAB}#the-api-service-you-bring",
)
def health_tells_the_truth(history: History) -> Judgement:
    """/health answers within two seconds: 200 if the database answers, else 503; when it is back, GET /tasks works again.

    Whatever watches over a service asks /health and sends clients elsewhere when it says no. A /health that says
    yes without a database, or hangs, is believed all the same.
    """
    if silent := never_answered(history):
        return silent
    wanted = {"up": 200, "busy": 200, "gone": 503, "back": 200, "silent": 503}
    phases = {
        "up": "with the database up",
        "busy": "while two other requests wait for a locked table",
        "gone": "with the database gone",
        "back": "with the database back",
        "silent": "with a database that accepts connections and never answers",
    }
    limit = HEALTH_LIMIT + _SLACK * history.patience
    answers = {m.detail["phase"]: _asked_after(history, m.at) for m in history.moments("asks-health")}
    need(answers.get("silent"), "the api-service did not come up")
    for phase, status in wanted.items():
        answer = need(answers.get(phase), f"/health was not asked {phases[phase]}")
        took = answer.ended_at - answer.at - history.stalled_between(answer.at, answer.ended_at)
        if answer.status != status or took > limit:
            return broken(
                asked(answer),
                expected=f"{phases[phase]}: {status} within {HEALTH_LIMIT:g} s",
                observed=f"{seen_of(answer)} after {took:.1f} s",
                hint=_REPLACED if phase == "back" and answer.status is not None else None,
            )
    asks = need(history.moment("asks-for-tasks"), "no task was asked for with the database back")
    over = need(history.moment("asked-for-tasks"), "no task was asked for with the database back")
    tried = [e for e in history.exchanges("GET", "/tasks") if asks.at <= e.at < over.at]
    need(tried or None, "no task was asked for with the database back")
    if not any(e.status == 200 for e in tried):
        return broken(
            *[asked(e) for e in tried[-3:]],
            expected="with the database back, GET /tasks answers 200 again",
            observed=f"{seen_of(tried[-1])}, {len(tried)} time{'s' * (len(tried) != 1)} in {over.at - asks.at:.1f} s",
            hint=_REPLACED,
        )
    return holds("200, 200 behind a slow query, 503, 200 again, and 503 when nothing answers")


_REPLACED = "A connection that was lost has to be replaced: by a pool that looks, or by connecting anew."


def _asked_after(history: History, at: float) -> HttpExchange | None:
    return next((e for e in history.exchanges("GET", "/health") if e.at >= at), None)
