"""Where messages begin and end, however the bytes arrive."""

from __future__ import annotations

import random
import struct

import pytest

from grader.wire.framing import (
    CONTINUED,
    FRONTEND_LIMITS,
    HEAD_LIMIT,
    Framer,
    Malformed,
    asks_for_encryption,
    asks_to_cancel,
    first_packet,
)
from tests.unit.wire_bytes import SYNC, bind, execute, extended, message, query, row


def test_whole_messages_pass_at_once_and_are_told_apart() -> None:
    data = query("SELECT 1") + SYNC
    passed, spans = Framer(FRONTEND_LIMITS).feed(data)
    assert passed == data
    assert spans == [(ord("Q"), 0, 14), (ord("S"), 14, 19)]


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_of_the_stream_yields_the_same_messages_and_bytes(seed: int) -> None:
    chance = random.Random(seed)
    long = query("x" * (HEAD_LIMIT * 2))
    data = extended("SELECT $1", b"1") + SYNC + long + execute() + SYNC
    framer, passed, kinds, at = Framer(FRONTEND_LIMITS), b"", "", 0
    while at < len(data):
        size = chance.choice((1, 2, 3, 7, 60, 5000, 30_000))
        out, spans = framer.feed(data[at : at + size])
        assert b"".join(out[start:end] for _, start, end in spans) == out
        passed += out
        kinds += "".join(chr(kind) for kind, _, _ in spans if kind != CONTINUED)
        at += size
    assert passed == data
    assert kinds == "PBDESQES"


def test_a_message_passes_only_when_it_is_complete_so_that_it_can_be_held() -> None:
    framer = Framer(FRONTEND_LIMITS)
    assert framer.feed(query("SELECT 1")[:-1]) == (b"", [])
    assert framer.feed(b"\0")[0] == query("SELECT 1")


def test_a_row_of_a_gigabyte_streams_by_and_only_a_head_is_kept_back() -> None:
    framer = Framer()
    size = 1 << 30
    chunk = b"x" * (256 * 1024)
    passed = 0
    out, spans = framer.feed(b"D" + struct.pack("!I", size + 4) + chunk)
    assert [kind for kind, _, _ in spans] == [ord("D")]
    passed += len(out)
    while passed < size + 5:
        out, spans = framer.feed(chunk[: size + 5 - passed])
        assert spans == [(CONTINUED, 0, len(out))]
        passed += len(out)
    assert framer.feed(row(b"1"))[1] == [(ord("D"), 0, len(row(b"1")))]


@pytest.mark.parametrize(
    "noise",
    [
        b"Q\x00\x00\x00\x03",
        b"Q\xff\xff\xff\xff",
        b"Q\x7f\xff\xff\xff",
        b"E\x00\x01\x00\x00",  # an Execute of 64 KiB
        b"\x00\x00\x00\x00\x04",
        b"GET / HTTP/1.1\r\n",
        message("Z", b"I"),  # only a server says this
    ],
)
def test_what_the_server_would_hang_up_on_is_malformed(noise: bytes) -> None:
    with pytest.raises(Malformed):
        Framer(FRONTEND_LIMITS).feed(SYNC + noise)


def test_a_server_may_send_any_type() -> None:
    data = message("\x7f", b"new") + message("v", b"\0\3\0\0\0\0\0\0")
    assert Framer().feed(data)[0] == data


def test_a_server_with_a_length_that_cannot_be_is_malformed() -> None:
    with pytest.raises(Malformed):
        Framer().feed(b"D\x00\x00\x00\x00")


def first(code: int, rest: bytes = b"") -> bytes:
    return struct.pack("!II", 8 + len(rest), code) + rest


@pytest.mark.parametrize("minor", [0, 2, 9999])
def test_a_startup_packet_of_any_protocol_3_is_taken(minor: int) -> None:
    packet = first(3 << 16 | minor, b"user\0me\0\0")
    assert [first_packet(packet[:size]) for size in range(len(packet))] == [0] * len(packet)
    assert first_packet(packet + b"more") == len(packet)
    assert not asks_for_encryption(packet)
    assert not asks_to_cancel(packet)


def test_requests_for_encryption_and_cancelling_are_recognised() -> None:
    assert asks_for_encryption(first(80877103))
    assert asks_for_encryption(first(80877104))
    cancel = first(80877102, struct.pack("!I", 1) + b"k" * 32)
    assert first_packet(cancel) == len(cancel)
    assert asks_to_cancel(cancel)


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00",  # TLS without asking
        b"G",
        b"GET / HTTP/1.1\r\n\r\n",
        first(2 << 16),
        first(80877103, b"x"),
        struct.pack("!I", 7),
        struct.pack("!I", 10_001),
    ],
)
def test_what_is_no_first_packet_is_malformed(noise: bytes) -> None:
    with pytest.raises(Malformed):
        first_packet(noise)


def test_long_parameters_are_shown_by_their_head() -> None:
    data = bind([b"v" * 1_000_000])
    out, spans = Framer(FRONTEND_LIMITS).feed(data[:20_000])
    assert (len(out), spans) == (20_000, [(ord("B"), 0, 20_000)])
