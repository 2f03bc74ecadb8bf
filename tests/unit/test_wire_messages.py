"""What bodies say; nothing in them breaks the reader."""

from __future__ import annotations

import contextlib
import random
import struct
import uuid

import pytest

from grader.wire import messages
from grader.wire.messages import (
    CELL_LIMIT,
    CELLS_LIMIT,
    ServerError,
    Unreadable,
    column_types,
    parameters_text,
    read_bind,
    read_error,
    read_parse,
    readable,
    row_cells,
)
from tests.unit.wire_bytes import bind, columns, error, parse, row


def test_parse_tells_name_text_and_types() -> None:
    read = read_parse(parse("SELECT $1", "s1", [23, 25])[5:])
    assert (read.name, read.sql, read.types) == (b"s1", "SELECT $1", (23, 25))


def test_a_statements_text_is_bounded() -> None:
    assert len(read_parse(parse("ż" * 10_000)[5:]).sql) == messages.SQL_LIMIT


def test_bind_tells_names_parameters_and_formats() -> None:
    read = read_bind(bind([b"a", None, b"\0\7"], "s", "p", formats=[0, 0, 1], results=[1])[5:])
    assert (read.portal, read.statement, read.formats) == (b"p", b"s", (1,))
    assert read.parameters == ((b"a", False), (None, False), (b"\0\7", True))
    assert parameters_text(read, (0, 0, 21)) == ("a", "NULL", "7")


def test_one_format_code_stands_for_all_parameters() -> None:
    read = read_bind(bind([b"\0\1", b"\0\2"], formats=[1])[5:])
    assert parameters_text(read, (21, 21)) == ("1", "2")


def test_a_bind_that_is_cut_off_tells_what_is_there() -> None:
    body = bind([b"first", b"v" * 50_000, b"last"])[5 : messages.CELL_LIMIT * 10]
    assert parameters_text(read_bind(body), ()) == ("first", "v" * CELL_LIMIT)


def test_parameters_are_bounded_in_all() -> None:
    shown = parameters_text(read_bind(bind([b"x" * 500] * 100)[5:]), ())
    assert sum(len(text) for text in shown) == CELLS_LIMIT
    assert all(shown)


@pytest.mark.parametrize(
    ("cell", "oid", "text"),
    [
        (None, 23, "NULL"),
        (b"\xff\xff", 21, "-1"),
        (struct.pack("!i", -5), 23, "-5"),
        (struct.pack("!q", 1 << 40), 20, str(1 << 40)),
        (struct.pack("!I", 4_000_000_000), 26, "4000000000"),
        (uuid.UUID(int=7).bytes, 2950, str(uuid.UUID(int=7))),
        (b"\0" * 15, 2950, "\\x" + "00" * 15),
        ("żółw".encode(), 25, "żółw"),
        ("żółw".encode(), 1043, "żółw"),
        (b'\x01{"a": 1}', 3802, '{"a": 1}'),
        (b"\1", 16, "t"),
        (struct.pack("!d", 0.25), 701, "0.25"),
        (b"plain", 0, "plain"),
        (b"\0\1", 0, "\\x0001"),
        (b"\0\1\2", 23, "\\x000102"),
        (b"\0" * 8, 1184, "\\x0000000000000000"),
        (b"\0" * 16, 17, "\\x" + "00" * 16),
        (b"\0{}", 3802, "\\x007b7d"),
        *[(b"name", oid, "name") for oid in (18, 19, 25, 114, 142, 705, 1042, 1043)],
    ],
)
def test_binary_values_are_told_where_their_type_is_known(cell: bytes | None, oid: int, text: str) -> None:
    assert readable(cell, oid, binary=True) == text


def test_values_in_text_form_are_told_as_they_are_and_bounded() -> None:
    assert readable(b"\xff ok", 0, binary=False) == "\ufffd ok"
    assert len(readable(b"x" * 1000, 25, binary=False)) == CELL_LIMIT
    assert len(readable(b"\0" * 1000, 17, binary=True)) <= CELL_LIMIT


def test_a_row_and_its_description_are_read() -> None:
    assert row_cells(row(b"1", None, b"")[5:]) == [b"1", None, b""]
    assert column_types(columns(23, 25, form=1)[5:]) == [(23, True), (25, True)]


def test_columns_without_a_name_are_read_like_others() -> None:
    column = b"\0" + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0)
    assert column_types(struct.pack("!H", 3) + 3 * column) == [(25, False)] * 3


@pytest.mark.parametrize("left", range(4))
def test_a_row_that_is_cut_off_within_a_length_ends_before_that_cell(left: int) -> None:
    assert row_cells(row(b"1", b"2")[5 : 5 + 2 + 5 + left]) == [b"1"]


def test_an_error_tells_its_state_and_message() -> None:
    assert read_error(error("40001", "could not serialise")[5:]) == ServerError("40001", "could not serialise")
    fatal = b"SFATALE\0VFATAL\0C57P01\0Mgone\0\0"
    assert read_error(fatal) == ServerError("57P01", "gone", is_fatal=True)


@pytest.mark.parametrize("seed", range(200))
def test_noise_in_a_body_is_read_as_far_as_it_goes_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    body = bytearray(bind([b"abc", None], formats=[1, 0], results=[0, 1])[5:] + columns(23, 25)[5:])
    for _ in range(chance.randrange(1, 6)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    noise = bytes(body[: chance.randrange(len(body))])
    for read in (read_parse, row_cells, column_types, messages.parameter_types, read_error):
        read(noise)
    messages.backend_pid(noise)
    messages.called_function(noise)
    with contextlib.suppress(Unreadable):
        parameters_text(read_bind(noise), (23, 25))
