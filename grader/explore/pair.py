"""Workers behind closed gates, on one table: the world in which schedules are walked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grader.explore.actor import Actor
from grader.explore.flights import SLOWEST, Flights, HeldRow
from grader.explore.rounds import LONGEST
from grader.explore.trace import Entry, Trace
from grader.explore.undecided import SleepsOn, Undecided
from grader.explore.visible import ends_transaction, has_no_effect, is_plumbing, may_end_quietly
from grader.explore.witness import Witness
from grader.history.events import Event
from grader.history.recorder import Recorder
from grader.history.sql import bare
from grader.history.words import short
from grader.lab import FAR_AWAY, Cancelled, Lab
from grader.lab.held import Flight, StepGone
from grader.wire import WireStep

POLL: Final = 0.001
"""WORKER_POLL_INTERVAL while schedules are walked: a worker that found nothing is back at the gate at once."""

DEADLOCK_TIMEOUT: Final = "30ms"
"""After how long PostgreSQL looks for a deadlock (a second by default)."""

MOST_STEPS: Final = 400
"""Steps of one schedule, invisible ones included; a worker that needs more for so few tasks does not end."""

LAST_LOOKS: Final = 2
"""Rounds that every worker gets when all sleep and a task is not done, before it counts as lost."""

NAP: Final = 0.1
"""Seconds after which a worker of those that sleep long counts as asleep."""

LONGEST_NAP: Final = 10.0
"""Seconds after which it should have come back, if nobody else can do anything."""

LONGEST_WALK, LONGEST_SLOW_WALK = 10.0, 30.0
"""Seconds (times patience) for one schedule, and for one of workers that sleep long; after it, it has no end."""

_OURS = frozenset({"57014", "25P03", "25P04", "57P05"})
"""Timeouts (of a statement, a transaction, a session): the grader holds statements up, and may be their cause."""

_LOCK_TIMEOUT = "55P03"

LET_GO: Final = "L"
"""The move by which the grader lets go of a row that it holds."""


class Pair:
    """Two workers (or one, or three) and the schedule that they are in. A ``World``.

    ``reduced=False`` gives every step its own place in a schedule, for comparing.
    """

    def __init__(
        self,
        lab: Lab,
        names: Sequence[str],
        *,
        reduced: bool = True,
        recorder: Recorder | None = None,
        poll: float = POLL,
        stuck: float = FAR_AWAY,
        slow: bool = False,
    ) -> None:
        """``recorder``: one that is read elsewhere too; else the events of a schedule are forgotten after it.

        ``slow``: the workers sleep long whatever they are told to; while one does, the others go on.
        """
        self.lab = lab
        self.slowest_return = 0.0
        """The longest time, in seconds, from the grant of a step to the worker's next one."""
        self._is_slow = slow
        self.witness = Witness(lab, recorder)
        self.actors: list[Actor] = []
        self.trace = Trace()
        self.disturbed: str | None = None
        """A timeout of the submission's that the holding may have caused."""
        self.stuck: str | None = None
        """Who waits for ever for whom."""
        self._reduced = reduced
        self._steps = 0
        self._deadline = 0.0
        self._numbered = 0
        self._taken_at: list[float] = []
        self._looks_left = LAST_LOOKS
        self.row = HeldRow(lab.database)
        self.flights = Flights(lab, self.witness, self.actors, self.row)
        for letter, name in zip("ABCDEFG", names, strict=False):
            worker = lab.start_held_worker(name, poll=poll, stuck=stuck, recorder=self.witness.recorder)
            if slow:
                worker.back_within = NAP
            self.actors.append(Actor(letter, worker))

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of the workers."""
        return tuple(actor.worker.name for actor in self.actors)

    def close(self) -> None:
        """End the workers."""
        self.row.let_go()
        for actor in self.actors:
            actor.worker.end()

    # ------------------------------------------------------------ one schedule

    def arrive(self) -> None:
        """Wait until everybody has come to the gate. Raises Undecided."""
        for actor in self.actors:
            if not actor.worker.held and not actor.worker.arrive():
                raise Undecided(f"{actor.worker.name} sent no statement")

    def park(self) -> None:
        """Let everybody look round until all sleep, with nothing to do, each where it slept the first time.

        So every schedule begins in the same place of everybody's loop. Raises Undecided.
        """
        self.arrive()
        self.start_counting()
        self._looks_left = 0
        while moves := self.moves():
            self.take(moves[0])
        self._go_home()
        if gone := [actor for actor in self.actors if not actor.worker.is_alive]:
            raise Undecided(f"{gone[0].worker.name} ended before there was anything to do")
        if any(actor.flights for actor in self.actors):
            raise Undecided(
                self.stuck or "a statement of a worker that has nothing to do does not come to its end"
            )

    def _go_home(self) -> None:
        for actor in self.actors:
            if actor.home is None:
                actor.home = actor.place
            for _ in range(LONGEST):
                if actor.place == actor.home or not actor.worker.held or actor.flights:
                    break
                self._grant(actor, actor.worker.held[0], 0)
                self._see_flights()

    def begin(self, tasks: Sequence[str], *, hold_row: str | None = None) -> None:
        """These tasks are there now: everybody is awake.

        The grader holds the row of the task ``hold_row``; letting it go is a move of the schedule.
        """
        self.witness.begin(tasks)
        self.trace = Trace()
        self.disturbed = self.stuck = None
        self.start_counting()
        self._numbered = 0
        self._taken_at = []
        self._looks_left = LAST_LOOKS
        for actor in self.actors:
            actor.rounds.task_changed()
        if hold_row is not None:
            self.row.hold(hold_row)
            self.trace.does(f"locks the row of task {hold_row}", self.lab.clock.now())

    def events(self) -> list[Event]:
        """Everything of this schedule, with what one has to know of the workers' starts and connections."""
        return self.witness.events()

    @property
    def tasks(self) -> list[str]:
        """The tasks of this schedule."""
        return self.witness.tasks

    @property
    def is_done(self) -> bool:
        """Whether every task has come to its end."""
        return self.witness.is_done

    @property
    def pids(self) -> frozenset[int]:
        """The server processes behind all connections that the workers have made up to now."""
        return self.witness.pids(self.lanes)

    @property
    def last(self) -> Entry:
        """The last step that has a place in the schedule."""
        return next(line.entry for line in reversed(self.trace.lines) if line.entry.number)

    def choices_until(self, at: float) -> int:
        """How many moves were taken until a moment."""
        return sum(taken <= at for taken in self._taken_at)

    @property
    def is_symmetric(self) -> bool:
        """Whether everybody is in the same place of the loop, so that exchanging the names changes nothing."""
        return len({actor.place for actor in self.actors}) == 1

    @property
    def is_reusable(self) -> bool:
        """Whether another schedule can begin where the last one ended."""
        return self.dead is None and self.is_done and not any(actor.flights for actor in self.actors)

    @property
    def dead(self) -> Actor | None:
        """A worker whose process ended."""
        return next((actor for actor in self.actors if not actor.worker.is_alive), None)

    # ------------------------------------------------------------ World

    def moves(self) -> list[str]:
        """Who may take the next step. Steps that are no event for anybody are taken on the way."""
        while True:
            if self.lab.is_cancelled():
                raise Cancelled
            self._see_flights()
            if self.dead is not None:
                return []
            if self._take_invisible():
                continue
            moves = [move for actor in self.actors for move, _ in self._ready(actor)]
            if self.row.is_held:
                moves.append(LET_GO)
            if moves:
                return moves
            if self._is_over():
                return []

    def take(self, move: str) -> None:
        """Let somebody take a step."""
        self._taken_at.append(self.lab.clock.now())
        if move == LET_GO:
            self._let_go()
            return
        self._numbered += 1
        self._grant(self._actor(move), self.next_step(move), self._numbered)

    def take_withheld(self, move: str) -> bool:
        """Let somebody take a step whose answer it is not told; whether the server did it in time."""
        actor = self._actor(move)
        self._numbered += 1
        flight, entry = self._send(actor, self.next_step(move), self._numbered, withhold=True)
        actor.flights.append((flight, entry))
        return flight.is_over or actor.worker.wait_for(flight, SLOWEST)

    def next_step(self, move: str) -> WireStep:
        """What somebody would send next."""
        return dict(self._ready(self._actor(move)))[move]

    def _actor(self, move: str) -> Actor:
        return next(actor for actor in self.actors if actor.letter == move[0])

    def describe(self, move: str) -> str:
        """What a move would do, in words."""
        if move == LET_GO:
            return "the grader lets go of the row"
        return f"{self._actor(move).worker.name} sends {short(bare(self.next_step(move).sql) or 'COMMIT', 60)}"

    def is_fresh(self, move: str) -> bool:
        """Whether that would be the first statement of its transaction."""
        return self._actor(move).talk(self.next_step(move)).is_fresh

    def start_counting(self) -> None:
        """What a walk may take of time and statements begins anew: somebody has made it wait."""
        longest = LONGEST_SLOW_WALK if self._is_slow else LONGEST_WALK
        self._steps = 0
        self._deadline = self.lab.clock.now() + longest * self.lab.patience

    def _let_go(self) -> None:
        self.row.let_go()
        self.trace.does("lets go of the row", self.lab.clock.now())
        for actor in self.actors:
            actor.rounds.wake()

    # ------------------------------------------------------------ steps

    def _ready(self, actor: Actor) -> list[tuple[str, WireStep]]:
        return actor.ready(has_task=self.witness.has_task(actor.worker.name))

    def _take_invisible(self) -> bool:
        """Take a step that nobody else can notice; whether there was one."""
        if not self._reduced:
            return self._take_beginning()
        for actor in self.actors:
            for _, step in self._ready(actor):
                if has_no_effect(step.sql) or self._ends_quietly(actor, step):
                    self._grant(actor, step, 0)
                    return True
        return False

    def _take_beginning(self) -> bool:
        """What drivers do when they connect is no part of any schedule, however unreduced."""
        for actor in self.actors:
            for _, step in self._ready(actor):
                if step.transaction == "I" and has_no_effect(step.sql) and not is_begin(step.sql):
                    self._grant(actor, step, 0)
                    return True
        return False

    def _ends_quietly(self, actor: Actor, step: WireStep) -> bool:
        if not may_end_quietly(step, actor.talk(step).touched) or step.backend_pid is None:
            return False
        waits = any(entry.waits_for == actor.worker.name for a in self.actors for _, entry in a.flights)
        return not waits and not self.lab.database.keeps_from_others(step.backend_pid)

    def _send(self, actor: Actor, step: WireStep, number: int, *, withhold: bool = False) -> tuple[Flight, Entry]:
        self._steps += 1
        if self._steps > MOST_STEPS or self.lab.clock.now() > self._deadline:
            raise Undecided(f"no end after {self._steps - 1} statements")
        self.witness.meet(step, actor.worker.name)
        actor.rounds.begins(step, actor.talk(step))
        entry = Entry(actor.worker.name, step.sql, self.lab.clock.now(), step, number)
        self.trace.begin(entry)
        try:
            return actor.worker.grant(step, withhold=withhold, alone=not actor.flights), entry
        except StepGone:
            raise Undecided(
                f"a connection of {actor.worker.name} ended while the grader held its statement"
            ) from None

    def _grant(self, actor: Actor, step: WireStep, number: int) -> None:
        flight, entry = self._send(actor, step, number)
        self.slowest_return = max(self.slowest_return, self.lab.clock.now() - entry.began)
        if flight.is_over:
            self._landed(actor, flight, entry)
        else:
            actor.flights.append((flight, entry))

    def _landed(self, actor: Actor, flight: Flight, entry: Entry) -> None:
        answer = flight.answer
        self.trace.end(entry, answer, self.lab.clock.now())
        if answer is None:  # its connection is gone, and its transaction with it
            actor.talks.pop(flight.step.connection, None)
            self._wake_others(actor)
            return
        if answer.sqlstate in _OURS or (answer.sqlstate == _LOCK_TIMEOUT and entry.waits_for):
            self.disturbed = f"{actor.worker.name}: {answer.message}"
        talk = actor.talk(flight.step)
        touched = talk.touched or answer.committed
        chain = talk.add(flight.step, answer)
        if chain is None:
            return
        touched = touched or talk.touched
        talk.touched = False
        if not touched:
            return
        if self.witness.take_in():
            for everyone in self.actors:
                everyone.rounds.task_changed()
        elif actor.rounds.releases(chain):
            self._wake_others(actor)

    def _wake_others(self, actor: Actor) -> None:
        for other in self.actors:
            if other is not actor:
                other.rounds.wake()

    # ------------------------------------------------------------ waiting

    def _see_flights(self) -> None:
        """See what came of every step that was under way; return when each that is left waits for a lock."""
        for actor in self.actors:
            for flight, entry in list(actor.flights):
                if self.flights.is_over_or_waits(actor, flight, entry):
                    continue
                actor.flights.remove((flight, entry))
                actor.worker.come_back(alone=not actor.flights)
                self._landed(actor, flight, entry)
        for actor in self.actors:
            if actor.worker.held or actor.flights or not actor.worker.is_alive:
                continue
            if self._is_slow and (self.is_done or any(self._ready(other) for other in self.actors)):
                actor.worker.look()
                continue
            patience = LONGEST_NAP if self._is_slow else actor.worker.back_within
            if not actor.worker.arrive(patience) and actor.worker.is_alive:
                raise SleepsOn(f"{actor.worker.name} sent nothing more")

    def _is_over(self) -> bool:
        """Nobody can take a step: whether that is the end of the schedule."""
        waiting = [(actor, flight, entry) for actor in self.actors for flight, entry in actor.flights]
        if waiting and all(self.flights.are_of(entry.waits_for) for _, _, entry in waiting):
            # Each waits for one that waits: PostgreSQL ends such a circle by itself, soon.
            actor, flight, entry = waiting[0]
            for _ in range(100):
                if any(f.is_over for _, f, _ in waiting):
                    return False
                actor.worker.wait_for(flight, 0.02)
            self.stuck = f"{entry.lane} and {entry.waits_for} wait for each other"
            return True
        if not waiting and self.is_done:
            return True
        if self._looks_left == 0:
            if waiting:
                entry = waiting[0][2]
                self.stuck = f"{entry.lane} waits for {entry.waits_for}, which has nothing more to do"
            return True
        self._looks_left -= 1
        for actor in self.actors:
            actor.rounds.wake()
        return False


def is_begin(sql: str) -> bool:
    """Whether a statement opens a transaction."""
    return is_plumbing(sql) and not ends_transaction(sql) and sql.lstrip().lower().startswith(("begin", "start"))
