"""A table with row locks, as small as can be, and programs of workers that poll it for ever.

READ COMMITTED as PostgreSQL has it: a statement sees what was committed when it began; one that has to wait for a
row looks at the row's new version afterwards, by its own WHERE. Everything is a value: a state is taken apart by
nobody, a step makes a new one. So one program can be walked again and again; ``plain_outcomes`` tells what can come
about in any order of its statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from grader.explore.rounds import Rounds, Talk
from grader.explore.rules import broken_rule
from grader.history.events import StepEnded, TransactionState
from grader.wire import WireStep
from tests.unit.histories import Story

Kind = Literal["begin", "commit", "rollback", "select", "read", "update", "one", "count"]
Lock = Literal["", "update", "skip"]

NAMES: Final = ("worker-A", "worker-B")
DEADLOCK: Final = "40P01"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a worker sends. ``otherwise``: where it goes on when no row was found or changed.

    ``select`` looks for a task that is ``find``, oldest first; ``read`` looks at the task in hand; ``update`` sets
    the task in hand to ``to``, if it still is ``find`` where that is given; ``one`` does both in one statement,
    with ``again`` looking at the status in the outer WHERE; ``count`` writes to the counter of that number:
    0 or 1, the task's own (2), the other one (3), or the worker's own (4).
    """

    kind: Kind
    find: str = ""
    to: str = ""
    lock: Lock = ""
    again: bool = False
    counter: int = 0
    otherwise: int | None = None

    @property
    def is_by_hand(self) -> bool:
        """Whether it speaks of the task in hand."""
        return self.kind in ("read", "update") or (self.kind == "count" and self.counter in (2, 3))

    def sql(self, worker: int) -> str:
        """How it would read."""
        match self.kind:
            case "begin" | "commit" | "rollback":
                return self.kind.upper()
            case "count":
                return f"UPDATE counters SET n = n + 1 WHERE id = {worker if self.counter == 4 else self.counter}"
            case _:
                return f"{self.kind} tasks {self.find} {self.to} {self.lock} {self.again}"


Program = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """For which row, and which rows the statement would look at from there on."""

    row: str
    rest: tuple[int, ...]
    since: int


@dataclass(frozen=True, slots=True)
class Worker:
    """Where a worker is in its program, and what it has in its transaction."""

    at: int = 0
    hand: int = 0
    polls: int = 0
    transaction: TransactionState = "I"
    changes: tuple[tuple[int, str, str], ...] = ()
    """Not committed: task, status before, status after."""
    locks: frozenset[str] = frozenset()
    wrote: bool = False
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All there is. ``log``: for each task who set it from what to what, committed."""

    tasks: tuple[str, ...]
    workers: tuple[Worker, ...] = (Worker(), Worker())
    log: tuple[tuple[tuple[int, str, str], ...], ...] = ()
    deadlocks: bool = False


@dataclass(frozen=True, slots=True)
class Landed:
    """A statement that is over, with its answer."""

    worker: int
    step: WireStep
    answer: StepEnded


Outcome = tuple[Any, ...]


class Table:
    """The rules by which statements run."""

    def __init__(self, program: Program, tasks: Sequence[str]) -> None:
        self.program = program
        # States are kept, one object each, so that what is known of one is found by the object.
        self._states: dict[State, State] = {}
        self._after: dict[tuple[int, int], tuple[State, list[Landed]]] = {}
        self._next: dict[tuple[int, int], WireStep] = {}
        parked, self.previous = self._park()
        self.start = State(tuple(tasks), (parked, parked), tuple(() for _ in tasks))
        self._states[self.start] = self.start

    def _park(self) -> tuple[Worker, str]:
        """Where a worker sleeps that has found nothing, and the statement that it sent last."""
        state, rounds, talk = State(()), Rounds(), Talk()
        self._states[state] = state
        while not rounds.sleeps_at(self.next_step(state, 0), talk):
            rounds.begins(self.next_step(state, 0), talk)
            state, [landed] = self.step(state, 0)
            talk.add(landed.step, landed.answer)
        return replace(state.workers[0], polls=0), rounds.previous

    def next_statement(self, state: State, who: int) -> Statement:
        worker = state.workers[who]
        return Statement("rollback") if worker.transaction == "E" else self.program[worker.at]

    def next_step(self, state: State, who: int) -> WireStep:
        """What a worker sends next, in a state that ``step`` has made."""
        key = (id(state), who)
        if key not in self._next:
            self._next[key] = self._wire_step(state, who)
        return self._next[key]

    def step(self, state: State, who: int) -> tuple[State, list[Landed]]:
        """Let a worker send its next statement; what is over after it, statements that had waited included."""
        key = (id(state), who)
        if key not in self._after:
            landed: list[Landed] = []
            after = self._resolve(self._run(state, who, None, landed), landed)
            self._after[key] = self._states.setdefault(after, after), landed
        return self._after[key]

    def _wire_step(self, state: State, who: int) -> WireStep:
        statement, worker = self.next_statement(state, who), state.workers[who]
        parameters = (str(worker.hand),) if statement.is_by_hand else ()
        sql = statement.sql(who)
        return WireStep(
            NAMES[who], who, who + 100, 1, sql, parameters, worker.transaction, worker.wrote, would_commit=False
        )

    # ------------------------------------------------------------ statements

    def _run(self, state: State, who: int, resumed: Waiting | None, landed: list[Landed]) -> State:
        statement, worker = self.next_statement(state, who), state.workers[who]
        if resumed is not None:
            worker = replace(worker, waiting=None, locks=worker.locks | {resumed.row})
            state = _with(state, who, worker)
        match statement.kind:
            case "begin":
                return self._end(_with(state, who, replace(worker, transaction="T")), who, None, landed)
            case "commit":
                return self._release(_committed(state, who), who, None, landed)
            case "rollback":
                return self._release(_rolled_back(state, who), who, None, landed)
            case "count":
                return self._count(state, who, statement, landed)
            case "read":
                return self._end(state, who, int(self._fits(state, who, worker.hand, statement.find)), landed)
            case "select" if not statement.lock:
                found = self._candidates(state, who, statement.find)
                state = self._take(state, who, found[0]) if found else state
                return self._end(state, who, min(1, len(found)), landed)
            case "select" | "one" | "update":
                return self._on_rows(state, who, statement, resumed, landed)

    def _on_rows(
        self, state: State, who: int, statement: Statement, resumed: Waiting | None, landed: list[Landed]
    ) -> State:
        """Lock one row after the other until one still fits, and change it if that is asked for."""
        if resumed is not None:
            candidates = resumed.rest
        elif statement.kind == "update":
            fits = self._fits(state, who, state.workers[who].hand, statement.find)
            candidates = (state.workers[who].hand,) if fits else ()
        else:
            candidates = self._candidates(state, who, statement.find)
            if not statement.lock:
                candidates = candidates[:1]
        asks_again = statement.find if statement.kind != "one" or statement.lock or statement.again else ""
        for position, task in enumerate(candidates):
            row = f"task {task}"
            if self._holder(state, who, row) is not None:
                if statement.lock == "skip":
                    continue
                return self._wait(state, who, Waiting(row, candidates[position:], 0))
            worker = state.workers[who]
            state = _with(state, who, replace(worker, locks=worker.locks | {row}))
            if not self._fits(state, who, task, asks_again):
                continue
            state = self._take(state, who, task)
            if statement.to:
                state = self._change(state, who, task, statement.to)
            return self._end(state, who, 1, landed)
        return self._end(state, who, 0, landed)

    def _count(self, state: State, who: int, statement: Statement, landed: list[Landed]) -> State:
        worker = state.workers[who]
        number = {2: worker.hand, 3: 1 - worker.hand, 4: 10 + who}.get(statement.counter, statement.counter)
        row = f"counter {number}"
        if self._holder(state, who, row) is not None:
            return self._wait(state, who, Waiting(row, (), 0))
        return self._end(
            _with(state, who, replace(worker, locks=worker.locks | {row}, wrote=True)), who, 1, landed
        )

    def _end(self, state: State, who: int, rows: int | None, landed: list[Landed]) -> State:
        """A statement is over; without a transaction it is committed with that."""
        if state.workers[who].transaction == "I":
            return self._release(_committed(state, who), who, rows, landed)
        return self._answer(state, who, rows, None, landed)

    def _release(self, state: State, who: int, rows: int | None, landed: list[Landed]) -> State:
        """A transaction is over: its locks are free, and whoever waited for one goes on."""
        freed = state.workers[who].locks
        worker = state.workers[who]
        is_alone = self.next_statement(state, who).kind not in ("commit", "rollback")
        state = _with(state, who, replace(worker, locks=frozenset(), wrote=False))
        state = self._answer(state, who, rows, None, landed, committed=is_alone and worker.wrote)
        return self._wake(state, freed, landed)

    def _wake(self, state: State, freed: frozenset[str], landed: list[Landed]) -> State:
        for other, worker in enumerate(state.workers):
            if worker.waiting is not None and worker.waiting.row in freed:
                return self._run(state, other, worker.waiting, landed)
        return state

    # ------------------------------------------------------------ waiting

    def _wait(self, state: State, who: int, waiting: Waiting) -> State:
        since = sum(worker.waiting is not None for worker in state.workers)
        return _with(state, who, replace(state.workers[who], waiting=replace(waiting, since=since)))

    def _resolve(self, state: State, landed: list[Landed]) -> State:
        """If all wait for each other, the one that has waited longest is told so, and loses its transaction."""
        waiting = [who for who, worker in enumerate(state.workers) if worker.waiting is not None]
        if len(waiting) < len(state.workers):
            return state
        victim = min(waiting, key=lambda who: state.workers[who].waiting.since)  # type: ignore[union-attr]
        freed = state.workers[victim].locks
        state = replace(_rolled_back(state, victim), deadlocks=True)
        worker = replace(state.workers[victim], locks=frozenset(), wrote=False, waiting=None)
        state = self._answer(_with(state, victim, worker), victim, None, DEADLOCK, landed)
        return self._resolve(self._wake(state, freed, landed), landed)

    def _holder(self, state: State, who: int, row: str) -> int | None:
        return next((n for n, w in enumerate(state.workers) if n != who and row in w.locks), None)

    # ------------------------------------------------------------ rows

    def _status(self, state: State, who: int, task: int) -> str:
        mine = [after for number, _, after in state.workers[who].changes if number == task]
        return mine[-1] if mine else state.tasks[task]

    def _fits(self, state: State, who: int, task: int, find: str) -> bool:
        return not find or self._status(state, who, task) == find

    def _candidates(self, state: State, who: int, find: str) -> tuple[int, ...]:
        return tuple(task for task in range(len(state.tasks)) if self._fits(state, who, task, find))

    def _take(self, state: State, who: int, task: int) -> State:
        return _with(state, who, replace(state.workers[who], hand=task))

    def _change(self, state: State, who: int, task: int, to: str) -> State:
        worker = state.workers[who]
        change = (task, self._status(state, who, task), to)
        return _with(state, who, replace(worker, changes=(*worker.changes, change), wrote=True))

    # ------------------------------------------------------------ answers

    def _answer(
        self,
        state: State,
        who: int,
        rows: int | None,
        sqlstate: str | None,
        landed: list[Landed],
        *,
        committed: bool = False,
    ) -> State:
        statement, worker = self.next_statement(state, who), state.workers[who]
        step = self._wire_step(state, who)
        after: TransactionState = worker.transaction
        if sqlstate is not None:
            after = "E" if worker.transaction == "T" else "I"
        elif statement.kind in ("commit", "rollback"):
            after = "I"
        tag = {"select": "SELECT", "read": "SELECT"}.get(statement.kind, "UPDATE")
        tag = statement.kind.upper() if rows is None else f"{tag} {rows}"
        told = StepEnded(
            at=0.0,
            service=NAMES[who],
            connection=who,
            step=1,
            tag="" if sqlstate else tag,
            rows=rows,
            sqlstate=sqlstate,
            message=None,
            values=(),
            parameters=(),
            transaction=after,
            committed=committed,
        )
        landed.append(Landed(who, step, told))
        return _with(state, who, self._goes_on(replace(worker, transaction=after), statement, rows, sqlstate))

    def _goes_on(self, worker: Worker, statement: Statement, rows: int | None, sqlstate: str | None) -> Worker:
        if worker.transaction == "E":
            return worker
        failed = sqlstate is not None or statement == Statement("rollback")
        at = 0 if failed else worker.at + 1
        if rows == 0 and statement.otherwise is not None:
            at = statement.otherwise
        if at % len(self.program) == 0:
            return replace(worker, at=0, hand=0, polls=worker.polls + 1)
        return replace(worker, at=at)


def _with(state: State, who: int, worker: Worker) -> State:
    return replace(state, workers=(*state.workers[:who], worker, *state.workers[who + 1 :]))


def _committed(state: State, who: int) -> State:
    worker = state.workers[who]
    tasks, log = list(state.tasks), list(state.log)
    for task, before, after in worker.changes:
        tasks[task] = after
        log[task] = (*log[task], (who, before, after))
    return _with(replace(state, tasks=tuple(tasks), log=tuple(log)), who, replace(worker, changes=()))


def _rolled_back(state: State, who: int) -> State:
    return _with(state, who, replace(state.workers[who], changes=()))


# ---------------------------------------------------------------- what came of it


def outcome(state: State) -> Outcome:
    """The rows, who changed them, whether there was a deadlock: the same whichever worker has which name."""
    plain = (state.tasks, state.log, state.deadlocks)
    other = tuple(tuple((1 - who, before, after) for who, before, after in task) for task in state.log)
    return min(plain, (state.tasks, other, state.deadlocks))


def is_broken(found: Outcome) -> bool:
    """Whether a rule of the grader's broke on the way to this outcome."""
    story = Story().start(NAMES[0]).start(NAMES[1])
    statuses = {"stuck": "processing"}
    for number, changes in enumerate(found[1]):
        first = changes[0][1] if changes else found[0][number]
        story.insert(str(number), 1.0 + number / 100, statuses.get(first, first))
        for position, (who, _, after) in enumerate(changes):
            owner = {"assigned_worker": NAMES[who]} if after == "processing" else {}
            story.update(str(number), 2.0 + position, NAMES[who], status=statuses.get(after, after), **owner)
    return broken_rule(story.history(), [str(n) for n in range(len(found[0]))]) is not None


# ---------------------------------------------------------------- statement by statement


def plain_outcomes(table: Table, polls: int) -> tuple[set[Outcome], int]:
    """What can come about in any order of all statements, and in how many orders; ``polls``: rounds of each worker.

    Where both have used up theirs and would still find something, that is no end, and is left out.
    """
    found: set[Outcome] = set()
    orders: dict[int, int] = {}  # by state
    stack = [table.start]
    while stack:
        state = stack[-1]
        if id(state) in orders:
            stack.pop()
            continue
        movers = [who for who, w in enumerate(state.workers) if w.waiting is None and _may_go(w, polls)]
        after = [table.step(state, who)[0] for who in movers]
        if missing := [other for other in after if id(other) not in orders]:
            stack += missing
            continue
        orders[id(state)] = sum(orders[id(other)] for other in after) or 1
        if not movers and _is_settled(table, state):
            found.add(outcome(state))
    return found, orders[id(table.start)]


def _may_go(worker: Worker, polls: int) -> bool:
    return worker.at != 0 or worker.transaction != "I" or worker.polls < polls


def _is_settled(table: Table, state: State) -> bool:
    """Whether nobody would change anything any more, however often it looks."""
    known = state.log
    for _ in range(2):
        for who in range(len(state.workers)):
            state, _ = table.step(state, who)
            while _may_go(state.workers[who], 0) and state.workers[who].waiting is None:
                state, _ = table.step(state, who)
    return state.log == known


# ---------------------------------------------------------------- programs

BEGIN, COMMIT, ROLLBACK = Statement("begin"), Statement("commit"), Statement("rollback")
COMPLETE = Statement("update", to="completed")
RECOVER = Statement("one", find="stuck", to="pending", again=True)


def claim(lock: Lock = "", *, again: bool = False) -> Program:
    """BEGIN, SELECT, UPDATE, COMMIT, and the completion by itself."""
    update = Statement("update", find="pending" if again else "", to="processing", otherwise=5)
    return (BEGIN, Statement("select", find="pending", lock=lock, otherwise=5), update, COMMIT, COMPLETE, ROLLBACK)


def unlocked(*, again: bool = False, fence: bool = False) -> Program:
    """SELECT, UPDATE, UPDATE, each by itself."""
    return (
        Statement("select", find="pending", otherwise=0),
        Statement("update", find="pending" if again else "", to="processing", otherwise=0),
        Statement("update", find="processing" if fence else "", to="completed"),
    )


def one(lock: Lock = "", *, again: bool = False) -> Program:
    """A claim in one statement."""
    return (Statement("one", find="pending", to="processing", lock=lock, again=again, otherwise=0), COMPLETE)


def after(first: Program, then: Program) -> Program:
    """One program's statements before another one's, which goes on where it would have gone on."""
    moved = (s if not s.otherwise else replace(s, otherwise=s.otherwise + len(first)) for s in then)
    return (*first, *moved)
