"""Splitting a stream into lines, whatever the pieces in which it arrives."""

from __future__ import annotations

import pytest

from grader.services.log import CUT_MARK, Allowance, LineSplitter


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_the_pieces(size: int) -> None:
    data = "one\n\ntwo…\r\nthree".encode()
    splitter = LineSplitter()
    lines = [line for i in range(0, len(data), size) for line in splitter.feed(data[i : i + size])]
    assert lines == ["one", "", "two…"]
    assert splitter.flush() == ["three"]
    assert splitter.flush() == []


@pytest.mark.parametrize("size", [1, 4, 5, 6, 100])
def test_a_long_line_is_cut_once_and_the_next_is_whole(size: int) -> None:
    data = b"x" * 23 + b"\nshort\n" + b"12345\n"
    splitter = LineSplitter(limit=5)
    lines = [line for i in range(0, len(data), size) for line in splitter.feed(data[i : i + size])]
    assert lines == ["xxxxx" + CUT_MARK, "short", "12345"]
    assert splitter.flush() == []


def test_a_long_line_is_given_out_before_it_ends() -> None:
    assert LineSplitter(limit=5).feed(b"123456") == ["12345" + CUT_MARK]


def test_after_the_first_line_that_is_too_much_none_is_kept() -> None:
    allowance = Allowance(limit=10)
    assert [allowance.grant(line) for line in ("1234", "123456", "1")] == [True, False, False]
    assert allowance.kept == 5
    assert allowance.used_up
