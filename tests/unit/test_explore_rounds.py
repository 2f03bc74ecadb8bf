"""When a worker that polls may be left asleep."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from grader.explore.rounds import LONGEST, SAME_TEXT, WITH_A_TASK, Rounds, Talk
from grader.history.events import StepEnded, TransactionState
from grader.wire import SYNC_COMMIT, WireStep

POLL = "SELECT id FROM tasks WHERE status = 'pending'"
CLAIM = "UPDATE tasks SET status = 'processing' WHERE id = $1"


def step(sql: str, *parameters: str, transaction: TransactionState = "I", connection: int = 1) -> WireStep:
    return WireStep("worker-A", connection, 101, 1, sql, parameters, transaction, wrote=False, would_commit=False)


def answer(
    tag: str = "SELECT 0",
    *,
    rows: int | None = 0,
    transaction: TransactionState = "I",
    sqlstate: str | None = None,
) -> StepEnded:
    return StepEnded(
        at=0.0,
        service="worker-A",
        connection=1,
        step=1,
        tag=tag,
        rows=rows,
        sqlstate=sqlstate,
        message=None,
        values=(),
        parameters=(),
        transaction=transaction,
        committed=False,
    )


class Poller:
    """One connection that goes on until it sleeps."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.talk = Talk()

    def sends(self, sql: str, *parameters: str, **came: object) -> bool:
        """Send a statement; False if the worker sleeps at it instead."""
        sent = step(sql, *parameters)
        if self.rounds.sleeps_at(sent, self.talk):
            return False
        self.rounds.begins(sent, self.talk)
        self.talk.add(sent, answer(**came))  # type: ignore[arg-type]
        return True

    def count_until_asleep(self, statement: Callable[[int], tuple[str, ...]], most: int = 100) -> int:
        for number in range(most):
            if not self.sends(*statement(number)):
                return number
        return most


# ---------------------------------------------------------------- falling asleep


def test_a_poll_that_comes_again_after_itself_shows_nothing_new() -> None:
    poller = Poller()
    assert poller.sends(POLL)
    assert poller.sends(POLL)
    assert not poller.sends(POLL)


def test_two_polls_a_round_are_both_let_go_once() -> None:
    poller = Poller()
    assert poller.count_until_asleep(lambda n: (("SELECT stuck", POLL)[n % 2],)) == 3


def test_a_sign_of_life_before_each_poll_makes_no_round_longer() -> None:
    poller = Poller()
    assert poller.count_until_asleep(lambda n: (("UPDATE workers SET seen = now()", POLL)[n % 2],)) == 3


def test_a_ping_neither_begins_a_round_nor_ends_one() -> None:
    poller = Poller()
    for _ in range(5):
        assert poller.sends("SELECT 1", tag="SELECT 1", rows=1)
    assert poller.sends(POLL)
    assert poller.sends("SELECT 1", tag="SELECT 1", rows=1)
    assert poller.sends(POLL)
    assert poller.sends("SELECT 1", tag="SELECT 1", rows=1)
    assert not poller.sends(POLL)


def test_a_statement_that_a_pool_sends_after_each_other_one_ends_no_round() -> None:
    poller = Poller()
    around = ("RESET_ALL()", "SELECT stuck", "RESET_ALL()", POLL)
    assert poller.count_until_asleep(lambda n: (around[n % 4],)) == len(around) + 1


def test_a_worker_with_a_task_in_hand_may_look_at_it_again_and_again() -> None:
    poller = Poller()
    for _ in range(WITH_A_TASK + 1):
        assert not poller.rounds.sleeps_at(step(POLL), poller.talk, has_task=True)
        poller.rounds.begins(step(POLL), poller.talk)
    assert poller.rounds.sleeps_at(step(POLL), poller.talk, has_task=True)


def test_a_clients_clock_among_the_parameters_is_seen_through() -> None:
    assert Poller().count_until_asleep(lambda n: (POLL, f"2026-01-01 00:00:{n:02}")) == SAME_TEXT + 1


def test_two_polls_with_a_clients_clock_in_one_of_them_end_at_the_other() -> None:
    poller = Poller()
    assert poller.count_until_asleep(lambda n: ("SELECT stuck", f"{n}") if n % 2 == 0 else (POLL,)) == 3


def test_a_registry_row_that_is_rewritten_at_each_poll_does_not_keep_it_awake() -> None:
    poller = Poller()

    def statement(n: int) -> tuple[str, ...]:
        return ("UPDATE workers SET seen = $1", f"{n}") if n % 2 == 0 else (POLL, f"{n}")

    assert poller.count_until_asleep(statement) == 2 * SAME_TEXT + 1


def test_whatever_it_looks_like_a_round_has_an_end() -> None:
    assert Poller().count_until_asleep(lambda n: (f"SELECT c{n} FROM tasks",)) == LONGEST


def test_a_clients_clock_that_is_written_into_the_text_is_seen_through() -> None:
    """Drivers that bind on the client's side send a new text each time."""
    texts = (f"SELECT id FROM tasks WHERE seen < '2026-01-01 00:00:{n:02}'" for n in itertools.count())
    assert Poller().count_until_asleep(lambda _: (next(texts),)) == SAME_TEXT + 1


# ---------------------------------------------------------------- within a transaction


def test_a_worker_never_sleeps_within_a_transaction() -> None:
    rounds, talk = Rounds(), Talk()
    for _ in range(3):
        assert not rounds.sleeps_at(step(CLAIM, transaction="T"), talk) or talk.is_fresh
        rounds.begins(step(CLAIM), talk)
        talk.add(step(CLAIM), answer("UPDATE 1", rows=1, transaction="T"))
    assert not talk.is_fresh
    assert not rounds.sleeps_at(step(CLAIM, transaction="T"), talk)


def test_it_sleeps_at_the_first_statement_of_a_transaction_that_was_begun_already() -> None:
    rounds, talk = Rounds(), Talk()
    for _ in range(3):
        assert not rounds.sleeps_at(step("BEGIN"), talk)
        rounds.begins(step("BEGIN"), talk)
        assert talk.add(step("BEGIN"), answer("BEGIN", rows=None, transaction="T")) is None
        asleep = rounds.sleeps_at(step(POLL, transaction="T"), talk)
        if asleep:
            break
        rounds.begins(step(POLL, transaction="T"), talk)
        assert talk.add(step(POLL, transaction="T"), answer(transaction="T")) is None
        assert talk.add(step("COMMIT", transaction="T"), answer("COMMIT", rows=None)) is not None
    assert asleep


def test_a_second_connection_has_a_conversation_of_its_own_and_the_same_memory() -> None:
    rounds, first, second = Rounds(), Talk(), Talk()
    for _ in range(2):
        rounds.begins(step(POLL), first)
    assert rounds.sleeps_at(step(POLL, connection=2), second)
    assert not rounds.sleeps_at(step("SELECT stuck", connection=2), second)


# ---------------------------------------------------------------- what a transaction was


def test_a_transaction_is_told_when_it_is_over() -> None:
    talk = Talk()
    assert talk.add(step("BEGIN"), answer("BEGIN", rows=None, transaction="T")) is None
    assert talk.add(step(POLL), answer("SELECT 1", rows=1, transaction="T")) is None
    assert not talk.is_fresh
    chain = talk.add(step("COMMIT"), answer("COMMIT", rows=None))
    assert chain == ((POLL, "SELECT 1"),)
    assert talk.is_fresh


def test_a_statement_by_itself_is_a_transaction() -> None:
    assert Talk().add(step(POLL), answer()) == ((POLL, "SELECT 0"),)


def test_an_error_is_kept_by_its_code() -> None:
    talk = Talk()
    assert talk.add(step(CLAIM), answer("", rows=None, sqlstate="40001", transaction="E")) is None
    assert talk.add(step("ROLLBACK"), answer("ROLLBACK", rows=None)) == ((CLAIM, "40001"),)


def test_a_sync_that_commits_ends_a_transaction_whatever_the_state_says() -> None:
    talk = Talk()
    talk.add(step(CLAIM), answer("UPDATE 1", rows=1, transaction="T"))
    assert talk.add(step(SYNC_COMMIT), answer("", rows=None, transaction="T")) == ((CLAIM, "UPDATE 1"),)


@pytest.mark.parametrize(
    ("sql", "tag", "rows", "touched"),
    [
        (POLL, "SELECT 0", 0, False),
        (POLL, "SELECT 1", 1, True),
        (CLAIM, "UPDATE 0", 0, False),
        ("LOCK TABLE tasks", "LOCK TABLE", None, True),
        ("BEGIN", "BEGIN", None, False),
        ("SELECT 1", "SELECT 1", 1, False),
    ],
)
def test_a_transaction_has_touched_something_if_an_answer_does_not_say_otherwise(
    sql: str, tag: str, rows: int | None, touched: bool
) -> None:
    talk = Talk()
    talk.add(step(sql), answer(tag, rows=rows, transaction="T"))
    assert talk.touched is touched


def test_a_transaction_that_another_one_follows_at_once_is_over_too() -> None:
    talk = Talk()
    talk.add(step(CLAIM, transaction="T"), answer("UPDATE 1", rows=1, transaction="T"))
    assert (
        talk.add(step("COMMIT AND CHAIN", transaction="T"), answer("COMMIT", rows=None, transaction="T"))
        is not None
    )


# ---------------------------------------------------------------- waking up


def asleep() -> Poller:
    poller = Poller()
    for clock in itertools.count():
        if not poller.sends(POLL, f"{clock}"):
            return poller
    raise AssertionError


def test_what_wakes_it_lets_it_look_again() -> None:
    poller = asleep()
    poller.rounds.wake()
    assert poller.sends(POLL, "100")


def test_a_change_of_a_task_wakes_it_as_well() -> None:
    poller = asleep()
    poller.rounds.task_changed()
    assert poller.sends(POLL, "100")


def test_giving_locks_back_wakes_others_once_until_a_task_changes() -> None:
    rounds = Rounds()
    chain = (("UPDATE workers SET seen = now()", "UPDATE 1"),)
    assert rounds.releases(chain)
    assert not rounds.releases(chain)
    assert rounds.releases((*chain, (POLL, "SELECT 0")))
    rounds.wake()
    assert not rounds.releases(chain), "else two workers would wake each other for ever"
    rounds.task_changed()
    assert rounds.releases(chain)
