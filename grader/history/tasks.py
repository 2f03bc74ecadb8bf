"""The story of each task, told from the row changes: who claimed it, who completed it, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.history.events import Json, RowChanged

FINAL = ("completed", "failed")
"""The states from which a task does not move on."""

STATES = ("pending", "processing", *FINAL)
"""All of them, in their order."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a task's row and the service that made it.

    ``service`` is None when the grader made it; ``unknown`` when no connection of any service did, which
    means that somebody went around the wire.
    """

    row: RowChanged
    service: str | None

    @property
    def at(self) -> float:
        """When the statement changed the row."""
        return self.row.at

    @property
    def committed_at(self) -> float:
        """When everybody else could see it."""
        return self.row.committed_at

    def before(self, column: str) -> Json:
        """A column's value before the change; None for an insert."""
        return self.row.before.get(column) if self.row.before is not None else None

    def after(self, column: str) -> Json:
        """A column's value after the change; None for a delete."""
        return self.row.after.get(column) if self.row.after is not None else None

    @property
    def status_moved(self) -> bool:
        """Whether the status is another one than before."""
        return bool(self.before("status") != self.after("status"))


UNKNOWN_SERVICE = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """A service took a task: it set ``processing``, or took a task in ``processing`` over from another one."""

    task: str
    service: str
    owner: str | None
    change: Change

    @property
    def at(self) -> float:
        """When the row was changed."""
        return self.change.at

    @property
    def committed_at(self) -> float:
        """When the claim was durable."""
        return self.change.committed_at


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that happened to one task, in the order in which it happened."""

    task: str
    changes: tuple[Change, ...]

    @property
    def row(self) -> Mapping[str, Json] | None:
        """The row as it is in the end; None when it was deleted."""
        return self.changes[-1].row.after if self.changes else None

    @property
    def status(self) -> str | None:
        """The status in the end."""
        return str(self.row["status"]) if self.row else None

    def status_at(self, at: float) -> str | None:
        """The status that others could see at a moment; None before it was there."""
        visible = [c for c in self.changes if c.committed_at <= at]
        return str(visible[-1].after("status")) if visible and visible[-1].row.after else None

    @property
    def statuses(self) -> tuple[str, ...]:
        """Every status it went through, repetitions left out."""
        seen: list[str] = []
        for change in self.changes:
            status = change.after("status")
            if status is not None and (not seen or seen[-1] != status):
                seen.append(str(status))
        return tuple(seen)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim by a service, takeovers included.

        A heartbeat of the owner is none, nor is the second half of a claim that writes its owner by itself. Whose it
        is shows at the end of its transaction: nobody sees what is between.
        """
        found: list[Claim] = []
        for change in self.changes:
            service = change.service
            if service is None or change.row.operation != "update" or change.after("status") != "processing":
                continue
            owner = change.after("assigned_worker")
            before, holder = change.before("assigned_worker"), found[-1].service if found else None
            is_second_half = before is None and holder == service
            renamed = before != owner and not is_second_half
            if change.status_moved or renamed or holder not in (None, service):
                found.append(Claim(self.task, service, self._owner_as_committed(change), change))
        return tuple(found)

    def _owner_as_committed(self, claim: Change) -> Json:
        """The owner of a task that a claim's transaction leaves in processing."""
        same = (c for c in self.changes if c.row.transaction == claim.row.transaction)
        return [c for c in same if c.after("status") == "processing"][-1].after("assigned_worker")

    @property
    def completions(self) -> tuple[Change, ...]:
        """Every change by a service that set ``completed``; a second one by another service counts again."""
        found: list[Change] = []
        for change in self.changes:
            if change.service is None or change.row.operation != "update":
                continue
            if change.after("status") == "completed" and (
                change.status_moved or not found or found[-1].service != change.service
            ):
                found.append(change)
        return tuple(found)

    @property
    def failures(self) -> tuple[Change, ...]:
        """Every change by a service that ended an attempt without success: from processing to failed or pending."""
        return tuple(
            c
            for c in self.changes
            if c.service is not None
            and c.before("status") == "processing"
            and c.after("status") in ("failed", "pending")
        )

    def last_sign_of_life(self, service: str, before: float) -> float | None:
        """The last moment before ``before`` at which this service changed the row."""
        times = [c.at for c in self.changes if c.service == service and c.at < before]
        return max(times) if times else None
