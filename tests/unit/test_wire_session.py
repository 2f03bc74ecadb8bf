"""A conversation becomes steps: on literal bytes, with the gate open."""

from __future__ import annotations

import struct

import pytest

from grader.wire.session import NAMES_LIMIT
from grader.wire.steps import SKIPPED, SYNC_COMMIT
from tests.unit.wire_bytes import (
    BOUND,
    COPY_DONE,
    FLUSH,
    NO_DATA,
    PARSED,
    RUN,
    SUSPENDED,
    SYNC,
    TERMINATE,
    Talk,
    bind,
    columns,
    describe,
    done,
    error,
    execute,
    extended,
    key,
    message,
    parameter_types,
    parse,
    query,
    ready,
    row,
)

INSERT = "INSERT INTO t VALUES ($1)"


def test_the_login_tells_the_backend_whatever_the_length_of_its_key() -> None:
    for secret in (b"\1\2\3\4", b"s" * 32, b"s" * 256):
        talk = Talk()
        assert [event.backend_pid for event in talk.readies] == [4711]
        talk.session.is_ready = False
        talk.server(message("v", struct.pack("!II", 3 << 16, 0)) + key(99, secret) + ready())
        assert talk.session.backend_pid == 99


def test_passwords_and_settings_are_no_steps() -> None:
    talk = Talk()
    data = message("p", b"SCRAM-SHA-256\0secret")
    assert talk.client(data) == data
    talk.server(message("S", b"TimeZone\0UTC\0") + message("N", b"SNOTICE\0\0") + message("A", b"\0\0\0\1c\0p\0"))
    assert talk.began == []


def test_a_simple_query_is_one_step_that_ends_when_the_server_is_ready() -> None:
    talk = Talk()
    assert talk.client(query("SELECT a, b FROM t")) == query("SELECT a, b FROM t")
    answer = columns(23, 25) + row(b"1", None) + row(b"2", "ż".encode()) + done("SELECT 2")
    assert talk.server(answer + ready()) == answer + ready()
    assert talk.began == [(1, "SELECT a, b FROM t", "I")]
    assert talk.outcome == [(1, "SELECT 2", 2, "I", False)]
    assert talk.ended[0].values == ("1", "NULL", "2", "ż")


def test_a_query_of_several_statements_is_one_step() -> None:
    talk = Talk()
    talk.client(query("BEGIN; UPDATE t SET a = 1; COMMIT"))
    talk.server(done("BEGIN") + done("UPDATE 2") + done("COMMIT") + ready())
    assert talk.outcome == [(1, "BEGIN; UPDATE 2; COMMIT", 2, "I", True)]


def test_a_simple_write_outside_a_transaction_commits() -> None:
    talk = Talk()
    talk.client(query("UPDATE t SET a = 1"))
    talk.server(done("UPDATE 1") + ready())
    talk.client(query("UPDATE t SET a = 1 WHERE false"))
    talk.server(done("UPDATE 0") + ready())
    assert [outcome[-1] for outcome in talk.outcome] == [True, False]


def test_a_query_that_fails_in_its_middle_commits_nothing() -> None:
    talk = Talk()
    talk.client(query("UPDATE t SET a = 1; SELECT 1/0"))
    talk.server(done("UPDATE 1") + error("22012", "division by zero") + ready())
    assert talk.outcome == [(1, "22012", None, "I", False)]
    assert talk.ended[0].message == "division by zero"


def test_an_empty_query_is_a_step_without_a_tag() -> None:
    talk = Talk()
    talk.client(query(""))
    talk.server(message("I") + ready())
    assert talk.outcome == [(1, "", None, "I", False)]


def test_the_text_is_carried_from_statement_to_portal_to_execute() -> None:
    talk = Talk()
    talk.client(parse("SELECT $1::text", "s") + bind([b"x"], "s", "p") + execute("p") + SYNC)
    talk.server(PARSED + BOUND + row(b"x") + done("SELECT 1") + ready())
    assert talk.began == [(1, "SELECT $1::text", "I")]
    assert talk.ended[0].parameters == ("x",)
    assert talk.ended[0].values == ("x",)


def test_a_prepared_statement_is_used_again_with_types_from_its_description() -> None:
    talk = Talk()
    talk.client(parse("SELECT $1", "s") + describe("S", "s") + FLUSH)
    talk.server(PARSED + parameter_types(23) + columns(20))
    for number in (7, -8):
        four, eight = struct.pack("!i", number), struct.pack("!q", number)
        talk.client(bind([four], "s", formats=[1], results=[1]) + execute() + SYNC)
        talk.server(BOUND + row(eight) + done("SELECT 1") + ready())
    assert [event.parameters for event in talk.ended] == [("7",), ("-8",)]
    assert [event.values for event in talk.ended] == [("7",), ("-8",)]
    assert [event.sql for event in talk.events if hasattr(event, "sql")] == ["SELECT $1"] * 2


def test_a_name_can_be_closed_and_prepared_anew() -> None:
    talk = Talk()
    talk.client(
        parse("SELECT 1", "s") + message("C", b"Ss\0") + parse("SELECT 2", "s") + bind((), "s") + execute()
    )
    talk.client(message("C", b"P\0") + execute() + SYNC)
    assert [sql for _, sql, _ in talk.began] == ["SELECT 2", "FETCH FROM "]


def test_statements_made_by_sql_are_named() -> None:
    talk = Talk()
    talk.client(bind((), "by_sql") + execute() + execute("cursor") + SYNC)
    assert [sql for _, sql, _ in talk.began] == ["EXECUTE by_sql", "FETCH FROM cursor"]


def test_a_step_ends_with_its_own_answer_not_with_the_next_sync() -> None:
    talk = Talk()
    talk.client(extended("SELECT 1") + FLUSH)
    talk.server(RUN + row(b"1") + done("SELECT 1"))
    assert talk.outcome == [(1, "SELECT 1", 1, "I", False)]
    assert talk.session.under_way is None


def test_a_suspended_portal_ends_its_step_and_each_execute_is_a_step() -> None:
    talk = Talk()
    talk.client(extended("SELECT n FROM s") + FLUSH)
    talk.server(RUN + row(b"1") + row(b"2") + SUSPENDED)
    talk.client(execute() + SYNC)
    talk.server(row(b"3") + done("SELECT 1") + ready())
    assert talk.outcome == [(1, "", 2, "I", False), (2, "SELECT 1", 1, "I", False)]


def test_an_update_that_is_suspended_after_its_row_has_written() -> None:
    talk = Talk()
    talk.client(extended("UPDATE t SET a = 1 RETURNING id") + SYNC)
    talk.server(RUN + row(b"1") + SUSPENDED + ready())
    assert talk.outcome == [(1, "", 1, "I", False), (2, "COMMIT", None, "I", True)]


def test_a_sync_that_ends_an_implicit_transaction_with_writes_is_a_step() -> None:
    talk = Talk()
    talk.client(extended(INSERT, b"1") + SYNC)
    talk.server(RUN + done("INSERT 0 1") + ready())
    assert talk.began == [(1, INSERT, "I"), (2, SYNC_COMMIT, "I")]
    assert talk.outcome == [(1, "INSERT 0 1", 1, "I", False), (2, "COMMIT", None, "I", True)]
    times = [event.at for event in talk.events[1:]]
    assert times == sorted(times)


def test_a_sync_after_reading_or_inside_a_transaction_is_no_step() -> None:
    talk = Talk()
    talk.client(extended("SELECT 1") + SYNC)
    talk.server(RUN + done("SELECT 1") + ready())
    talk.client(query("BEGIN"))
    talk.server(done("BEGIN") + ready("T"))
    talk.client(extended(INSERT, b"1") + SYNC)
    talk.server(RUN + done("INSERT 0 1") + ready("T"))
    talk.client(SYNC)
    talk.server(ready("T"))
    assert len(talk.began) == 3
    talk.client(query("COMMIT"))
    talk.server(done("COMMIT") + ready())
    assert talk.outcome[-1] == (4, "COMMIT", None, "I", True)


def test_a_commit_that_fails_at_the_sync_is_told() -> None:
    talk = Talk()
    talk.client(extended(INSERT, b"1") + SYNC)
    talk.server(RUN + done("INSERT 0 1") + error("23503") + ready())
    assert talk.outcome == [(1, "INSERT 0 1", 1, "I", False), (2, "23503", None, "I", False)]


def test_inside_an_unsynced_pipeline_the_state_is_kept_here() -> None:
    talk = Talk()
    sqls = ["BEGIN", INSERT, "UPDATE t SET a = 2", "COMMIT"]
    talk.client(b"".join(extended(sql) for sql in sqls) + SYNC)
    tags = ["BEGIN", "INSERT 0 1", "UPDATE 1", "COMMIT"]
    talk.server(b"".join(RUN + done(tag) for tag in tags) + ready())
    assert talk.outcome == [
        (1, "BEGIN", None, "T", False),
        (2, "INSERT 0 1", 1, "T", False),
        (3, "UPDATE 1", 1, "T", False),
        (4, "COMMIT", None, "I", True),
    ]


def test_after_an_error_everything_up_to_the_sync_was_skipped() -> None:
    talk = Talk()
    talk.client(extended("SELECT 1/0") + extended(INSERT, b"1") + SYNC + extended("SELECT 2") + SYNC)
    talk.server(PARSED + BOUND + error("22012") + ready() + RUN + done("SELECT 1") + ready())
    assert talk.outcome == [
        (1, "22012", None, "I", False),
        (2, "", None, "I", False),
        (3, "SELECT 1", 1, "I", False),
    ]
    assert talk.ended[1].message == SKIPPED.message


def test_what_is_sent_while_the_server_skips_is_no_step() -> None:
    talk = Talk()
    talk.client(parse("SELECT nonsense") + describe("S") + FLUSH)
    talk.server(error("42703"))
    talk.client(extended("SELECT 1") + FLUSH)
    assert talk.began == []
    talk.client(SYNC + extended("SELECT 2") + SYNC)
    talk.server(ready() + RUN + done("SELECT 1") + ready())
    assert talk.outcome == [(1, "SELECT 1", 1, "I", False)]


def test_an_error_before_any_step_spoils_the_transaction_it_is_in() -> None:
    talk = Talk()
    talk.client(query("BEGIN"))
    talk.server(done("BEGIN") + ready("T"))
    talk.client(parse("SELECT nonsense") + FLUSH)
    talk.server(error("42703"))
    assert talk.session.transaction.state == "E"


def test_pg8000s_many_syncs_are_no_steps() -> None:
    talk = Talk()
    talk.client(parse("SELECT 1", "s") + SYNC)
    talk.server(PARSED + ready())
    talk.client(describe("S", "s") + SYNC)
    talk.server(parameter_types() + columns(23) + ready())
    talk.client(bind((), "s") + execute() + SYNC)
    talk.server(BOUND + row(b"1") + done("SELECT 1") + ready())
    assert talk.outcome == [(1, "SELECT 1", 1, "I", False)]


def test_a_failed_parse_before_a_sync_leaves_nothing_behind() -> None:
    talk = Talk()
    talk.client(parse("SELECT nonsense", "s") + describe("S", "s") + SYNC)
    talk.server(error("42703") + ready())
    assert (talk.events[1:], talk.session.awaited, talk.session.is_skipping) == ([], 0, False)


def test_copy_in_by_a_simple_query() -> None:
    talk = Talk()
    talk.client(query("COPY t FROM STDIN"))
    talk.server(message("G", b"\0\0\0"))
    talk.client(SYNC + FLUSH + message("d", b"1\n") + COPY_DONE)
    talk.server(done("COPY 1") + ready())
    assert talk.outcome == [(1, "COPY 1", 1, "I", True)]
    assert talk.session.awaited == 0


def test_copy_in_by_execute_where_the_server_ignores_the_sync_that_came_along() -> None:
    talk = Talk()
    talk.client(extended("COPY t FROM STDIN") + SYNC)
    talk.server(RUN + message("G", b"\0\0\0"))
    talk.client(message("d", b"1\n") + COPY_DONE + SYNC)
    talk.server(done("COPY 1") + ready())
    assert talk.outcome == [(1, "COPY 1", 1, "I", False), (2, "COMMIT", None, "I", True)]
    talk.client(extended("SELECT 1") + SYNC)
    talk.server(RUN + done("SELECT 1") + ready())
    assert talk.outcome[-1] == (3, "SELECT 1", 1, "I", False)


def test_a_copy_in_that_fails_is_over() -> None:
    talk = Talk()
    talk.client(query("COPY t FROM STDIN"))
    talk.server(message("G", b"\0\0\0"))
    talk.client(message("d", b"x\n") + message("f", b"never mind\0"))
    talk.server(error("57014") + ready())
    assert talk.outcome == [(1, "57014", None, "I", False)]
    assert not talk.session.is_copying_in


def test_copy_out_passes_and_writes_nothing() -> None:
    talk = Talk()
    talk.client(query("COPY t TO STDOUT"))
    talk.server(message("H", b"\0\0\0") + message("d", b"1\n") * 3 + COPY_DONE + done("COPY 3") + ready())
    assert talk.outcome == [(1, "COPY 3", 3, "I", False)]


def test_a_function_call_is_a_step() -> None:
    talk = Talk()
    talk.client(message("F", struct.pack("!IHHH", 1598, 0, 0, 0)))
    talk.server(message("V", struct.pack("!i", -1)) + ready())
    assert talk.began == [(1, "function call 1598", "I")]
    assert talk.outcome == [(1, "", None, "I", False)]


def test_notices_and_notifications_come_at_any_time() -> None:
    talk = Talk()
    talk.client(extended("SELECT 1") + SYNC)
    noise = message("N", b"SNOTICE\0\0") + message("A", b"\0\0\0\1c\0p\0") + message("S", b"a\0b\0")
    answer = noise + PARSED + noise + BOUND + NO_DATA + noise + done("SELECT 1") + noise + ready() + noise
    assert talk.server(answer) == answer
    assert talk.outcome == [(1, "SELECT 1", 1, "I", False)]


def test_a_server_that_ends_the_session_ends_the_step() -> None:
    talk = Talk()
    talk.client(query("SELECT pg_sleep(10)"))
    talk.server(message("E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"))
    assert talk.outcome == [(1, "57P01", None, "I", False)]


def test_only_the_first_rows_are_kept() -> None:
    talk = Talk()
    talk.client(query("SELECT n"))
    talk.server(columns(23) + b"".join(row(str(n).encode()) for n in range(5000)) + done("SELECT 5000") + ready())
    assert talk.ended[0].values == ("0", "1", "2")
    talk.client(query("SELECT wide"))
    talk.server(columns(25) + row(*[b"x" * 300] * 100) * 3 + done("SELECT 3") + ready())
    assert sum(len(value) for value in talk.ended[1].values) == 2000


def test_terminate_is_seen() -> None:
    talk = Talk()
    assert talk.client(TERMINATE) == TERMINATE
    assert talk.session.is_terminated


def test_names_are_remembered_within_a_bound() -> None:
    talk = Talk()
    for number in range(NAMES_LIMIT + 5):
        talk.session.read(ord("P"), f"s{number}\0SELECT 1\0\0\0".encode())
    assert len(talk.session._statements) == NAMES_LIMIT


def test_a_bind_that_cannot_be_read_is_left_to_the_server() -> None:
    talk = Talk()
    bad = message("B", b"\0\0\xff\xff")
    assert talk.client(parse("SELECT 1") + bad + execute() + SYNC).endswith(bad + execute() + SYNC)
    talk.server(PARSED + error("08P01") + ready())
    assert talk.outcome == [(1, "08P01", None, "I", False)]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_the_steps_are_the_same_however_the_bytes_arrive(size: int) -> None:
    talk = Talk()
    sent = extended("BEGIN") + extended(INSERT, b"1") + extended("COMMIT") + SYNC
    answer = RUN + done("BEGIN") + RUN + done("INSERT 0 1") + RUN + done("COMMIT") + ready()
    assert b"".join(talk.client(sent[at : at + size]) for at in range(0, len(sent), size)) == sent
    assert b"".join(talk.server(answer[at : at + size]) for at in range(0, len(answer), size)) == answer
    assert [outcome[1] for outcome in talk.outcome] == ["BEGIN", "INSERT 0 1", "COMMIT"]
