"""Which steps cannot matter to anybody else, and need no place of their own in a schedule. Pure.

When in doubt, a step matters.
"""

from __future__ import annotations

import re

from grader.history.sql import bare
from grader.wire import SYNC_COMMIT, WireStep

# Beginning a transaction takes no snapshot and no lock; the first statement in it does (PostgreSQL manual, BEGIN).
_NO_EFFECT = re.compile(
    r"^(begin|start transaction|savepoint|release|set (?!constraints)|show|reset|deallocate|listen|unlisten)\b"
    r"|^select (1|version\(\)|pg_catalog\.version\(\)|current_schema(\(\))?|current_database\(\))$"
    r"|^select (pg_catalog\.)?set_config\(",
    re.IGNORECASE,
)
# What drivers ask of the catalogs when they connect.
_CATALOGS = re.compile(
    r"^(select|with)\b.*\bpg_(type|range|namespace|settings|class|attribute|enum)\b", re.IGNORECASE
)
_ENDS = re.compile(r"^(commit|end|rollback|abort)( work| transaction)?$", re.IGNORECASE)


def is_plumbing(sql: str) -> bool:
    """Whether a statement says nothing of tasks: it begins or ends a transaction, or prepares the connection."""
    return has_no_effect(sql) or ends_transaction(sql)


def has_no_effect(sql: str) -> bool:
    """Whether a statement neither sees nor changes what others do."""
    text = bare(sql).rstrip("; ")
    if ";" in text:
        return False
    return (
        not text or bool(_NO_EFFECT.match(text)) or (bool(_CATALOGS.match(text)) and "tasks" not in text.lower())
    )


def ends_transaction(sql: str) -> bool:
    """Whether a statement is COMMIT or ROLLBACK and nothing else, the one that a Sync stands for included."""
    return sql == SYNC_COMMIT or bool(_ENDS.match(bare(sql).rstrip("; ")))


def may_end_quietly(step: WireStep, touched: bool) -> bool:
    """Whether a step ends a transaction that has found and written nothing: if it has no lock either, it is no
    event for anybody.
    """
    return not touched and not step.wrote and step.sql != SYNC_COMMIT and ends_transaction(step.sql)
