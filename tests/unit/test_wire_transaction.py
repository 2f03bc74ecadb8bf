"""What statements do to a transaction, by text and tag alone."""

from __future__ import annotations

import pytest

from grader.wire.transaction import Transaction, may_write, row_count, would_commit


@pytest.mark.parametrize(
    ("tag", "count"), [("INSERT 0 3", 3), ("UPDATE 0", 0), ("SELECT 12", 12), ("BEGIN", None), ("", None)]
)
def test_the_row_count_is_the_tags_last_word(tag: str, count: int | None) -> None:
    assert row_count(tag) == count


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SELECT * FROM tasks WHERE status = 'update' FOR UPDATE SKIP LOCKED", False),
        ("select 1 for no key update", False),
        ('SELECT "delete", updated_at FROM t -- insert into', False),
        ("WITH next AS (UPDATE tasks SET x = 1 RETURNING *) SELECT * FROM next", True),
        ("with n as (delete from t returning 1) select 1", True),
        ("SELECT * INTO copy_of FROM t", True),
        ("SELECT pg_notify('a', 'b')", True),
        ("CREATE TABLE a AS SELECT 1", True),
        ("SHOW search_path", False),
    ],
)
def test_a_text_that_writes_shows(sql: str, writes: bool) -> None:
    assert may_write(sql) is writes


def walk(*steps: tuple[str, str]) -> tuple[list[bool], Transaction]:
    transaction = Transaction()
    return [transaction.completed(sql, tag) for sql, tag in steps], transaction


def test_a_commit_counts_only_with_writes_in_it() -> None:
    committed, after = walk(("BEGIN", "BEGIN"), ("SELECT 1", "SELECT 1"), ("COMMIT", "COMMIT"))
    assert (committed, after) == ([False] * 3, Transaction("I"))
    committed, after = walk(("BEGIN", "BEGIN"), ("UPDATE t", "UPDATE 1"), ("END", "COMMIT"))
    assert (committed, after) == ([False, False, True], Transaction("I"))
    committed, _ = walk(("BEGIN", "BEGIN"), ("UPDATE t", "UPDATE 0"), ("COMMIT", "COMMIT"))
    assert committed == [False] * 3


def test_a_commit_that_the_server_turned_into_a_rollback_is_none() -> None:
    transaction = Transaction("T", wrote=True)
    transaction.failed()
    assert transaction.state == "E"
    assert not transaction.completed("COMMIT", "ROLLBACK")
    assert transaction == Transaction("I")


def test_rolling_back_to_a_savepoint_stays_in_the_transaction() -> None:
    transaction = Transaction("E", wrote=True)
    transaction.completed("ROLLBACK WORK TO SAVEPOINT a", "ROLLBACK")
    assert transaction == Transaction("T", wrote=True)


@pytest.mark.parametrize("sql", ["COMMIT AND CHAIN", "commit work and chain"])
def test_a_chained_commit_begins_the_next_transaction(sql: str) -> None:
    transaction = Transaction("T", wrote=True)
    assert transaction.completed(sql, "COMMIT")
    assert transaction == Transaction("T", wrote=False)


def test_two_phase_commit() -> None:
    transaction = Transaction("T", wrote=True)
    assert not transaction.completed("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION")
    assert transaction == Transaction("I")
    assert transaction.completed("COMMIT PREPARED 'x'", "COMMIT PREPARED")
    assert not transaction.completed("ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED")


@pytest.mark.parametrize(
    ("tag", "wrote"),
    [
        ("CREATE TABLE", True),
        ("DO", True),
        ("TRUNCATE TABLE", True),
        ("NOTIFY", True),
        ("MERGE 1", True),
        ("SET", False),
        ("LISTEN", False),
        ("DEALLOCATE ALL", False),
        ("LOCK TABLE", False),
        ("FETCH 1", False),
    ],
)
def test_commands_without_a_count_write_when_in_doubt(tag: str, wrote: bool) -> None:
    assert walk(("", tag))[1].wrote is wrote


def test_copy_writes_only_when_it_copies_in() -> None:
    out, into = Transaction(), Transaction()
    out.completed("COPY t TO STDOUT", "COPY 5")
    into.completed("COPY t FROM STDIN", "COPY 5", copied_in=True)
    assert (out.wrote, into.wrote) == (False, True)


def test_an_error_undoes_an_implicit_transaction() -> None:
    transaction = Transaction("I", wrote=True)
    transaction.failed()
    assert transaction == Transaction("I")


@pytest.mark.parametrize(
    ("sql", "state", "wrote", "simple", "commits"),
    [
        ("COMMIT", "T", True, True, True),
        ("/* x */ end;", "T", True, False, True),
        ("COMMIT", "T", False, True, False),
        ("UPDATE t SET a = 1", "I", False, True, True),
        ("UPDATE t SET a = 1", "I", False, False, False),
        ("UPDATE t SET a = 1", "T", False, True, False),
        ("BEGIN; INSERT INTO t VALUES (1); COMMIT", "I", False, True, True),
        ("BEGIN; INSERT INTO t VALUES (1)", "I", False, True, False),
        ("SELECT 1", "I", False, True, False),
        ("ROLLBACK", "T", True, True, False),
    ],
)
def test_whether_a_statement_would_commit(sql: str, state: str, wrote: bool, simple: bool, commits: bool) -> None:
    assert would_commit(sql, state, wrote=wrote, simple=simple) is commits  # type: ignore[arg-type]
