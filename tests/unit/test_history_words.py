"""How things are said that several reports say."""

from __future__ import annotations

import pytest

from grader.history.words import exit_words, status_words


@pytest.mark.parametrize(
    ("status", "long", "short"),
    [
        (0, "exited with status 0", "status 0"),
        (137, "exited with status 137", "status 137"),
        (-15, "ended by signal 15 (SIGTERM)", "ended by signal 15"),
        (-24, "ended by signal 24 (SIGXCPU)", "ended by signal 24"),
        # A real-time signal, which Python has no name for.
        (-35, "ended by signal 35", "ended by signal 35"),
    ],
)
def test_the_end_of_a_process_is_told_whatever_signal_it_was(status: int, long: str, short: str) -> None:
    assert (exit_words(status), status_words(status)) == (long, short)
