"""One connection's conversation, turned into steps. Pure: it is told of messages and tells of events.

Three ways in: ``read`` when a message came from the client, ``sent`` when it is passed on to the server (which
may be later, when a gate holds it), ``answer`` when one came from the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar, cast

from grader.history.events import ConnectionReady, Event, StepBegan, StepEnded, TransactionState
from grader.history.recorder import Clock
from grader.wire import messages
from grader.wire.messages import ServerError, Unreadable
from grader.wire.steps import SKIPPED, SYNC_COMMIT, Kind, Portal, Statement, Step, WireStep, bound
from grader.wire.transaction import Transaction, row_count, would_commit

NAMES_LIMIT: Final = 10_000
"""Prepared statements, and portals, that are remembered for a connection; the oldest is forgotten."""

_TAGS_LIMIT: Final = 20
_V = TypeVar("_V")


class Describe:
    """A Describe that the server has still to answer."""

    __slots__ = ("statement",)

    def __init__(self, statement: Statement) -> None:
        self.statement = statement


class Other:
    """A message that matters to the order of things, but is answered by nothing."""

    __slots__ = ()


Request = Step | Describe | Other

FLUSH, _COPY_END = Other(), Other()


class Session:
    """What is known of one connection after its first packet."""

    def __init__(self, service: str, connection: int, record: Callable[[Event], None], clock: Clock) -> None:
        self.service = service
        self.connection = connection
        self.transaction = Transaction()
        self.is_ready = False
        self.backend_pid: int | None = None
        self.is_skipping = False
        """The server ignores everything up to the next Sync."""
        self.is_copying_in = False
        """The server ignores Sync and Flush until the client has ended its copy."""
        self.is_terminated = False
        self.needs_flush = False
        """An Execute was passed on whose answer the server may keep back."""
        self.idle_since = clock.now()
        self.last_answer: StepEnded | None = None
        self._record = record
        self._clock = clock
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, Portal] = {}
        self._awaited: deque[Step | Describe] = deque()
        self._steps_awaited = 0
        self._steps = 0

    # ------------------------------------------------------------ what is going on

    @property
    def under_way(self) -> Step | None:
        """The first step, or Sync, that the server has not answered yet."""
        if not self._steps_awaited:
            return None
        head = self._awaited[0]
        if isinstance(head, Step):
            return head
        return next(item for item in self._awaited if isinstance(item, Step))

    @property
    def awaited(self) -> int:
        """How many answers are outstanding."""
        return len(self._awaited)

    @property
    def sync_commits(self) -> bool:
        """Whether a Sync, passed on now, ends an implicit transaction with writes in it."""
        return self.transaction.state == "I" and self.transaction.wrote and not self.is_skipping

    def describe(self, step: Step) -> WireStep:
        """A step for others to look at."""
        state, wrote = self.transaction.state, self.transaction.wrote
        commits = step.kind is Kind.SYNC or would_commit(
            step.sql, state, wrote=wrote, simple=step.kind is Kind.QUERY
        )
        return WireStep(
            self.service,
            self.connection,
            self.backend_pid,
            step.number,
            step.sql,
            step.parameters,
            state,
            wrote,
            commits,
        )

    def count(self, step: Step) -> None:
        """Give a step its number, if it has none yet."""
        if not step.number:
            self._steps += 1
            step.number = self._steps

    # ------------------------------------------------------------ from the client

    def read(self, kind: int, body: bytes) -> Request | None:
        """Take in a message from the client (its head, if it is long); what ``sent`` has to be told of it."""
        match kind:
            case 0x50:  # Parse
                parse = messages.read_parse(body)
                _remember(self._statements, parse.name, Statement(parse.sql, parse.types))
            case 0x42:  # Bind
                self._bind(body)
            case 0x44:  # Describe
                return self._described(body)
            case 0x45:  # Execute
                return self._execute(body)
            case 0x53:  # Sync
                return Step(Kind.SYNC, SYNC_COMMIT)
            case 0x51:  # Query
                return Step(Kind.QUERY, messages.sql_text(messages.c_string(body, 0)[0]))
            case 0x46:  # FunctionCall
                return Step(Kind.FUNCTION, f"function call {messages.called_function(body)}")
            case 0x43:  # Close
                names = self._statements if body[:1] == b"S" else self._portals
                cast(dict[bytes, object], names).pop(messages.c_string(body, 1)[0], None)
            case 0x48:  # Flush
                return FLUSH
            case 0x63 | 0x66:  # CopyDone, CopyFail
                return _COPY_END
            case 0x58:  # Terminate
                self.is_terminated = True
            case _:  # CopyData, password messages: nothing to know
                pass
        return None

    def _bind(self, body: bytes) -> None:
        try:
            name, portal = bound(body, self._statements)
        except Unreadable:
            name, portal = messages.c_string(body, 0)[0], Portal(Statement(""))
        _remember(self._portals, name, portal)

    def _described(self, body: bytes) -> Describe:
        name = messages.c_string(body, 1)[0]
        if body[:1] == b"S":
            return Describe(self._statements.get(name) or Statement(""))
        portal = self._portals.get(name)
        return Describe(portal.statement if portal else Statement(""))

    def _execute(self, body: bytes) -> Step:
        name = messages.c_string(body, 0)[0]
        portal = self._portals.get(name)
        if portal is None:  # a cursor that SQL's DECLARE made
            return Step(Kind.EXECUTE, f"FETCH FROM {messages.sql_text(name)}")
        return Step(Kind.EXECUTE, portal.statement.sql, portal.parameters, portal)

    # ------------------------------------------------------------ to the server

    def sent(self, request: Request) -> None:
        """Note that a message is passed on to the server."""
        if isinstance(request, Step):
            self._sent_step(request)
        elif isinstance(request, Describe):
            if not self.is_skipping:
                self._awaited.append(request)
        elif request is FLUSH:
            self.needs_flush = False
        else:
            self.is_copying_in = False

    def _sent_step(self, step: Step) -> None:
        if step.kind is Kind.SYNC:
            self.needs_flush = False
            if self.is_copying_in:
                return
            self.is_skipping = False
            step.sent_at = self._clock.now()
            if step.number:  # held as a step of its own: it is known to commit
                self._began(step, step.sent_at)
        elif self.is_skipping:
            return
        else:
            self.needs_flush = step.kind is Kind.EXECUTE
            self._began(step, self._clock.now())
        self._awaited.append(step)
        self._steps_awaited += 1

    def _began(self, step: Step, at: float) -> None:
        self.count(step)
        step.began = True
        self._record(
            StepBegan(
                at=at,
                service=self.service,
                connection=self.connection,
                step=step.number,
                sql=step.sql,
                transaction=self.transaction.state,
            )
        )

    # ------------------------------------------------------------ from the server

    def answer(self, kind: int, body: bytes) -> None:
        """Take in a message from the server (its head, if it is long)."""
        match kind:
            case 0x44:  # DataRow
                if (step := self.under_way) is not None:
                    step.take_row(body)
            case 0x43:  # CommandComplete
                self._completed(messages.text(messages.c_string(body, 0)[0], messages.CELL_LIMIT))
            case 0x49 | 0x56:  # EmptyQueryResponse, FunctionCallResponse
                self._completed("")
            case 0x73:  # PortalSuspended
                if (step := self.under_way) is not None:
                    self.transaction.suspended(step.sql, step.rows)
                    step.counted = step.rows
                    self._end(step)
            case 0x45:  # ErrorResponse
                self._failed(messages.read_error(body))
            case 0x5A:  # ReadyForQuery
                letter = chr(body[0]) if body else ""
                if letter in ("I", "T", "E"):
                    self._ready(cast(TransactionState, letter))
            case 0x54 | 0x6E:  # RowDescription, NoData
                self._columns(body)
            case 0x74:  # ParameterDescription
                if self._awaited and isinstance(head := self._awaited[0], Describe):
                    head.statement.types = messages.parameter_types(body)
            case 0x47:  # CopyInResponse
                self._copy_in()
            case 0x4B:  # BackendKeyData
                self.backend_pid = messages.backend_pid(body)
            case _:  # notices, notifications, settings, authentication, copied data, ParseComplete …
                pass

    def _columns(self, body: bytes) -> None:
        if not self._awaited:
            return
        head = self._awaited[0]
        if isinstance(head, Describe):
            self._awaited.popleft()
            head.statement.columns = body
        else:
            head.columns = body

    def _completed(self, tag: str) -> None:
        step = self.under_way
        if step is None:
            return
        if tag:
            if self.transaction.completed(step.sql, tag, copied_in=step.copies_in):
                step.committed = True
            if len(step.tags) < _TAGS_LIMIT:
                step.tags.append(tag)
            count = row_count(tag)
            step.counted = step.counted if count is None else count
        self.is_copying_in = False
        if step.kind is Kind.EXECUTE:
            self._end(step)

    def _failed(self, error: ServerError) -> None:
        self.is_copying_in = False
        step = self.under_way
        wrote = self.transaction.wrote
        self.transaction.failed()
        if step is None:  # a Parse, Bind or Describe that was flushed
            self._awaited.clear()
            self.is_skipping = True
        elif step.kind is Kind.EXECUTE:
            step.error = error
            self._end(step)
            self._skip()
        elif step.kind is not Kind.SYNC or step.began or wrote:
            step.error = error
            if error.is_fatal:  # no ReadyForQuery will end it
                self._end(step)

    def _skip(self) -> None:
        """What was passed on behind a failed step is ignored by the server, up to a Sync."""
        while self._awaited:
            item = self._awaited[0]
            if isinstance(item, Step):
                if item.kind is Kind.SYNC:
                    return
                item.error = SKIPPED
                self._end(item)
            else:
                self._awaited.popleft()
        self.is_skipping = True

    def _copy_in(self) -> None:
        step = self.under_way
        if step is None:
            return
        step.copies_in = self.is_copying_in = True
        # A Sync that went along with the Execute is ignored by a server that waits for data.
        behind = self._awaited.index(step) + 1
        while len(self._awaited) > behind:
            item = self._awaited[behind]
            if not isinstance(item, Step) or item.kind is not Kind.SYNC:
                return
            del self._awaited[behind]
            self._steps_awaited -= 1

    def _ready(self, state: TransactionState) -> None:
        if not self.is_ready:
            self.is_ready = True
            self._record(
                ConnectionReady(
                    at=self._clock.now(),
                    service=self.service,
                    connection=self.connection,
                    backend_pid=self.backend_pid or 0,
                )
            )
        while (step := self.under_way) is not None and step.kind is Kind.EXECUTE:
            self._end(step)
        committed = state == "I" and self.transaction.wrote
        self.transaction.ready(state)
        if step is None:
            self.idle_since = self._clock.now()
            return
        if step.kind is Kind.SYNC:
            if not step.began and (committed or step.error):
                self._began(step, max(step.sent_at, self.idle_since))
            if committed and step.error is None:
                step.tags.append("COMMIT")
        step.committed = step.committed or (committed and step.error is None)
        self._end(step)

    def _end(self, step: Step) -> None:
        while self._awaited.popleft() is not step:
            pass  # Describes whose answers the server has skipped
        self._steps_awaited -= 1
        self.idle_since = self._clock.now()
        if not step.began:
            return
        error = step.error
        self.last_answer = StepEnded(
            at=self.idle_since,
            service=self.service,
            connection=self.connection,
            step=step.number,
            tag="" if error else "; ".join(step.tags),
            rows=None if error else step.counted,
            sqlstate=(error.sqlstate or None) if error else None,
            message=error.message if error else None,
            values=tuple(step.values),
            parameters=step.parameters,
            transaction=self.transaction.state,
            committed=step.committed,
        )
        self._record(self.last_answer)


def _remember(names: dict[bytes, _V], name: bytes, value: _V) -> None:
    if len(names) >= NAMES_LIMIT and name not in names:
        del names[next(iter(names))]
    names[name] = value
