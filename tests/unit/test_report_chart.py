"""A scenario in words and as a picture, from literal histories."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from grader.history.events import (
    ChildrenLeft,
    ConnectionClosed,
    Event,
    HttpExchange,
    LimitHit,
    Refused,
    StepBegan,
    StepEnded,
    WaitTimedOut,
)
from grader.history.timeline import History
from grader.report.chart import (
    Happening,
    Kind,
    draw,
    fold,
    happenings,
    in_short,
    names_markup,
    plot_markup,
    symbols_markup,
    telling,
)
from grader.report.chart.scale import LEFT, RIGHT, Scale
from tests.unit.histories import Story

NASTY = "</text><script>alert(1)</script>\x1b[31m\u202e&\" x='"


def sigterm(exit_status: int = 0, after: float = 0.6, finishes: bool = True) -> Story:
    """A worker claims a task, gets SIGTERM, completes the task or not, and ends."""
    story = Story().start("worker-A").insert("1", 1.0).insert("2", 1.01)
    story.step("worker-A", 1.1, "BEGIN", tag="BEGIN", after="T")
    story.step(
        "worker-A", 1.11, "SELECT * FROM tasks FOR UPDATE SKIP LOCKED", tag="SELECT 1", before="T", after="T"
    )
    story.claim("1", 1.12, "worker-A").step("worker-A", 1.13, "COMMIT", tag="COMMIT", before="T")
    story.log("worker-A", 1.14, "claimed task 1").signal("worker-A", "SIGTERM", 1.3)
    if finishes:
        story.complete("1", 1.3 + after - 0.1, "worker-A")
    return story.exit("worker-A", 1.3 + after, exit_status).note("scenario-over", 2.5)


def told(history: History) -> tuple[Happening, ...]:
    return fold(happenings(history))


def kinds(history: History, lane: str) -> list[str]:
    return [h.kind.value for h in told(history) if h.lane == lane]


def picture(history: History, most: int = 500) -> ElementTree.Element:
    lines = told(history)
    chart = draw(history, lines, telling(lines, most))
    assert chart is not None
    return ElementTree.fromstring(plot_markup(chart, "s1", "a timeline"))


def classes(plot: ElementTree.Element) -> list[str]:
    return [each.get("class", "") for each in plot.iter()]


# ---------------------------------------------------------------- in words


def test_everything_that_happened_is_told_in_order() -> None:
    lines = told(sigterm().history())
    assert [h.at for h in lines] == sorted(h.at for h in lines)
    assert [h.text for h in lines if h.kind in (Kind.CLAIM, Kind.SIGNAL, Kind.COMPLETION, Kind.EXIT)] == [
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "SIGTERM sent to worker-A",
        "task 1: processing → completed",
        "exited with status 0",
    ]


def test_what_comes_after_the_end_of_the_scenario_is_left_out() -> None:
    story = sigterm().signal("worker-A", "SIGKILL", 3.0)
    assert not [h for h in told(story.history()) if h.kind is Kind.KILL]


@pytest.mark.parametrize(
    ("status", "said", "bad"),
    [
        (0, "exited with status 0", False),
        (1, "exited with status 1", True),
        (-15, "ended by signal 15 (SIGTERM)", True),
    ],
)
def test_an_end_is_bad_unless_its_status_is_zero(status: int, said: str, bad: bool) -> None:
    [exit_] = [h for h in told(sigterm(status).history()) if h.kind is Kind.EXIT]
    assert (exit_.text, exit_.bad) == (said, bad)


def test_a_limit_that_was_hit_is_told_before_the_end_that_came_of_it() -> None:
    story = Story().start("worker-A")
    story.add(LimitHit(at=1.0, service="worker-A", limit="memory: 1 GiB")).exit("worker-A", 1.0, -9)
    story.add(LimitHit(at=2.0, service="scenario", limit="time: 300 s"))
    lines = [(h.lane, h.text, h.bad) for h in told(story.history()) if h.kind in (Kind.NOTE, Kind.EXIT)]
    assert lines == [
        ("worker-A", "hit a limit: memory: 1 GiB", True),
        ("worker-A", "ended by signal 9 (SIGKILL)", True),
        ("grader", "hit a limit: time: 300 s", True),
    ]


def test_what_the_table_refused_is_told_where_the_scenario_ended() -> None:
    story = Story().start("worker-A").add(Refused(at=1.0, why="a task cannot be inserted: value too long"))
    assert told(story.history())[-1].text == "a task cannot be inserted: value too long"


def test_a_task_taken_back_by_another_worker_is_a_recovery_and_by_its_own_a_failure() -> None:
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0).claim("1", 1.1, "worker-A")
    story.update("1", 2.0, "worker-B", status="pending").claim("1", 2.1, "worker-B")
    story.update("1", 3.0, "worker-B", status="failed")
    assert kinds(story.history(), "worker-B")[-3:] == ["recovery", "claim", "failure"]


def test_empty_polls_are_told_in_one_line_and_the_statements_of_a_claim_each_in_its_own() -> None:
    story = Story().start("worker-A")
    for poll in range(5):
        at = 1 + poll / 5
        story.step("worker-A", at, "BEGIN", tag="BEGIN", after="T")
        story.step("worker-A", at + 0.001, "SELECT 1 FROM tasks", tag="SELECT 0", before="T", after="T")
        story.step("worker-A", at + 0.002, "COMMIT", tag="COMMIT", before="T")
        story.log("worker-A", at + 0.003, f"2026-01-01 10:00:0{poll},123 no pending tasks")
    story.step("worker-A", 2.0, "BEGIN", tag="BEGIN", after="T")
    story.step("worker-A", 2.001, "SELECT 1 FROM tasks", tag="SELECT 1", before="T", after="T")
    lines = told(story.history())
    [folded] = [h for h in lines if h.kind is Kind.QUIET and "4 × " in h.text]
    assert folded.text.startswith("4 × BEGIN → BEGIN; 4 × SELECT 1 FROM tasks → SELECT 0; 4 × COMMIT → COMMIT")
    assert "log: no pending tasks" in folded.text
    assert folded.at == pytest.approx(1.2)
    assert folded.until == pytest.approx(1.803)
    assert [h.text.partition(" →")[0] for h in lines if h.at >= 2.0] == ["BEGIN", "SELECT 1 FROM tasks"]


def test_a_signal_is_never_folded_over() -> None:
    story = Story().start("worker-A")
    for poll in range(10):
        story.step("worker-A", 1 + poll / 10, "SELECT 1 FROM tasks", tag="SELECT 0")
    story.signal("worker-A", "SIGTERM", 1.45)
    lines = [h for h in told(story.history()) if h.at >= 1]
    assert [h.kind for h in lines] == [Kind.STATEMENT, Kind.STATEMENT, Kind.SIGNAL, Kind.STATEMENT]
    assert [h.text[:5] for h in lines] == ["SELEC", "4 × S", "SIGTE", "5 × S"]
    assert [h.until for h in lines] == [None, pytest.approx(1.4), None, pytest.approx(1.9)]


def test_an_answer_that_was_waited_for_is_a_wait_with_its_length() -> None:
    story = Story().start("worker-A").step("worker-A", 1.0, "SELECT 1 FROM tasks FOR UPDATE", took=0.4)
    [wait] = [h for h in told(story.history()) if h.kind is Kind.WAIT]
    assert wait.until == pytest.approx(1.4)
    assert wait.text == "SELECT 1 FROM tasks FOR UPDATE → SELECT 0 after 0.40 s"


def test_errors_refusals_and_dropped_connections_are_bad() -> None:
    where = {"service": "worker-A", "connection": 101, "step": 9}
    story = (
        Story()
        .start("worker-A")
        .add(
            StepBegan(at=1.0, sql="SELECT nonsense", transaction="I", **where),  # type: ignore[arg-type]
            StepEnded(
                at=1.001,
                tag="",
                rows=None,
                sqlstate="42703",
                message="no such column",
                values=(),
                parameters=(),
                transaction="I",
                committed=False,
                **where,  # type: ignore[arg-type]
            ),
            HttpExchange(
                at=1.1,
                service="api",
                method="GET",
                path="/tasks",
                request=None,
                status=500,
                content_type=None,
                body="oops",
                error=None,
                ended_at=1.2,
            ),
            ConnectionClosed(at=1.3, service="worker-A", connection=101, by="client"),
            ChildrenLeft(at=1.4, service="worker-A", commands=("sleep 99",)),
            WaitTimedOut(at=1.5, waited_for="worker-A to exit", seconds=10.0),
        )
    )
    assert [h.text for h in told(story.history()) if h.bad] == [
        "SELECT nonsense → error 42703: no such column",
        "GET /tasks → 500 oops",
        "connection 101 dropped by the service, without a Terminate message",
        "left processes behind, still alive: sleep 99",
        "gave up: waited 10.0 s for worker-A to exit",
    ]  # fmt: skip


# ---------------------------------------------------------------- in short


def test_in_short_says_what_a_signal_met_and_how_it_ended() -> None:
    [said] = in_short(sigterm(-15, after=0.003, finishes=False).history())
    assert said == (
        "worker-A got SIGTERM at 1.300 s with task 1 in hand, 0.18 s after its claim, of work set to 0.3 s. "
        "It was ended by signal 15 (SIGTERM) 3 ms later: nothing in that process caught the signal, "
        "without a word in its log. Task 1 stayed processing to the end."
    )


@pytest.mark.parametrize(("setting", "said"), [("0.8", "0.8 s"), ("800ms", "800ms"), ("1m30s", "1m30s")])
def test_in_short_tells_a_duration_in_the_unit_that_the_submission_was_given(setting: str, said: str) -> None:
    story = Story().start("worker-A", WORKER_TASK_DURATION=setting).insert("1", 1.0).claim("1", 1.1, "worker-A")
    [sentence] = in_short(story.signal("worker-A", "SIGTERM", 1.3).exit("worker-A", 1.4).history())
    assert f", of work set to {said}. " in sentence


def test_in_short_says_what_became_of_the_task_and_what_was_logged() -> None:
    [said] = in_short(sigterm().log("worker-A", 1.31, "shutting down").history())
    assert "exited with status 0 0.60 s later, and wrote: “shutting down”" in said
    assert "Task 1 became completed 0.50 s after the signal, by worker-A." in said


def test_in_short_names_what_was_left_behind_and_counts_from_the_last_of_several_claims() -> None:
    story = Story().start("worker-A").insert("1", 1.0).insert("2", 1.0).claim("1", 1.1, "worker-A")
    story.claim("2", 1.2, "worker-A").signal("worker-A", "SIGTERM", 1.25).exit("worker-A", 1.26, -15)
    story.add(ChildrenLeft(at=1.27, service="worker-A", commands=("/bin/sh -c x", "/usr/bin/python3 -m worker")))
    [said] = in_short(story.note("scenario-over", 2.0).history())
    assert "with tasks 1, 2 in hand, 50 ms after the last claim" in said
    assert "and left a process behind that lived on: python3 -m worker," in said


def test_in_short_says_when_a_process_does_not_end() -> None:
    story = Story().start("worker-A").signal("worker-A", "SIGTERM", 1.0).note("scenario-over", 11.0)
    [said] = in_short(story.history())
    assert "with no task in hand. It was still running 10.0 s later, when the grader gave up" in said


def test_a_process_that_does_not_end_is_told_of_at_the_end_of_its_lane() -> None:
    gave_up = WaitTimedOut(at=10.9, waited_for="worker-A to exit", seconds=9.9)
    story = Story().start("worker-A").signal("worker-A", "SIGTERM", 1.0).add(gave_up).note("scenario-over", 11.0)
    [alive] = [h for h in told(story.history()) if h.kind is Kind.ALIVE]
    assert (alive.at, alive.text, alive.bad) == (11.0, "still running, 10.0 s after SIGTERM", True)
    assert "mark alive bad" in classes(picture(story.history()))


def test_a_task_that_the_api_service_inserts_is_no_failure() -> None:
    story = Story().start("api")
    row = story.insert("1", 1.0).events.pop()
    story.add(dataclasses.replace(row, backend_pid=100, by_grader=False))  # type: ignore[call-arg]
    assert kinds(story.history(), "api")[-1] == "insert"


# ---------------------------------------------------------------- the axis


def test_the_axis_never_goes_back_and_keeps_what_happened_apart() -> None:
    stops = [1.0, 1.001, 1.002, 1.003, 9.0]
    scale = Scale.over(0.0, 10.0, stops)
    places = [scale.at(n / 100) for n in range(1001)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (LEFT, RIGHT)
    assert min(b - a for a, b in pairwise(map(scale.at, stops))) > 5


def test_the_ticks_of_the_axis_are_round_and_apart() -> None:
    for end in (0.5, 3.0, 42.0, 900.0):
        scale = Scale.over(0.0, end, [end / 3, end / 2])
        places = [scale.at(tick) for tick in scale.ticks()]
        assert 2 <= len(places) <= 12
        assert places == sorted(places)
        assert min(b - a for a, b in pairwise(places)) >= 8


def test_where_busy_moments_are_drawn_wider_the_ticks_are_finer() -> None:
    ticks = Scale.over(0.0, 60.0, [1 + n / 100 for n in range(40)]).ticks()
    assert [tick for tick in ticks if 1 < tick < 1.4]
    assert all(round(tick, 2) == tick for tick in ticks)


def test_an_axis_of_no_length_has_places_all_the_same() -> None:
    assert LEFT <= Scale.over(1.0, 1.0, [1.0]).at(1.0) <= RIGHT


# ---------------------------------------------------------------- the picture


def test_lanes_are_those_of_the_services_and_of_the_tasks() -> None:
    history = sigterm().history()
    lines = told(history)
    chart = draw(history, lines, range(len(lines)))
    assert chart is not None
    assert [(lane.name, lane.sort) for lane in chart.lanes] == [
        ("worker-A", "process"),
        ("task 1", "task"),
        ("task 2", "task"),
    ]
    assert re.findall(r">([^<]+)</text>", names_markup(chart)) == ["worker-A", "task 1", "task 2"]


def test_a_task_is_drawn_through_its_states_as_others_see_them() -> None:
    history = sigterm().history()
    lines = told(history)
    chart = draw(history, lines, range(len(lines)))
    assert chart is not None
    states = chart.lanes[1].spans
    assert [span.look for span in states] == ["state pending", "state processing", "state completed"]
    assert [span.start for span in states] == pytest.approx([1.001, 1.121, 1.801])
    assert [span.end for span in states] == pytest.approx([1.121, 1.801, 2.5])


def test_claims_completions_signals_and_ends_are_marked_and_the_statements_too() -> None:
    found = classes(picture(sigterm().history()))
    for wanted in ("mark claim", "mark done", "mark signal", "mark exit", "mark step", "mark log"):
        assert wanted in found
    assert found.count("rule-signal") == 1
    assert [c for c in found if c.startswith("link")] == ["link claim", "link done"]
    assert "span transaction" in found


def test_a_wait_for_a_lock_and_the_lock_of_the_grader_are_bars() -> None:
    story = Story().start("worker-A").note("row-locked", 1.0, task="1", other="2").note("row-let-go", 2.0)
    plot = picture(story.step("worker-A", 1.2, "SELECT 1 FROM tasks FOR UPDATE", took=0.8).history())
    assert {"mark wait", "span lock"} <= set(classes(plot))


def test_every_mark_names_a_line_that_is_told() -> None:
    history = sigterm(-15).history()
    lines = told(history)
    rows = telling(lines, 8)
    chart = draw(history, lines, rows)
    assert chart is not None
    marks = [each.get("data-row") for each in ElementTree.fromstring(plot_markup(chart, "s1", "x")).iter()]
    assert {mark for mark in marks if mark} <= {f"s1-{row}" for row in rows}


def test_where_not_everything_can_be_told_signals_claims_and_ends_stay() -> None:
    story = Story().start("worker-A")
    for number in range(50):
        story.log("worker-A", 1 + number / 100, f"line {number}")
    story.insert("1", 2.0).claim("1", 2.1, "worker-A").signal("worker-A", "SIGTERM", 2.2).exit("worker-A", 2.3)
    lines = told(story.history())
    kept = [lines[row].kind for row in telling(lines, 4)]
    assert kept == [Kind.START, Kind.CLAIM, Kind.SIGNAL, Kind.EXIT]


def test_what_a_verdict_rests_on_is_marked() -> None:
    history = sigterm().history()
    lines = told(history)
    chart = draw(history, lines, range(len(lines)), proof=(1.3,))
    assert chart is not None
    assert [m.symbol for lane in chart.lanes for m in lane.marks if m.proof] == ["signal"]


def test_of_many_tasks_those_that_moved_are_drawn_and_the_others_counted() -> None:
    story = Story().start("worker-A")
    for number in range(1, 31):
        story.insert(str(number), 1.0)
    history = story.claim("17", 1.5, "worker-A").history()
    chart = draw(history, told(history), ())
    assert chart is not None
    names = [lane.name for lane in chart.lanes if lane.sort == "task"]
    assert len(names) == 10
    assert "task 17" in names
    assert chart.left_out == ("20 more tasks, in the end 20 pending",)


def test_a_record_without_services_has_no_picture() -> None:
    history = Story().note("explored", 1.0, schedules=3, situation="one task").history()
    assert draw(history, told(history), (0,)) is None
    assert draw(History(()), (), ()) is None


def test_hostile_text_stays_text_in_the_picture() -> None:
    story = Story().start(NASTY).insert(NASTY, 1.0, title=NASTY, status=NASTY).log(NASTY, 1.1, NASTY)
    lines = told(story.history())
    chart = draw(story.history(), lines, range(len(lines)))
    assert chart is not None
    source = plot_markup(chart, "s1", "'\"><script>") + names_markup(chart)
    assert "<script" not in source
    assert not re.search("[\x00-\x08\x1b\u202e]", source)
    assert not re.search("[\x1b\u202e]", "".join(h.text + h.lane for h in lines))
    ElementTree.fromstring(plot_markup(chart, "s1", "x"))


def test_every_symbol_that_is_used_is_there() -> None:
    there = set(re.findall(r'id="(s-[a-z]+)"', symbols_markup()))
    plot = picture(sigterm(-15).log("worker-A", 1.2, "x").history())
    used = {each.get("href", "")[1:] for each in plot.iter() if each.get("href")}
    assert used <= there


def _events() -> list[Event]:
    return sigterm().events


def test_the_same_history_gives_the_same_picture_in_whatever_order_it_was_recorded() -> None:
    one, other = History(_events()), History(list(reversed(_events())))
    assert ElementTree.tostring(picture(one)) == ElementTree.tostring(picture(other))
