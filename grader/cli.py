"""The command line. ``grader --help`` lists the commands; each is a file in ``grader/commands/``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from grader.commands import watch

from grader.commands import grade
from grader.commands.completion import SHELLS
from grader.commands.limits import add_isolation_options, isolation_of, whole_number
from grader.commands.reporting import refusal
from grader.commands.stage import ServerChoice
from grader.commands.teaching import BEGINNING, teach
from grader.ending import Ended, ended_by_signals
from grader.errors import CannotGrade, GraderError, Internal
from grader.postgres import DEFAULT_IMAGE
from grader.report import BY_NAME, without_commands
from grader.sources import name_of

EXIT_STATUSES = """\
exit status:
  0  every point of the lab was reached
  1  points are missing: something failed, or could not be judged
  2  the call or the submission cannot be graded (one line says why)
  3  the grader or its environment failed
  128 + n  ended by signal n
"""

SPEAKS_FOR_OTHERS = frozenset({"grade", "watch", "judge", "run", "replay", "schedules"})
"""Commands that print what a submission said."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=False, highlight=False)
    with without_commands(dict(os.environ)) if options.command in SPEAKS_FOR_OTHERS else nullcontext():
        return _guarded(options, console)


def _guarded(options: argparse.Namespace, console: Console) -> int:
    try:
        with ended_by_signals():
            return _dispatch(options, console)
    except (CannotGrade, GraderError) as problem:
        print(refusal(problem), file=sys.stderr)
        return problem.exit_status
    except Ended as ended:
        print(f"grader: {ended}; everything it had started is gone", file=sys.stderr)
        return ended.exit_status
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to say, and nobody to say it to.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 3
    except Exception:
        # A bug of ours: status 1, which Python would end with, means that the submission failed something.
        traceback.print_exc()
        print(
            "grader: this is a fault of the grader; nothing of it counts against the submission", file=sys.stderr
        )
        return Internal.exit_status


def _dispatch(options: argparse.Namespace, console: Console) -> int:
    match options.command:
        case "grade":
            return grade.grade(_grade_options(options), console)
        case "watch":
            from grader.commands import watch

            return watch.watch(_watch_options(options), console)
        case "judge":
            from grader.commands import judge

            return judge.judge(options.run, options.output, console, options.format, verbose=options.verbose)
        case "convert":
            from grader.commands import convert

            return convert.convert(options.run, options.format, options.output)
        case "gradebook":
            from grader.commands import gradebook

            return gradebook.gradebook(options.folders, options.output)
        case "run":
            from grader.commands import run

            return run.run(options.folder, _server(options), console)
        case "schedules":
            from grader.commands import schedules

            return schedules.show(options.folder, _server(options), options.preemptions, console)
        case "replay":
            from grader.commands import replay

            wanted = replay.Options(options.run, options.check, options.folder, options.pause, _server(options))
            return replay.replay(wanted, console)
        case "checks":
            from grader.commands import checks

            return checks.show(console, markdown=options.markdown)
        case "explain":
            from grader.commands import explain

            return explain.show(options.checks, console)
        case "doctor":
            from grader.commands import doctor, machine

            return doctor.show(machine.Machine(_server(options), options.output).findings(), console)
        case "completion":
            from grader.commands import completion

            return completion.write(_parser(), options.shell)
        case "starter":
            from grader.commands import starter

            return starter.make(options.solution, options.starter, check=options.check)
        case other:
            raise AssertionError(other)


def _grade_options(options: argparse.Namespace) -> grade.Options:
    source: str = options.source
    return grade.Options(
        source=source,
        output=options.output or Path("reports") / name_of(source),
        only=options.only or (),
        part=options.part,
        jobs=options.jobs,
        seed=options.seed,
        deep=options.deep,
        server=_server(options),
        isolation=isolation_of(options),
        formats=options.format,
        verbose=options.verbose,
    )


def _watch_options(options: argparse.Namespace) -> watch.Options:
    from grader.commands import watch

    return watch.Options(
        folder=options.folder,
        output=options.output or Path("reports") / name_of(str(options.folder)),
        part=options.part,
        jobs=options.jobs,
        server=_server(options),
    )


def _server(options: argparse.Namespace) -> ServerChoice:
    return ServerChoice(options.postgres, os.environ.get("GRADER_DATABASE_URL"), options.image)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grader",
        description="Grade a task queue: run its services, watch every statement, judge what held.",
        epilog=f"{BEGINNING}\n{EXIT_STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    grade = commands.add_parser("grade", help="run a submission and judge it")
    grade.add_argument(
        "source", metavar="FOLDER", help="the submission: a folder, a .zip or .tar.gz of one, or a git address"
    )
    grade.add_argument("--output", type=Path, metavar="DIR", help="where reports go (default: reports/NAME)")
    grade.add_argument("--only", nargs="+", metavar="ID", help="these checks alone")
    grade.add_argument("--part", metavar="PART", help="the checks of one part: 2, 3a, 3b or x")
    grade.add_argument("--jobs", type=whole_number(1), metavar="N", help="scenarios at a time (default: 4 a core)")
    grade.add_argument("--seed", type=int, metavar="N", help="makes titles, ids and orders repeatable")
    grade.add_argument("--deep", action="store_true", help="walk schedules until none is left (may take minutes)")
    grade.add_argument("--verbose", action="store_true", help="print all that is known of every check")
    _format_option(grade, "write these too, beside report.json and report.html")
    _postgres_options(grade)
    add_isolation_options(grade)

    watch = commands.add_parser("watch", help="grade, and grade again what a saved file can have changed")
    watch.add_argument("folder", type=Path, metavar="FOLDER", help="the submission")
    watch.add_argument("--output", type=Path, metavar="DIR", help="where reports go (default: reports/NAME)")
    watch.add_argument("--part", metavar="PART", help="the checks of one part alone: 2, 3a, 3b or x")
    watch.add_argument("--jobs", type=whole_number(1), metavar="N", help="scenarios at a time (default: 4 a core)")
    _postgres_options(watch)

    judge = commands.add_parser("judge", help="judge a saved run again, without running anything")
    judge.add_argument("run", type=Path, metavar="RUN-DIR", help="what --output was when it was graded")
    judge.add_argument("--output", type=Path, metavar="DIR", help="where reports go (default: RUN-DIR)")
    judge.add_argument("--verbose", action="store_true", help="print all that is known of every check")
    _format_option(judge, "write these too, beside report.json and report.html")

    convert = commands.add_parser("convert", help="write the report of a run in other formats")
    convert.add_argument("run", type=Path, metavar="RUN-DIR", help="what --output was when it was graded")
    _format_option(convert, "the formats to write", required=True)
    convert.add_argument(
        "--output", metavar="FILE", help="where the format goes, if it is one; - prints it (default: into RUN-DIR)"
    )

    gradebook = commands.add_parser("gradebook", help="one table of the reports of a class, as CSV")
    gradebook.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a run, or a folder that holds one folder a run"
    )
    gradebook.add_argument(
        "--output", default="-", metavar="FILE", help="where the table goes (default: it is printed)"
    )

    run = commands.add_parser("run", help="start PostgreSQL, the api-service and one worker; Ctrl-C ends all")
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the submission")
    _postgres_options(run)

    schedules = commands.add_parser(
        "schedules", help="print the steps of a task's life, and the schedules that would be explored"
    )
    schedules.add_argument("folder", type=Path, metavar="FOLDER", help="the submission")
    schedules.add_argument(
        "--preemptions",
        type=whole_number(0),
        default=1,
        metavar="N",
        help="switches away from a worker that could go on, at most so many (default: %(default)s)",
    )
    _postgres_options(schedules)

    replay = commands.add_parser("replay", help="run the schedule again that broke a check, step by step")
    replay.add_argument("run", type=Path, metavar="RUN-DIR", help="what --output was when it was graded")
    replay.add_argument("check", metavar="CHECK", help="the check that failed, such as 3b.interleavings")
    replay.add_argument("--folder", metavar="FOLDER", help="the submission (default: where it came from then)")
    replay.add_argument("--pause", action="store_true", help="wait for Enter before each step")
    _postgres_options(replay)

    checks = commands.add_parser("checks", help="list every check with its points")
    checks.add_argument("--markdown", action="store_true", help="print the page labs/checkpoints.md")

    explain = commands.add_parser(
        "explain", help="what a check does, why it matters, typical faults, what to read"
    )
    explain.add_argument("checks", nargs="+", metavar="CHECK", help="such as 3a.sigterm-finishes-task")

    doctor = commands.add_parser("doctor", help="whether a grade works on this machine, and what to do if not")
    doctor.add_argument(
        "--output", type=Path, default=Path("reports"), metavar="DIR", help="where reports would go"
    )
    _postgres_options(doctor)

    completion = commands.add_parser("completion", help="print the script that lets a shell complete all this")
    completion.add_argument("shell", choices=SHELLS)

    starter = commands.add_parser("starter", help="make the starter from the solution")
    starter.add_argument("solution", type=Path, nargs="?", default=Path("solution"))
    starter.add_argument("starter", type=Path, nargs="?", default=Path("starter"))
    starter.add_argument("--check", action="store_true", help="change nothing; fail when the two differ")
    teach(commands.choices)
    return parser


def _postgres_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--postgres",
        choices=("auto", "docker", "embedded", "given"),
        default="auto",
        help="where PostgreSQL comes from (default: GRADER_DATABASE_URL if set, else Docker, else embedded)",
    )
    parser.add_argument("--image", default=DEFAULT_IMAGE, help="for Docker (default: %(default)s)")


def _format_option(parser: argparse.ArgumentParser, purpose: str, *, required: bool = False) -> None:
    parser.add_argument(
        "--format",
        type=_formats,
        default=(),
        required=required,
        metavar="NAME[,NAME]",
        help=f"{purpose}: {', '.join(BY_NAME)}",
    )


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in BY_NAME:
            raise argparse.ArgumentTypeError(f"{name!r} is no format; there are {', '.join(BY_NAME)}")
    if not names:
        raise argparse.ArgumentTypeError(f"name a format; there are {', '.join(BY_NAME)}")
    return names
