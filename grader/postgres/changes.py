"""Reading the audit: every committed change of ``tasks``, once, on the run's clock."""

from __future__ import annotations

import time
from collections.abc import Container
from typing import Any

import psycopg
from psycopg import sql

from grader.errors import Internal
from grader.history.events import RowChanged
from grader.history.recorder import Clock
from grader.postgres.template import AUDIT

_NOTHING_SEEN = "3:3:"
"""A snapshot from before the first transaction (FirstNormalTransactionId is 3)."""

_CLOCK_READINGS = 5
_RESOLUTION = 0.000002
"""PostgreSQL keeps time to the microsecond."""

# Numbers are no guide to what is new: a change with a lower one may become visible later. A snapshot is: it says
# exactly which transactions could be seen at the last look (PostgreSQL manual, Transaction ID and Snapshot
# Information Functions). The snapshot returned is the one that this very statement reads with.
_NEW_CHANGES = sql.SQL("""
SELECT look.snapshot, c.number, c.xid::text, extract(epoch FROM c.at)::float8, c.pid, c.login, c.operation, c.task,
       c.before, c.after, {committed_at}
FROM (SELECT pg_current_snapshot()::text AS snapshot) AS look
LEFT JOIN {audit}.changes AS c
       ON c.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
      AND NOT pg_visible_in_snapshot(c.xid, %(seen)s::pg_snapshot)
ORDER BY c.number, c.at
""")


class ChangeReader:
    """Reads one database's audit over a connection that never touches a table of the submission's."""

    def __init__(
        self, connection: psycopg.Connection[Any], clock: Clock, ours: Container[str], our_pids: Container[int]
    ) -> None:
        """``ours`` are the grader's logins, ``our_pids`` the server processes of its connections."""
        self._connection = connection
        self._clock = clock
        self._ours = ours
        self._our_pids = our_pids
        self._seen = _NOTHING_SEEN
        self._offset = self._measure_offset()
        self._query = _NEW_CHANGES.format(audit=sql.Identifier(AUDIT), committed_at=self._commit_time())

    def read(self) -> list[RowChanged]:
        """The changes that became visible since the last call, in the order in which they were made."""
        rows = self._connection.execute(self._query, {"seen": self._seen}, prepare=True).fetchall()
        now = self._clock.now()
        self._seen = rows[0][0]
        return [self._event(row, now) for row in rows if row[1] is not None]

    def _event(self, row: tuple[Any, ...], now: float) -> RowChanged:
        _snapshot, _number, xid, at, pid, login, operation, task, before, after, committed_at = row
        return RowChanged(
            at=self._on_our_clock(at),
            task=task,
            operation=operation,
            before=before,
            after=after,
            backend_pid=pid,
            transaction=xid,
            committed_at=now if committed_at is None else self._on_our_clock(committed_at),
            # The name alone is not enough: code of the submission's that runs in our session could change our
            # password and lend it out.
            by_grader=login in self._ours and pid in self._our_pids,
        )

    def _on_our_clock(self, epoch: float) -> float:
        return round(epoch + self._offset, 6)

    def _measure_offset(self) -> float:
        """What to add to the server's time for the run's.

        A server that reads this machine's own clock is told by its readings, which all lie within their round
        trips; then the offset is exact, and a change never seems later than the answer to its statement. Else
        it comes from the quickest round trip, right to half of that.
        """
        ours = self._clock.since_epoch()
        best, same_clock = (float("inf"), 0.0), True
        for _ in range(_CLOCK_READINGS):
            before = time.time()
            row = self._connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            after = time.time()
            if row is None:
                raise Internal("a SELECT without FROM answered with no row")
            same_clock = same_clock and before - _RESOLUTION <= row[0] <= after + _RESOLUTION
            best = min(best, (after - before, (before + after) / 2 - row[0]))
        return ours if same_clock else ours + best[1]

    def _commit_time(self) -> sql.SQL:
        """Where the server does not keep commit times, a change counts from when it was first seen."""
        row = self._connection.execute("SHOW track_commit_timestamp").fetchone()
        if row is None or row[0] != "on":
            return sql.SQL("NULL")
        return sql.SQL("extract(epoch FROM pg_xact_commit_timestamp(c.xid::xid))::float8")
