"""What a submission writes is shown, but never obeyed."""

from __future__ import annotations

import time
import unicodedata

import pytest

from grader.report import text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1b]0;a new title\x07after", "after"),
        ("\x1b]8;;http://example.org\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("\x1bP1$r0m\x1b\\device control", "device control"),
        ("\x1b]52;c;no end", "52;c;no end"),
        ("\x1b(0line drawing\x1bc reset", "line drawing reset"),
        ("\x1b\x1b[0m[31mnested", r"\x1b[31mnested"),
        ("bell\x07, nul\x00, delete\x7f", r"bell\x07, nul\x00, delete\x7f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("half \ud83d of a pair", r"half \ud83d of a pair"),
        ("not XML: \uffff", r"not XML: \uffff"),
        ("tag \U000e0041", r"tag \U000e0041"),
    ],
)
def test_controls_are_taken_out_or_spelled_out(written: str, shown: str) -> None:
    assert text.line(written) == shown
    assert text.block(written) == shown


@pytest.mark.parametrize(
    "written", ["<script>alert(1)</script>", "[red]x[/]", "שלום, Zoë", "👩‍🔧 works", "a'b\"c\\"]
)
def test_markup_and_every_script_stay_as_they_are(written: str) -> None:
    assert text.line(written) == written
    assert text.block(written) == written


def test_a_line_has_no_line_break_of_any_kind() -> None:
    assert text.line(" a\r\nb\tc\u2028d\x85e\x0bf\n") == "a b c d e f"


def test_a_block_keeps_its_lines_and_its_indentation() -> None:
    assert text.block("\n    indented\r\n\tand a tab  \rend\n\n") == "    indented\n    and a tab\nend"


def test_a_long_line_is_cut_and_says_how_long_it_was() -> None:
    assert text.line("x" * 1_000_000, limit=10) == "xxxxxxxxxx ... (cut, 1,000,000 characters in all)"
    assert text.line("x" * 10, limit=10) == "x" * 10


def test_a_long_text_that_shrinks_to_little_still_says_that_it_was_cut() -> None:
    shown = text.line("abcd" + "\x1b[0m" * 100_000 + "end", limit=100)
    assert shown == "abcd ... (cut, 400,007 characters in all)"


def test_a_tall_block_is_cut() -> None:
    assert text.block("a\n" * 100, lines=2) == "a\na\n... (cut after 2 lines)"


def test_hostile_input_takes_no_longer_than_its_length() -> None:
    began = time.perf_counter()
    for hostile in ("\x1b]" * 500_000, "\x1b[" + "0" * 1_000_000, "\x1b" * 1_000_000, "\n" * 1_000_000):
        text.block(hostile, limit=1_000_000)
    assert time.perf_counter() - began < 10


def test_no_character_at_all_gets_a_control_through() -> None:
    everything = "".join(map(chr, range(0x11000)))
    shown = text.block(everything, limit=len(everything) * 8, lines=len(everything))
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} == {"\n"}
    assert not {
        c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "RLI", "LRI")
    }


def test_data_keeps_everything_that_a_reader_of_json_accepts() -> None:
    assert text.valid("\x1b[31m\u202e\n") == "\x1b[31m\u202e\n"
    assert text.valid("a\x00b\udc80c") == "a\ufffdb\ufffdc"


def test_data_has_a_limit_too() -> None:
    assert text.valid("xyz", limit=2) == "xy ... (cut, 3 characters in all)"


def test_what_an_encoding_cannot_show_is_spelled_out() -> None:
    assert text.encodable("Zoë ✓", "ascii") == r"Zo\xeb \u2713"
    assert text.encodable("Zoë ✓", "latin-1") == r"Zoë \u2713"
