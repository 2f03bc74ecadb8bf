from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grader.errors import BadCall
from grader.history import store
from grader.history.events import RowChanged
from grader.history.sql import is_setup
from grader.history.tasks import UNKNOWN_SERVICE
from tests.unit.histories import Story


def worked_off() -> Story:
    story = Story().start("worker-A").insert("7", 1.0)
    return story.claim("7", 2.0, "worker-A").complete("7", 3.0, "worker-A")


def test_a_story_tells_who_claimed_and_who_completed() -> None:
    story = worked_off().history().story("7")
    assert [(c.service, c.owner, c.at) for c in story.claims] == [("worker-A", "id-of-worker-A", 2.0)]
    assert [(c.service, c.at) for c in story.completions] == [("worker-A", 3.0)]
    assert story.statuses == ("pending", "processing", "completed")


def test_what_others_see_changes_when_it_is_committed() -> None:
    story = worked_off().history().story("7")
    assert [story.status_at(at) for at in (0.5, 1.5, 2.0005, 2.5, 9.0)] == [
        None,
        "pending",
        "pending",
        "processing",
        "completed",
    ]


def test_a_heartbeat_is_no_claim_and_a_takeover_is_one() -> None:
    story = Story().start("worker-A").start("worker-B").insert("7", 1.0).claim("7", 2.0, "worker-A")
    story.update("7", 2.5, "worker-A").claim("7", 5.0, "worker-B")
    assert [c.service for c in story.history().story("7").claims] == ["worker-A", "worker-B"]


def test_a_claim_that_writes_its_owner_in_a_second_change_is_one_claim() -> None:
    story = Story().start("worker-A").insert("7", 1.0).update("7", 2.0, "worker-A", status="processing")
    story.update("7", 2.1, "worker-A", assigned_worker="id-of-worker-A")
    assert [c.at for c in story.history().story("7").claims] == [2.0]


def test_the_second_half_of_a_later_claim_is_no_claim_of_its_own_either() -> None:
    story = Story().start("worker-A").start("worker-B").insert("7", 1.0).claim("7", 2.0, "worker-A")
    story.update("7", 3.0, "worker-A", status="pending", assigned_worker=None)
    story.update("7", 4.0, "worker-B", status="processing")
    story.update("7", 4.1, "worker-B", assigned_worker="id-of-worker-B")
    assert [(c.service, c.at) for c in story.history().story("7").claims] == [("worker-A", 2.0), ("worker-B", 4.0)]


def test_a_story_goes_through_each_status_once_however_often_it_is_written() -> None:
    story = Story().start("worker-A").insert("7", 1.0).update("7", 1.5, None, title="another")
    story.claim("7", 2.0, "worker-A").update("7", 2.5, "worker-A").complete("7", 3.0, "worker-A")
    assert story.delete("7", 4.0, None).history().story("7").statuses == ("pending", "processing", "completed")


def test_a_claim_has_the_owner_that_its_transaction_leaves() -> None:
    story = Story().start("worker-A").insert("7", 1.0).update("7", 2.0, "worker-A", status="processing")
    story.update("7", 2.1, "worker-A", assigned_worker="id-of-worker-A")
    first, second = story.events[-2:]
    assert isinstance(first, RowChanged)
    assert isinstance(second, RowChanged)
    story.events[-1] = replace(second, transaction=first.transaction, committed_at=second.committed_at)
    [claim] = story.history().story("7").claims
    assert (claim.owner, claim.at) == ("id-of-worker-A", 2.0)
    story.events[-1] = second
    assert story.history().story("7").claims[0].owner is None


def test_another_owner_by_the_same_service_is_another_claim() -> None:
    story = Story().start("worker-A").insert("7", 1.0).claim("7", 2.0, "worker-A", owner="slot 1")
    assert len(story.claim("7", 3.0, "worker-A", owner="slot 2").history().story("7").claims) == 2


def test_a_second_completion_by_another_worker_counts_again() -> None:
    story = worked_off().start("worker-B").complete("7", 4.0, "worker-B").update("7", 4.1, "worker-B")
    assert [c.service for c in story.history().story("7").completions] == ["worker-A", "worker-B"]


def test_a_change_that_came_over_no_connection_is_by_somebody_unknown() -> None:
    story = Story().insert("7", 1.0).update("7", 2.0, "worker-A", status="completed")
    assert story.history().story("7").completions[0].service == UNKNOWN_SERVICE


def test_a_task_is_in_hand_from_its_claim_to_its_end() -> None:
    history = worked_off().history()
    assert [history.in_hand("worker-A", at) for at in (1.5, 2.5, 3.5)] == [(), ("7",), ()]
    assert history.in_hand("worker-B", 2.5) == ()


def test_inserted_tasks_come_in_order_of_age() -> None:
    history = Story().insert("1", 3.0).insert("2", 1.0).insert("3", 2.0).history()
    assert history.inserted == ("2", "3", "1")


def test_a_history_survives_the_disk(tmp_path: Path) -> None:
    story = worked_off().step("worker-A", 1.0, "SELECT 1").log("worker-A", 1.0, "half a character: \ud800")
    store.save(story.events, tmp_path / "deep" / "one.jsonl")
    assert store.load(tmp_path / "deep" / "one.jsonl") == story.events


@pytest.mark.parametrize("line", ["no json", "[]", '{"kind": "unheard-of"}', '{"kind": "moment"}', "null"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"kind": "moment", "at": 1, "name": "n", "detail": {}}\n' + line + "\n")
    with pytest.raises(BadCall, match="line 2"):
        store.load(path)


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "begin; ",
        "START TRANSACTION",
        "/* orm */ COMMIT",
        "SET timezone TO 'UTC'",
        "select pg_catalog.version()",
        "SHOW standard_conforming_strings",
        "SELECT 1",
        "select 1 as ping;",
        "LISTEN tasks",
        "SET timezone TO 'UTC; or not'; SHOW timezone",
        "BEGIN; SET LOCAL lock_timeout = '1s'",
        "-- nothing\n",
        "SELECT t.oid FROM pg_catalog.pg_type t",
    ],
)
def test_statements_that_only_prepare_are_known(sql: str) -> None:
    assert is_setup(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM tasks",
        "UPDATE tasks SET status = 'pending'",
        "SELECT * FROM claim_next($1)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT 17",
        "SELECT 1 FROM tasks WHERE status = 'pending' LIMIT 1",
        "SELECT 1 WHERE EXISTS (SELECT FROM tasks)",
        "BEGIN; UPDATE tasks SET status = 'processing' RETURNING id; COMMIT",
        "SET LOCAL lock_timeout = '1s'; SELECT claim('it''s; me')",
        "WITH t AS (SELECT 1) UPDATE tasks SET id = 1",
        "CALL claim()",
        "settle()",
    ],
)
def test_statements_that_may_find_a_task_are_no_preparation(sql: str) -> None:
    assert not is_setup(sql)
