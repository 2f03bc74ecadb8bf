"""Which steps cannot matter to anybody else, and need no place of their own in a schedule. Pure.

When in doubt, a step matters.
"""

from __future__ import annotations

import re
from functools import lru_cache

from grader.history.events import StepEnded
from grader.history.sql import bare, returns_to_savepoint
from grader.wire import SYNC_COMMIT, WireStep
from grader.wire.transaction import may_write

_VALUE = r"('[^']*'|\$\d)"
_SETTING = rf"(pg_catalog\.)?(current_setting\({_VALUE}\)|set_config\({_VALUE}, ?{_VALUE}, ?(true|false|\$\d)\))( as \w+)?"
# Beginning a transaction takes no snapshot and no lock; the first statement in it does (PostgreSQL manual, BEGIN).
_NO_EFFECT = re.compile(
    r"^(begin|start transaction|savepoint|release|set (?!constraints)|show|reset|deallocate|listen|unlisten)\b"
    r"|^select (1|version\(\)|pg_catalog\.version\(\)|current_schema(\(\))?|current_database\(\))$"
    rf"|^select {_SETTING}(, {_SETTING})*$",
    re.IGNORECASE,
)
# What drivers ask of the catalogs when they connect.
_SELECTS = re.compile(r"^(select|with)\b", re.IGNORECASE)
_SOURCES = re.compile(
    r"\b(?:from|join)\s+(.*?)(?=\b(?:from|join|on|where|order|group|having|limit|union)\b|[()]|$)", re.I
)
_CATALOG = re.compile(
    r"^(lateral\s*)?(pg_catalog\.|information_schema\.)?pg_\w+\b|^information_schema\.\w+\b|^$", re.I
)
_CALLS = re.compile(r"\b([a-z_][\w.]*)\s*\(", re.IGNORECASE)
_HARMLESS_CALLS = re.compile(
    r"^((pg_catalog\.)?(pg_get_\w+|pg_\w+_is_visible|format_type|array_agg|array|unnest|current_schemas?|coalesce)"
    r"|any|all|in|exists|not|and|or|as|then|else|when|on|where|select|values|from|join|materialized|varchar|char|numeric)$",
    re.IGNORECASE,
)
_NAMES_A_QUERY = re.compile(
    r"(?:\bwith\s+(?:recursive\s+)?|,\s*)(\w+)\s*(?:\([^()]*\)\s*)?\bas\s*(?:(?:not\s+)?materialized\s*)?\(",
    re.IGNORECASE,
)
_LOCKS = re.compile(r"\bfor\s+(no\s+key\s+)?(update|share|key\s+share)\b|\block\b", re.IGNORECASE)
_ENDS = re.compile(r"^(commit|end|rollback|abort)( work| transaction)?$", re.IGNORECASE)


def is_plumbing(sql: str) -> bool:
    """Whether a statement says nothing of tasks: it begins or ends a transaction, or prepares the connection."""
    return has_no_effect(sql) or ends_transaction(sql)


def has_no_effect(sql: str) -> bool:
    """Whether a statement neither sees nor changes what others do."""
    text = bare(sql).rstrip("; ")
    if ";" in text:
        return False
    return not text or bool(_NO_EFFECT.match(text)) or _only_reads_catalogs(text)


@lru_cache(maxsize=256)
def _only_reads_catalogs(text: str) -> bool:
    if not _SELECTS.match(text) or may_write(text) or _LOCKS.search(text):
        return False
    sources = [source.strip() for found in _SOURCES.findall(text) for source in found.split(",")]
    calls = _CALLS.findall(text)
    own = {name.lower() for name in _NAMES_A_QUERY.findall(text)}
    return (
        any(sources)
        and all(_CATALOG.match(source) or source.split()[0].lower() in own for source in sources)
        and all(_HARMLESS_CALLS.match(call) or call.lower() in own for call in calls)
    )


def ends_transaction(sql: str) -> bool:
    """Whether a statement is COMMIT or ROLLBACK and nothing else, the one that a Sync stands for included."""
    return sql == SYNC_COMMIT or bool(_ENDS.match(bare(sql).rstrip("; ")))


def ended_transaction(sql: str, answer: StepEnded) -> bool:
    """Whether a transaction is over with this answer, another one begun at once or not."""
    if answer.transaction == "I" or answer.committed or sql == SYNC_COMMIT:
        return True
    return answer.tag in ("COMMIT", "ROLLBACK") and not returns_to_savepoint(sql)


def may_end_quietly(step: WireStep, touched: bool) -> bool:
    """Whether a step ends a transaction that has found and written nothing: if it has no lock either, it is no
    event for anybody.
    """
    return not touched and not step.wrote and step.sql != SYNC_COMMIT and ends_transaction(step.sql)
