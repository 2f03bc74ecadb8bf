"""``grader run FOLDER``: the whole of a submission on one screen, until Ctrl-C."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from rich.console import Console

from grader.commands.live import LiveTasks, followed, live_page
from grader.commands.stage import ServerChoice, stage
from grader.ending import uninterrupted
from grader.history.events import LogLine, ServiceExited
from grader.history.recorder import Recorder
from grader.history.words import exit_words
from grader.services import service_environment
from grader.submission import load_submission


def run(folder: Path, choice: ServerChoice, console: Console) -> int:
    """Start PostgreSQL, the api-service and one worker, and print what they log, until all of them ended.

    A page of the runner's own shows the tasks as they move between their states.

    Returns 1: both services ended by themselves. Whoever ends it raises Ended.
    """
    submission = load_submission(folder)
    with ExitStack() as stack:
        there = stack.enter_context(stage(submission, choice, lambda line: console.print(line, markup=False)))
        place, services = there.around.run, there.around.services
        with uninterrupted():
            database = there.databases.create("run")
            stack.callback(database.close)
        recorder = Recorder(there.clock)
        relay = there.around.wire.open_relay(service="both", server=database.address, recorder=recorder)
        url = database.service_url(relay.host, relay.port)
        port = services.free_port()
        own: dict[Literal["api", "worker"], tuple[tuple[str, ...], dict[str, str]]] = {
            "api": (submission.api, {"API_HOST": "127.0.0.1", "API_PORT": str(port)}),
            "worker": (submission.worker, {"WORKER_ID": "worker-1"}),
        }
        for name, (command, settings) in own.items():
            with uninterrupted():
                process = services.start(
                    name=name,
                    role=name,
                    command=command,
                    cwd=submission.folder,
                    env=service_environment(place.path / "tmp", database_url=url, settings=settings),
                    settings=settings,
                    recorder=recorder,
                    note_process=place.note_process,
                )
                stack.callback(process.end, 5)
            console.print(f"{name:7}| started, pid {process.pid}", markup=False)
        tasks = LiveTasks()
        stack.enter_context(followed(database.read_changes, tasks))
        page = stack.enter_context(live_page(tasks, f"http://127.0.0.1:{port}"))
        console.print(f"live   | {page} shows the tasks as they move", markup=False)
        console.print(f"api    | http://127.0.0.1:{port}/tasks", markup=False)
        console.print(f"psql   | {url}", markup=False, soft_wrap=True)
        console.print("Ctrl-C ends all", markup=False)
        _print_logs(recorder, console)
    return 1


def _print_logs(recorder: Recorder, console: Console) -> None:
    known, alive = 0, 2
    never = threading.TIMEOUT_MAX
    while alive:
        for event in recorder.events(known):
            known += 1
            if isinstance(event, LogLine):
                console.print(f"{event.service:7}| {event.text}", markup=False, soft_wrap=True)
            elif isinstance(event, ServiceExited):
                alive -= 1
                console.print(f"{event.service:7}| {exit_words(event.status)}", markup=False)
        if alive:
            recorder.wait_for_more(known, never)
