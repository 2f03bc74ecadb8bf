"""What a statement did to its transaction, as far as its text and its command tag show.

ReadyForQuery tells the state only after a Sync; between two of them it has to be kept here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from grader.history.events import TransactionState
from grader.history.sql import bare, returns_to_savepoint

_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
_WRITES = re.compile(
    r"\b(insert|delete|merge|into|create|drop|alter|truncate|copy|call|do|grant|revoke|notify|pg_notify)\b"
    r"|(?<!for )(?<!key )\bupdate\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"^(begin|start\s+transaction)\b", re.IGNORECASE)
_COMMITS = re.compile(r"(^|;)\s*(commit|end)\b", re.IGNORECASE)
_CHAINS = re.compile(r"\band\s+chain\b", re.IGNORECASE)

_COUNTED: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_WRITE_NOTHING: Final = frozenset(
    {"ANALYZE", "CHECKPOINT", "CLOSE", "DEALLOCATE", "DECLARE", "DISCARD", "EXPLAIN", "FETCH", "LISTEN", "LOAD"}
    | {"LOCK", "MOVE", "PREPARE", "RELEASE", "RESET", "SAVEPOINT", "SET", "SHOW", "UNLISTEN", "VACUUM"}
)


def row_count(tag: str) -> int | None:
    """The number at the end of a command tag (``INSERT 0 1``); None where the command has none."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdecimal() else None


def may_write(sql: str) -> bool:
    """Whether a statement's text has a word that writes. A function that writes does not show."""
    return bool(_WRITES.search(_LITERAL.sub("''", bare(sql))))


def would_commit(sql: str, state: TransactionState, *, wrote: bool, simple: bool) -> bool:
    """Whether a statement, before it runs, is one that makes writes durable.

    ``wrote``: its transaction has writes already. ``simple``: it is a simple Query, which commits by itself
    outside a transaction; an Execute leaves that to the Sync.
    """
    text = bare(sql)
    if _COMMITS.search(text):
        return wrote or (simple and may_write(sql))
    return simple and state == "I" and not _BEGINS.match(text) and may_write(sql)


@dataclass(slots=True)
class Transaction:
    """The state of one connection's transaction. ``wrote``: it has writes that are not durable yet."""

    state: TransactionState = "I"
    wrote: bool = False

    def completed(self, sql: str, tag: str, *, copied_in: bool = False) -> bool:
        """Take in a CommandComplete; whether the command itself made writes durable."""
        words = tag.split()
        match words[0] if words else "":
            case "BEGIN" | "START":
                self.state = "T"
            case "COMMIT":
                committed = self.wrote or words[1:] == ["PREPARED"]
                if words[1:] != ["PREPARED"]:
                    self._over(sql)
                return committed
            case "ROLLBACK":
                if returns_to_savepoint(sql):
                    self.state = "T"  # what was written before the savepoint stays
                elif words[1:] != ["PREPARED"]:
                    self._over(sql)
            case "PREPARE" if words[1:] == ["TRANSACTION"]:
                self._over("")
            case "SELECT":
                self.wrote = self.wrote or may_write(sql)
            case "COPY":
                self.wrote = self.wrote or (copied_in and row_count(tag) != 0)
            case word if word in _COUNTED:
                self.wrote = self.wrote or row_count(tag) != 0
            case word:
                self.wrote = self.wrote or word not in _WRITE_NOTHING
        return False

    def suspended(self, sql: str, rows: int) -> None:
        """Take in a PortalSuspended after ``rows`` rows; an UPDATE … RETURNING has done all its work by then."""
        self.wrote = self.wrote or (rows > 0 and may_write(sql))

    def failed(self) -> None:
        """Take in an error: it ends an implicit transaction, and spoils an explicit one."""
        if self.state == "I":
            self.wrote = False
        else:
            self.state = "E"

    def ready(self, state: TransactionState) -> None:
        """Take in what ReadyForQuery says."""
        self.state = state
        if state == "I":
            self.wrote = False

    def _over(self, sql: str) -> None:
        self.state = "T" if _CHAINS.search(bare(sql)) else "I"
        self.wrote = False
