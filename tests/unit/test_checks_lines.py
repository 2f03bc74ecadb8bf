"""What a line of a log names."""

from __future__ import annotations

import pytest

from grader.checkpoints.lines import names_id


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
