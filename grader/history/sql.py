"""What a statement's text can tell, and no more: judging never depends on how a submission writes its SQL."""

from __future__ import annotations

import re
from functools import lru_cache

_LITERAL_OR_COMMENT = re.compile(r"""('(?:[^']|'')*'|"[^"]*")|/\*.*?\*/|--[^\n]*""", re.DOTALL)
_TRANSACTION = re.compile(
    r"^(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_TO_SAVEPOINT = re.compile(r"^(rollback|abort)\s+(work\s+|transaction\s+)?to\b", re.IGNORECASE)
# What drivers and frameworks ask for themselves when they connect.
_SETUP = re.compile(
    r"^(set|show|reset|discard|deallocate|listen|unlisten|close\s+all)\b"
    r"|^select\s+(1(\s+as\s+\w+)?\s*$|version\(\)|pg_catalog\.version\(\)|current_schema|set_config)"
    r"|\b(pg_catalog\.)?pg_(type|range|namespace|settings|class|attribute)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def bare(sql: str) -> str:
    """The statement without comments, on one line, single spaces."""
    return " ".join(_LITERAL_OR_COMMENT.sub(lambda found: found[1] or " ", sql).split())


_STATEMENT = re.compile(r"""(?:'(?:[^']|'')*'|"[^"]*"|[^;'"])+""")


def _statements(sql: str) -> list[str]:
    """The statements of a simple query, which may hold several; none is empty."""
    return [text for found in _STATEMENT.findall(bare(sql)) if (text := found.strip())]


_VALUE = re.compile(r"'[^']*'|\b\d+(\.\d+)?")


def shape(sql: str) -> str:
    """A statement without the values in its text: equal for two tasks, and at two times."""
    return _VALUE.sub("?", bare(sql))


def is_transaction_control(sql: str) -> bool:
    """BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their like, and nothing else in the same query."""
    statements = _statements(sql)
    return bool(statements) and all(_TRANSACTION.match(text) for text in statements)


def returns_to_savepoint(sql: str) -> bool:
    """ROLLBACK TO SAVEPOINT: its command tag is that of ROLLBACK, and the transaction goes on."""
    return bool(_TO_SAVEPOINT.match(bare(sql)))


def is_setup(sql: str) -> bool:
    """Statements that only prepare a connection or find out about it, a ping included; says nothing of work."""
    return all(_TRANSACTION.match(text) or _SETUP.search(text) for text in _statements(sql))
