"""The scenario that most of part 2 is judged on: a right api-service in it, and one that costs several checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from grader.checkpoints import client, health, over_http
from grader.errors import BadSubmission
from grader.history.timeline import History
from tests.unit.stories import RIGHT, changed, failing


def test_a_right_api_service_passes() -> None:
    assert failing(RIGHT) == {}


@pytest.mark.parametrize("body", [[1], "text", None, 7, [[]], {"task": None}])
def test_a_get_that_answers_no_task_is_no_error_of_the_grader(body: Any) -> None:
    assert {"2.create", "2.read"} <= set(failing(changed("GET", "/tasks/", body=body)))


# ---------------------------------------------------------------- rows that a table takes


class Table:
    """A table that takes a row only with such a status and such an owner."""

    def __init__(self, takes: Callable[[str, str | None], bool]) -> None:
        self.takes = takes
        self.rows: list[tuple[str, str | None]] = []
        self.notes: list[dict[str, Any]] = []

    def insert_tasks(self, count: int, *, status: str, owner: str | None = None) -> list[str]:
        if not self.takes(status, owner):
            raise BadSubmission(f"no {status} of {owner}")
        self.rows += [(status, owner)] * count
        return ["task"] * count

    def note(self, _name: str, **detail: Any) -> None:
        self.notes.append(detail)


STATUSES = ("processing", "completed", "failed")


@pytest.mark.parametrize(
    "takes",
    [
        lambda status, owner: status != "processing" or owner is not None,
        lambda _status, owner: owner is not None,
        lambda status, owner: (status == "processing") == (owner is not None),
        lambda _status, owner: owner is None,
    ],
)
def test_a_table_may_say_which_tasks_have_an_owner(takes: Callable[[str, str | None], bool]) -> None:
    table: Any = Table(takes)
    for status in STATUSES:
        assert len(over_http._insert_with(table, status, 2)) == 2
    assert [status for status, _ in table.rows] == [status for status in STATUSES for _ in range(2)]
    assert not table.notes


def test_a_status_that_a_table_takes_of_nobody_is_noted_as_it_was_refused_first() -> None:
    table: Any = Table(lambda status, _owner: status != "completed")
    assert over_http._insert_with(table, "completed") == []
    assert table.notes == [{"status": "completed", "why": "no completed of worker-elsewhere"}]


# ---------------------------------------------------------------- an order that moves


class Rows:
    """A table of tasks that a lab reads and changes."""

    def __init__(self) -> None:
        self.database = self
        self.rows = {
            f"{number}": {"id": f"{number}", "status": "pending", "created_at": "1", "updated_at": f"{number}"}
            for number in range(1, 9)
        }
        self.rows["2"]["status"] = "completed"

    def tasks(self) -> dict[str, dict[str, str]]:
        return {task: dict(row) for task, row in self.rows.items()}

    def set_values(self, task: str, values: dict[str, str]) -> None:
        self.rows[task] |= values

    def note(self, *_: object, **__: object) -> None:
        pass

    def ordered(self, by: str, *, reverse: bool) -> list[str]:
        return sorted(self.rows, key=lambda task: (self.rows[task][by], task), reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("by", "moves"), [("updated_at", True), ("status", False), ("created_at", False)])
def test_what_moves_between_two_pages_is_what_follows_the_last_change(by: str, moves: bool, reverse: bool) -> None:
    lab: Any = Rows()
    before = lab.ordered(by, reverse=reverse)
    over_http._move_on(lab, before[:4])
    assert (set(lab.ordered(by, reverse=reverse)[:4]) != set(before[:4])) is moves


@pytest.mark.parametrize("here", [[], ["None"], [str(number) for number in range(1, 9)]])
def test_a_page_that_holds_nothing_or_everything_is_no_error_of_the_grader(here: list[str]) -> None:
    lab: Any = Rows()
    over_http._move_on(lab, here)


# ---------------------------------------------------------------- a scenario that is broken off


class Broken(BaseException):
    """Ctrl-C, or the end of the scenario's time."""


class HoldsAll:
    """A relay whose hold lets nobody be answered before it is left, and an api-service that waits for that."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.let_go.set()
        self.name, self.relay, self.process = "api", self, self
        self.is_holding, self.held = True, [SimpleNamespace(sql="COMMIT")]
        self.waited_in_vain = False

    def hold(self, _predicate: object = None) -> HoldsAll:
        self.let_go.clear()
        return self

    hold_commits = hold

    def __enter__(self) -> HoldsAll:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        self.let_go.set()

    def request(self, *_: object, **__: object) -> Any:
        self.waited_in_vain |= not self.let_go.wait(5)
        return SimpleNamespace(task_id=None, json=None, status=500)


class BreaksOff:
    """A lab that is interrupted when it waits for something."""

    patience = 1.0

    def comes(self, *_: object, **__: object) -> bool:
        raise Broken

    def insert_tasks(self, count: int) -> Sequence[Any]:
        return [SimpleNamespace(id=str(number), title="t") for number in range(count)]

    def new_title(self) -> str:
        return "t"

    def history(self) -> History:
        return History([])

    def note(self, *_: object, **__: object) -> None:
        pass


@pytest.mark.parametrize(
    "drive",
    [
        over_http._create,
        lambda lab, api: over_http._cut_off(lab, api, "INSERT"),
        over_http._change_beside_a_claim,
        lambda lab, api: over_http._restart(lab, api, []),
        client._burst,
    ],
)
def test_a_scenario_that_is_broken_off_waits_for_nothing_that_it_holds_itself(drive: Callable[..., Any]) -> None:
    lab, api = BreaksOff(), HoldsAll()
    with pytest.raises(Broken):
        drive(lab, api)
    assert not api.waited_in_vain


# ---------------------------------------------------------------- requests at the same time


class Outage:
    """A lab for the scenario of health, and an api-service that cannot be asked for a list in one phase."""

    patience = 1.0

    def __init__(self, lost: str) -> None:
        self.lost, self.phase = lost, ""
        self.database, self.relay = self, self

    def start_api(self) -> Outage:
        return self

    def insert_tasks(self, _count: int) -> Sequence[Any]:
        return [SimpleNamespace(id="1")]

    def note(self, name: str, **_: object) -> None:
        self.phase = name

    def hold_table(self, _mode: str) -> Outage:
        return self

    outage = hold_table

    def __enter__(self) -> Outage:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watch(self, *_: object, **__: object) -> None:
        pass

    comes = stall = accept = watch

    def request(self, _method: str, path: str, **_: object) -> None:
        if path != "/health" and self.phase == self.lost:
            raise OSError("no file is left")


@pytest.mark.parametrize("lost", ["table-locked", "asks-without-database"])
def test_a_request_that_could_not_be_sent_beside_others_ends_the_scenario(lost: str) -> None:
    lab: Any = Outage(lost)
    with pytest.raises(OSError, match="no file"):
        health.database_gone_for_the_api.drive(lab)
