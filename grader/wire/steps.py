"""A step: one Execute, one simple Query, one function call, or a Sync that commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from grader.history.events import StepEnded, TransactionState
from grader.wire.messages import (
    CELLS_LIMIT,
    ServerError,
    column_types,
    is_binary,
    parameters_text,
    read_bind,
    readable,
    row_cells,
    sql_text,
)

SYNC_COMMIT: Final = "COMMIT /* by Sync */"
"""What stands for the text of a Sync that ends an implicit transaction with writes in it."""

SKIPPED: Final = ServerError("", "skipped: a statement before it in the pipeline failed")
"""The outcome of a step that the server never ran."""

_ROWS_KEPT = 3


class Kind(Enum):
    """What a step is on the wire."""

    QUERY = auto()
    """It answers with any number of results, then ReadyForQuery."""
    EXECUTE = auto()
    """It answers with one result; a Sync comes later."""
    FUNCTION = auto()
    """A fast-path function call: one answer, then ReadyForQuery."""
    SYNC = auto()
    """A step of its own only where it commits."""


@dataclass(slots=True)
class Statement:
    """A prepared statement, as the client has told it."""

    sql: str
    types: tuple[int, ...] = ()
    columns: bytes = b""
    """The body of its RowDescription, read only when a binary value has to be."""


@dataclass(slots=True)
class Portal:
    """A statement with its parameters, ready to run."""

    statement: Statement
    parameters: tuple[str, ...] = ()
    formats: tuple[int, ...] = ()


def bound(body: bytes, statements: dict[bytes, Statement]) -> tuple[bytes, Portal]:
    """The portal that a Bind makes, and its name. Raises Unreadable."""
    bind = read_bind(body)
    statement = statements.get(bind.statement)
    if statement is None:  # made by SQL's PREPARE, or not at all
        statement = Statement(f"EXECUTE {sql_text(bind.statement)}")
    return bind.portal, Portal(statement, parameters_text(bind, statement.types), bind.formats)


@dataclass(slots=True)
class Step:
    """A step from the moment it was read from the client until its answer is complete."""

    kind: Kind
    sql: str
    parameters: tuple[str, ...] = ()
    portal: Portal | None = None
    number: int = 0
    """Counted by connection from 1; 0 before the step is passed on or held."""
    sent_at: float = 0.0
    began: bool = False
    rows: int = 0
    """Rows that came by up to now."""
    tags: list[str] = field(default_factory=list)
    counted: int | None = None
    copies_in: bool = False
    committed: bool = False
    error: ServerError | None = None
    columns: bytes = b""
    values: list[str] = field(default_factory=list)
    _room: int = CELLS_LIMIT

    def take_row(self, body: bytes) -> None:
        """Count a row, and keep its values while there is room."""
        self.rows += 1
        if self.rows > _ROWS_KEPT or self._room <= 0:
            return
        formats = self.portal.formats if self.portal else ()
        types: list[tuple[int, bool]] | None = None
        for number, cell in enumerate(row_cells(body)):
            oid = 0
            binary = is_binary(formats, number)
            if binary:
                if types is None:
                    types = column_types(self.columns or (self.portal.statement.columns if self.portal else b""))
                oid = types[number][0] if number < len(types) else 0
            shown = readable(cell, oid, binary=binary)[: self._room]
            self.values.append(shown)
            self._room -= len(shown)
            if self._room <= 0:
                return


@dataclass(frozen=True, slots=True)
class WireStep:
    """A step at the gate or under way, for whoever decides about it. Texts are bounded.

    ``transaction`` is the state before it; ``wrote``: the transaction has writes already; ``would_commit``:
    as far as its text shows, this step makes writes durable. ``answer`` is what the server said, where only
    the client does not know it yet.
    """

    service: str
    connection: int
    backend_pid: int | None
    step: int
    sql: str
    parameters: tuple[str, ...]
    transaction: TransactionState
    wrote: bool
    would_commit: bool
    answer: StepEnded | None = None
