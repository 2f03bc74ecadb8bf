"""``grader completion SHELL``: the script that lets a shell complete the commands, options and checks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from grader.checkpoints import all_checks
from grader.declare import PARTS
from grader.report import BY_NAME

SHELLS = ("bash", "zsh", "fish")


def write(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the script for ``shell``."""
    import shtab  # a tenth of a second, which every other command would pay as well

    for action in _actions(parser):
        _add_choices(action)
    sys.stdout.write(shtab.complete(parser, shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and argument, of the commands too."""
    for action in parser._actions:  # argparse offers no other way to them
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _add_choices(action: argparse.Action) -> None:
    """Tell the shell what may stand there. The parser is not used again: its complaints would be longer than ours."""
    import shtab

    match action.metavar:
        case "ID" | "CHECK":
            action.choices = [check.id for check in all_checks()]
        case "PART":
            action.choices = PARTS
        case "NAME[,NAME]":
            action.choices = list(BY_NAME)
        case "FOLDER" | "DIR" | "RUN-DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        case "FILE":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
