"""What a line of a log names."""

from __future__ import annotations

import pytest

from grader.checkpoints.lines import completion_forms, has_duration, is_start_line, names_id
from tests.unit.histories import Story

A = "worker-A"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("claimed 7", True),
        ("task=7, title", True),
        ('{"id":7}', True),
        ("#7", True),
        ("17", False),
        ("72", False),
        ("", False),
    ],
)
def test_an_id_is_named_as_a_word_of_its_own(text: str, named: bool) -> None:
    assert names_id(text, "7") is named


@pytest.mark.parametrize("setting", ["0.4", "400ms"])
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("worker started, poll interval 0.4 s", True),
        ("poll=0.4s", True),
        ("polling every 400ms", True),
        ('{"msg":"started","poll":400000000}', True),  # slog writes a time.Duration so
        ('{"message":"started","interval":400,"stuck":60000}', True),
        ('{"pollInterval":4e+08}', True),
        ("interval_us=400000", True),
        ("poll interval PT0.4S", True),
        ("poll interval 0:00:00.400000", True),
        ("poll interval 00:00:00.4000000", True),
        ("Intervall 0,40 Sekunden", True),
        ("started (0.4000000059604645)", True),
        ("every 0.40.", True),
        ("started, poll interval 10.4 s", False),
        ("started, poll interval 0.45 s", False),
        ("timeout 1400 ms", False),
        ("timeout 400s", False),
        ("2026-11-29 19:12:53,400 INFO worker started", False),
        ('{"time":"2026-11-29T19:12:53.400Z","message":"started"}', False),
        ("2026/11/29 10:12:00.400000 worker started", False),
        ("id-of-400 started", False),
        ("connected to lab_400", False),
        ("worker started", False),
        ("", False),
    ],
)
def test_a_line_names_an_interval_as_a_number_of_its_own_in_any_unit(setting: str, text: str, named: bool) -> None:
    history = Story().start(A, WORKER_POLL_INTERVAL=setting, WORKER_ID="400 apples").history()
    assert is_start_line(history, A, text) is named
    assert is_start_line(history, A, f"400 apples: {text}") is named


def test_a_line_of_digits_without_end_is_read_in_no_time() -> None:
    history = Story().start(A).history()
    assert not is_start_line(history, A, "1" * 50_000 + "_")
    assert not is_start_line(history, A, "1s" * 20_000 + "_")
    assert not is_start_line(history, A, "1e5" * 20_000 + "_")


def worked(*after: str, before: tuple[str, ...] = ()) -> Story:
    """Two tasks, each with these lines before and after its completion."""
    story = Story().start(A)
    for number, task in enumerate(("7", "8"), 1):
        story.insert(task, 0.5).claim(task, number, A)
        for line in before:
            story.log(A, number + 0.2, line.format(task))
        story.complete(task, number + 0.5, A)
        for line in after:
            story.log(A, number + 0.51, line.format(task))
    return story


def failed(*lines: str) -> Story:
    story = Story().start(A).insert("9", 0.5).note("failing", 0.6, task="9").claim("9", 1.0, A)
    for line in lines:
        story.log(A, 1.2, line.format("9"))
    return story.update("9", 1.5, A, status="failed")


@pytest.mark.parametrize(
    ("story", "bad", "forms"),
    [
        (worked("completed {} in 0.3 s", before=("claimed {} try 1",)), failed(), {"completed # in # s"}),
        # lines that are read late
        (worked("finished {} after 0.3 s, saving", "completed {} in 0.3 s"), failed(), {"completed # in # s"}),
        (worked("completed {} in 0.3 s", "heart of {} stopped, 2 beats"), failed(), {"completed # in # s"}),
        (worked("Aufgabe {} nach 0.3 s erledigt"), failed(), {"Aufgabe # nach # s erledigt"}),
        (
            worked("Aufgabe {} nach 0.3 s erledigt", "Herz von {} steht nach 2"),
            failed("Herz von {} steht nach 1"),
            {"Aufgabe # nach # s erledigt"},
        ),
        (
            worked("completed {} in 0.3 s", "done with {} (0.3 s)"),
            failed("done with {} (0.1 s)"),
            {"completed # in # s"},
        ),
        (worked("completed {} in 0.3 s"), failed("completed {} in 0.1 s"), {"completed # in # s"}),
        (worked("completed {}"), failed(), set()),
    ],
)
def test_what_a_completion_looks_like_is_learned_from_those_that_nothing_disturbs(
    story: Story, bad: Story, forms: set[str]
) -> None:
    assert completion_forms(A, story.history(), bad.history()) == forms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("completed task=7 in 0.30 s", True),
        ("worker-A-3f21 completed 7 in 300 ms", True),
        ("completed task=7 by worker-A-3f21", False),
        ("12:00:01 completed task=7: fuzzy otter 9", False),
    ],
)
def test_a_duration_is_a_number_that_is_no_name_no_title_and_no_time_of_day(text: str, told: bool) -> None:
    assert has_duration(text, "7", "fuzzy otter 9", ["worker-A-3f21"]) is told
