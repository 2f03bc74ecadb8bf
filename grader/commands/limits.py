"""The options that say how services are kept apart, and what each may use."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from grader.services import IsolationChoice, Level, Limits

_MIB = 1024 * 1024
_LEVELS = tuple(level.value for level in Level)


def add_isolation_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a command that runs a submission."""
    standard = Limits()
    apart = parser.add_argument_group("isolation (labs/isolation.md says which level is for what)")
    apart.add_argument(
        "--isolation",
        choices=("auto", *_LEVELS),
        default="auto",
        help="how services are kept apart (default: bubblewrap where it works, else self-check)",
    )
    apart.add_argument(
        "--require-isolation", choices=_LEVELS, metavar="LEVEL", help="refuse to grade with less (exit status 3)"
    )
    apart.add_argument("--service-image", metavar="IMAGE", help="for --isolation container: what services run in")
    apart.add_argument(
        "--readable",
        type=Path,
        nargs="+",
        metavar="PATH",
        default=(),
        help="folders that services may read as well",
    )
    limits = parser.add_argument_group("limits (for each service with all its processes)")
    for flag, metavar, value, what in (
        ("--max-processes", "N", standard.processes, "processes and threads at a time"),
        ("--max-memory", "MIB", standard.memory // _MIB, "memory"),
        ("--max-file", "MIB", standard.file // _MIB, "one file"),
        ("--max-disk", "MIB", standard.disk // _MIB, "its temporary folder"),
        ("--max-open-files", "N", standard.open_files, "open files of one process"),
        ("--max-log", "MIB", standard.log // _MIB, "what is kept of its log"),
        ("--max-log-rate", "MIB", standard.log_rate // _MIB, "what is read of its log in a second"),
        ("--max-scenario", "SECONDS", int(standard.scenario), "one scenario, on a quiet machine"),
    ):
        limits.add_argument(
            flag, type=whole_number(1), metavar=metavar, default=value, help=f"{what} (default: %(default)s)"
        )
    limits.add_argument(
        "--max-run", type=whole_number(1), metavar="SECONDS", help="all scenarios together (default: no bound)"
    )


def isolation_of(options: argparse.Namespace) -> IsolationChoice:
    """What these options ask for."""
    limits = Limits(
        processes=options.max_processes,
        memory=options.max_memory * _MIB,
        file=options.max_file * _MIB,
        disk=options.max_disk * _MIB,
        log=options.max_log * _MIB,
        log_rate=options.max_log_rate * _MIB,
        open_files=options.max_open_files,
        scenario=options.max_scenario,
        run=options.max_run,
    )
    return IsolationChoice(
        wanted=options.isolation,
        required=Level(options.require_isolation) if options.require_isolation else None,
        limits=limits,
        image=options.service_image,
        reads=tuple(path.resolve() for path in options.readable),
    )


def whole_number(least: int) -> Callable[[str], int]:
    """What makes a number of a word of the command line, as ``type`` of an option takes it."""

    def made(word: str) -> int:
        try:
            number = int(word)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{word!r} is no whole number of at least {least}")
        return number

    return made
