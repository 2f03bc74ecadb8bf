"""The command line: ``grader grade``, ``judge``, ``replay``, ``schedules``, ``run``, ``checks``, ``starter``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from grader.commands import grade
from grader.commands.ending import Ended, ended_by_signals
from grader.commands.limits import add_isolation_options, isolation_of
from grader.commands.stage import ServerChoice
from grader.errors import CannotGrade, GraderError
from grader.sources import name_of

EXIT_STATUSES = """\
exit status:
  0  every point of the lab was reached
  1  something failed
  2  the call or the submission cannot be graded (one line says why)
  3  the grader or its environment failed
  128 + n  ended by signal n
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=False, highlight=False)
    try:
        with ended_by_signals():
            return _dispatch(options, console)
    except (CannotGrade, GraderError) as problem:
        print(f"grader: {problem}", file=sys.stderr)
        return problem.exit_status
    except Ended as ended:
        print(f"grader: {ended}; everything it had started is gone", file=sys.stderr)
        return ended.exit_status
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to say, and nobody to say it to.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 3


def _dispatch(options: argparse.Namespace, console: Console) -> int:
    match options.command:
        case "grade":
            return grade.grade(_grade_options(options), console)
        case "judge":
            from grader.commands import judge

            return judge.judge(options.run, options.output, console)
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

            return checks.show(console)
        case "starter":
            from grader.commands import starter

            return starter.make(options.solution, options.starter, check=options.check)
        case other:
            raise AssertionError(other)


def _grade_options(options: argparse.Namespace) -> grade.Options:
    source: str = options.source
    return grade.Options(
        source=source,
        output=options.output or Path("reports") / _name(source),
        only=options.only or (),
        part=options.part,
        jobs=options.jobs,
        seed=options.seed,
        deep=options.deep,
        server=_server(options),
        isolation=isolation_of(options),
    )


def _name(source: str) -> str:
    return Path(source).resolve().name if Path(source).is_dir() else name_of(source)


def _server(options: argparse.Namespace) -> ServerChoice:
    return ServerChoice(options.postgres, os.environ.get("GRADER_DATABASE_URL"), options.image)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grader",
        description="Grade a task queue: run its services, watch every statement, judge what held.",
        epilog=EXIT_STATUSES,
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
    grade.add_argument("--jobs", type=_positive, metavar="N", help="scenarios at a time (default: 4 a core)")
    grade.add_argument("--seed", type=int, metavar="N", help="makes titles, ids and orders repeatable")
    grade.add_argument("--deep", action="store_true", help="walk schedules until none is left (may take minutes)")
    _postgres_options(grade)
    add_isolation_options(grade)

    judge = commands.add_parser("judge", help="judge a saved run again, without running anything")
    judge.add_argument("run", type=Path, metavar="RUN-DIR", help="what --output was when it was graded")
    judge.add_argument("--output", type=Path, metavar="DIR", help="where reports go (default: RUN-DIR)")

    run = commands.add_parser("run", help="start PostgreSQL, the api-service and one worker; Ctrl-C ends all")
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the submission")
    _postgres_options(run)

    schedules = commands.add_parser(
        "schedules", help="print the steps of a task's life, and the schedules that would be explored"
    )
    schedules.add_argument("folder", type=Path, metavar="FOLDER", help="the submission")
    schedules.add_argument(
        "--preemptions", type=_natural, default=1, metavar="N", help="at most so many (default: %(default)s)"
    )
    _postgres_options(schedules)

    replay = commands.add_parser("replay", help="run the schedule again that broke a check, step by step")
    replay.add_argument("run", type=Path, metavar="RUN-DIR", help="what --output was when it was graded")
    replay.add_argument("check", metavar="CHECK", help="the check that failed, such as 3b.interleavings")
    replay.add_argument("--folder", type=Path, metavar="DIR", help="the submission (default: where it was then)")
    replay.add_argument("--pause", action="store_true", help="wait for Enter before each step")
    _postgres_options(replay)

    commands.add_parser("checks", help="list every check with its points")

    starter = commands.add_parser("starter", help="make the starter from the solution")
    starter.add_argument("solution", type=Path, nargs="?", default=Path("solution"))
    starter.add_argument("starter", type=Path, nargs="?", default=Path("starter"))
    starter.add_argument("--check", action="store_true", help="change nothing; fail when the two differ")
    return parser


def _postgres_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--postgres",
        choices=("auto", "docker", "embedded", "given"),
        default="auto",
        help="where PostgreSQL comes from (default: GRADER_DATABASE_URL if set, else Docker, else embedded)",
    )
    parser.add_argument("--image", default="postgres:18-alpine", help="for Docker (default: %(default)s)")


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("at least 0")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
