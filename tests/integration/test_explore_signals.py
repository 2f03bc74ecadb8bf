"""Every point of the solution's life of a task is reached, and the signal comes where it was to come."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.explore import Points, broken_point, life
from grader.explore.points import points_of
from grader.history.events import Moment, ServiceExited, SignalSent, StepBegan, StepEnded
from grader.history.recorder import Clock
from grader.history.timeline import History
from grader.lab import Lab
from grader.postgres import Server
from tests.integration.test_explore_walks import SOLUTION, MakeLab, changed_solution, labs, moments


@pytest.fixture
def make_lab(embedded_server: Server, clock: Clock) -> Iterator[MakeLab]:
    with labs(embedded_server, clock) as make:
        yield make


def run(lab: Lab, number: signal.Signals) -> list[Moment]:
    """Every point tried once; the notes."""
    Points(lab, number).run(0, 1)
    return [e for e in lab.recorder.events() if isinstance(e, Moment) and e.name == "point"]


def steps_of(lab: Lab, point: Moment) -> tuple[list[StepBegan], list[StepEnded]]:
    """What the worker in question had sent, and been answered, when the signal came."""
    service, sent = point.detail["service"], point.detail["sent"]
    events = [e for e in lab.recorder.events() if e.at <= sent]
    began = [e for e in events if isinstance(e, StepBegan) and e.service == service]
    return began, [e for e in events if isinstance(e, StepEnded) and e.service == service]


def comes_where_it_was_to_come(lab: Lab, point: Moment) -> None:
    began, ended = steps_of(lab, point)
    number, sql = point.detail["step"], point.detail["sql"]
    match point.detail["where"]:
        case "connecting":
            assert (number, began) == (0, [])
        case "before":
            assert len(began) == len(ended), "nothing is under way"
            assert [e.sql for e in began].count(sql) < number
        case "answer":
            assert began[-1].sql == sql
            assert ended[-1].step == began[-1].step, "the server has done it"
            assert ended[-1].sqlstate is None
        case "waiting":
            assert began[-1].sql == sql
            assert len(ended) == len(began) - 1, "the server has not done it"
        case other:
            raise AssertionError(other)


def is_as_planned(lab: Lab, number: signal.Signals) -> list[Moment]:
    connecting = number is not signal.SIGKILL
    planned = {(p.number, p.where) for p in points_of(life(lab), connecting=connecting)}
    noted = run(lab, number)
    left_out = {(m["step"], "waiting") for m in moments(lab, "need-not-wait")}
    assert [(m["where"], m["reason"]) for m in moments(lab, "point-missed")] == []
    assert {(p.detail["step"], p.detail["where"]) for p in noted} | left_out == planned
    assert moments(lab, "not-again") == []
    history = History(lab.events(), lab.patience)
    for point in noted:
        assert broken_point(history, point) is None
        comes_where_it_was_to_come(lab, point)
        service = point.detail["service"]
        [sent] = [e for e in history.of(SignalSent) if e.service == service and e.signal == number.name]
        assert point.detail["sent"] <= sent.at
    return noted


def test_each_step_of_a_life_tells_what_others_saw_of_the_task_until_then(make_lab: MakeLab) -> None:
    steps = life(make_lab(SOLUTION))
    statuses = [step.status for step in steps]
    assert statuses == sorted(statuses, key=["pending", "processing", "completed"].index)
    assert set(statuses) == {"pending", "processing", "completed"}
    claim = next(step for step in steps if "'processing', assigned_worker" in step.place.sql)
    finish = next(step for step in steps if "AND attempts" in step.place.sql)
    assert (claim.status, finish.status) == ("pending", "processing")


def test_a_kill_comes_at_every_point_and_another_worker_brings_the_task_to_its_end(make_lab: MakeLab) -> None:
    lab = make_lab(SOLUTION)
    noted = is_as_planned(lab, signal.SIGKILL)
    assert {p.detail["where"] for p in noted} == {"before", "answer", "waiting"}
    assert all(p.detail["done"] for p in noted)
    assert {p.detail["left"] for p in noted} == {"pending", "processing", "completed"}
    victims = {p.detail["service"] for p in noted}
    exits = {e.service: e.status for e in History(lab.events()).of(ServiceExited)}
    assert {exits[name] for name in victims} == {-signal.SIGKILL}


def test_a_transaction_left_open_beside_the_work_keeps_nobody_from_the_points(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    connects = "                with closing(queue.connect(self._settings.database_url, self._settings.worker_id)) as connection:\n"
    asks = connects.replace("with ", "with psycopg.connect(self._settings.database_url) as probe, ")
    asks += '                    probe.execute("SELECT 1")\n'
    lab = make_lab(changed_solution(tmp_path, "worker.py", connects, asks))
    noted = run(lab, signal.SIGKILL)
    assert moments(lab, "point-missed") == []
    assert {point.detail["where"] for point in noted} == {"before", "answer", "waiting"}
    assert all(point.detail["done"] for point in noted)


def test_a_stop_comes_at_every_point_and_the_worker_ends_with_nothing_in_hand(make_lab: MakeLab) -> None:
    noted = is_as_planned(make_lab(SOLUTION), signal.SIGTERM)
    assert {p.detail["where"] for p in noted} == {"connecting", "before", "answer", "waiting"}
    assert {p.detail["exited"] for p in noted} == {0}
