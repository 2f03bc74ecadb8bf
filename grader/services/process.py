"""The services of a run: started, listened to, signalled, ended; everything they do goes into a history."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Literal, Self

from grader.errors import EnvironmentFailed, Internal
from grader.history.events import (
    ChildrenLeft,
    LimitHit,
    LogCut,
    LogLine,
    ServiceExited,
    ServiceStarted,
    SignalSent,
    UsageSampled,
)
from grader.history.recorder import Recorder
from grader.services.isolation import Isolation, Network, Reach, Running
from grader.services.limits import Limits, size_words
from grader.services.log import Allowance, LineSplitter, Rate
from grader.services.plain import Plain
from grader.services.ports import Ports
from grader.services.reader import Reader
from grader.services.watch import Watch

Stream = Literal["stdout", "stderr"]

_CHUNK = 64 * 1024
_SETTLE = 0.25
"""Seconds that children may take to notice by themselves that their leader is gone."""
_END_TIMEOUT = 10.0


class Services:
    """All services of a run, with the one thread that listens to them. Leaving it ends whatever is still alive.

    One at a time in a process: at the end it sweeps up everything that any service left behind. Enter it in the
    main thread, where it also makes sure that services do not inherit ignored signals.
    """

    def __init__(self, isolation: Isolation | None = None) -> None:
        self._isolation = isolation or Plain()
        self._stack = ExitStack()
        self._reader = Reader()
        self._watch = Watch(self._isolation.limits)
        self._unended: set[ServiceProcess] = set()
        self._ports = Ports()
        self._lock = threading.Lock()
        self._open = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_signals_not_ignored())
            stack.enter_context(self._reader)
            stack.callback(self._isolation.sweep)
            stack.callback(self._end_all)
            stack.enter_context(self._watch)
            self._stack = stack.pop_all()
        self._open = True
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def isolation(self) -> Isolation:
        """How services are kept apart."""
        return self._isolation

    def network(self) -> Network:
        """A network for one service. Raises EnvironmentFailed."""
        return self._isolation.network()

    def free_port(self) -> int:
        """A port of this machine's loopback for one service. Raises EnvironmentFailed."""
        return self._ports.free()

    def start(
        self,
        *,
        name: str,
        role: Literal["api", "worker"],
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        settings: Mapping[str, str],
        recorder: Recorder,
        note_process: Callable[[int], None],
        reach: Reach | None = None,
    ) -> ServiceProcess:
        """Start a manifest's ``command`` in ``cwd`` with exactly ``env``, and record it as the service ``name``.

        ``reach`` is what it may get to (None: what the isolation gives everybody). ``settings`` is what the history shows of ``env``; ``note_process`` is told the leader's pid. Raises
        BadSubmission when the command cannot be run.
        """
        at = recorder.clock.now()
        with self._lock:  # so that nothing is started behind the back of an ending run
            if not self._open:
                raise Internal(f"{name} was to be started outside of the run")
            program = self._isolation.program(cwd, command)
            running = self._isolation.launch(program, cwd=cwd, env=env, reach=reach or Reach())
            limits = self._isolation.limits
            process = ServiceProcess(name, running, recorder, self._reader, self._forget, limits)
            self._unended.add(process)
        recorder.record(ServiceStarted(at=at, service=name, role=role, pid=running.pid, settings=dict(settings)))
        process.listen()
        note_process(running.pid)
        self._watch.add(running, Path(env["TMPDIR"]) if "TMPDIR" in env else None, process.limit_hit)
        return process

    def _forget(self, process: ServiceProcess) -> None:
        self._watch.forget(process.running)
        with self._lock:
            self._unended.discard(process)

    def _end_all(self) -> None:
        with self._lock:
            self._open = False
            unended = list(self._unended)
        with ExitStack() as stack:  # every one is ended, also when one of them cannot be
            for process in unended:
                stack.callback(process.end)


class ServiceProcess:
    """One service of a submission, from its start to its end. Every method may be called from any thread."""

    def __init__(
        self,
        name: str,
        running: Running,
        recorder: Recorder,
        reader: Reader,
        ended: Callable[[ServiceProcess], None],
        limits: Limits,
    ) -> None:
        self.name = name
        self.pid = running.pid
        self.running = running
        self._recorder = recorder
        self._reader = reader
        self._report_ended = ended
        self._splitters: dict[Stream, LineSplitter] = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._limits = limits
        self._allowance = Allowance(limits.log)
        self._rate = Rate(limits.log_rate)
        self._status: int | None = None
        self._exited = threading.Event()
        self._children_looked_for = threading.Event()
        self._signalling = threading.Lock()
        self._ending = threading.Lock()
        self._limits_hit: set[str] = set()
        self._killed = False
        self._ended = False

    @property
    def status(self) -> int | None:
        """None while it is alive; then its exit status, or minus the number of the signal that ended it."""
        return self._status

    def wait(self, timeout: float) -> int | None:
        """Its status as soon as its exit is recorded; None when that takes longer than ``timeout`` seconds."""
        self._exited.wait(timeout)
        return self._status

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the leader alone, recorded just before it is sent. False when the leader is gone."""
        with self._signalling:
            if self.running.gone():
                return False
            self._recorder.record(SignalSent(at=self._now(), service=self.name, signal=number.name))
            self.running.send(number)
            return True

    def sample_usage(self) -> UsageSampled:
        """What it has used until now, with all its descendants, also after its end. Recorded as well."""
        cpu_s, processes = self.running.usage()
        sample = UsageSampled(at=self._now(), service=self.name, cpu_s=round(cpu_s, 3), processes=processes)
        self._recorder.record(sample)
        return sample

    def limit_hit(self, words: str) -> None:
        """Record, each once, that it ran into one of its limits, and end it where the kernel has not."""
        with self._signalling:  # whose descriptors are open as long as it has not ended
            if not self._ended and self._note_limit(words, self._now()):
                self.running.send(signal.SIGKILL)

    def end(self, grace: float = 0.0) -> None:
        """End it with everything that came of it; once it returns nothing more is recorded.

        With ``grace``, the leader first gets SIGTERM and that many seconds. Ending twice does nothing. Raises
        EnvironmentFailed when something cannot be ended.
        """
        with self._ending:
            if self._ended:
                return
            if grace > 0 and self.signal(signal.SIGTERM):
                self.wait(grace)
            if self.running.gone():
                self._children_looked_for.wait(_END_TIMEOUT)
            else:
                self._killed = True
                self.signal(signal.SIGKILL)
            self.running.kill()
            if not self._exited.wait(_END_TIMEOUT):
                raise EnvironmentFailed(f"{self.name} (process {self.pid}) cannot be ended; end it by hand")
            self._reader.call(self._stop_listening)
            self.running.close()
        self._report_ended(self)

    def _note_limit(self, words: str, at: float) -> bool:
        """Whether it is a new one. The lock on signals is held: the reader and the watch may find the same at once."""
        is_new = words not in self._limits_hit
        if is_new:
            self._limits_hit.add(words)
            self._recorder.record(LimitHit(at=at, service=self.name, limit=words))
        return is_new

    # ------------------------------------------------------------ in the reader's thread

    def listen(self) -> None:
        """Begin to record what it writes, and its exit."""
        self._reader.watch(self.running.stdout, partial(self._on_output, "stdout"))
        self._reader.watch(self.running.stderr, partial(self._on_output, "stderr"))
        self._reader.watch(self.running.exit_notice, self._on_exit)

    def _on_output(self, stream: Stream) -> None:
        pipe = self._pipe(stream)
        data = _read(pipe, _CHUNK)
        if data is None:
            return
        if not data:
            self._reader.forget(pipe)
        elif (pause := self._rate.took(len(data), self._now())) > 0:
            self._reader.forget(pipe)
            self._reader.later(pause, partial(self._listen_again, stream))
        self._keep(stream, data)

    def _listen_again(self, stream: Stream) -> None:
        if not self._ended:
            self._reader.resume(self._pipe(stream), partial(self._on_output, stream))

    def _on_exit(self) -> None:
        at = self._now()
        self._reader.forget(self.running.exit_notice)
        self._drain()
        with self._signalling:  # no signal is recorded between the exit and its record
            status = self.running.collect()
            for words in self.running.limits_hit():
                self._note_limit(words, at)
            if status == -signal.SIGXFSZ:
                self._note_limit(f"file size: one file may have {size_words(self._limits.file)}", at)
            self._recorder.record(ServiceExited(at=at, service=self.name, status=status))
        self._status = status
        self._exited.set()
        if not self._killed and self.running.others():
            self._reader.later(_SETTLE, partial(self._look_for_children, at))
        else:
            self._children_looked_for.set()

    def _look_for_children(self, at: float) -> None:
        if not self._ended and (commands := tuple(self.running.others())):
            self._recorder.record(ChildrenLeft(at=at, service=self.name, commands=commands))
        self._children_looked_for.set()

    def _stop_listening(self) -> None:
        self._drain()
        self._reader.forget(self.running.stdout)
        self._reader.forget(self.running.stderr)
        with self._signalling:
            self._ended = True  # before its descriptors are closed, whose numbers may be others' at once

    def _drain(self) -> None:
        """Record what is in the pipes now, and no more: a child may go on writing for ever."""
        for stream in self._splitters:
            pipe = self._pipe(stream)
            waiting = _bytes_waiting(pipe)
            while waiting > 0 and (data := _read(pipe, min(waiting, _CHUNK))):
                waiting -= len(data)
                self._keep(stream, data)
            self._keep(stream, b"")

    def _keep(self, stream: Stream, data: bytes) -> None:
        """Record the lines in ``data``; no data means that what there is of a line is all of it."""
        if self._allowance.used_up:
            return
        splitter = self._splitters[stream]
        at = self._now()
        for line in splitter.feed(data) if data else splitter.flush():
            if not self._allowance.grant(line):
                self._recorder.record(LogCut(at=at, service=self.name, kept_bytes=self._allowance.kept))
                return
            self._recorder.record(LogLine(at=at, service=self.name, stream=stream, text=line))

    def _pipe(self, stream: Stream) -> int:
        return self.running.stdout if stream == "stdout" else self.running.stderr

    def _now(self) -> float:
        return self._recorder.clock.now()


def _read(pipe: int, size: int) -> bytes | None:
    """Empty at the end of the stream, None when there is nothing to read now."""
    try:
        return os.read(pipe, size)
    except BlockingIOError:
        return None


def _bytes_waiting(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


@contextmanager
def _signals_not_ignored() -> Iterator[None]:
    """Children inherit ignored signals (a shell ignores SIGINT for what it runs in the background), handlers not.

    So what is ignored here is handled by doing nothing, for as long as services are started.
    """

    def do_nothing(number: int, frame: FrameType | None) -> None:
        pass

    in_main = threading.current_thread() is threading.main_thread()
    ignored = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        if in_main and signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, do_nothing)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
