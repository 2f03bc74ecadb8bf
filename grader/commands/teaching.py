"""What ``--help`` says besides the options: what a command is for, and calls that can be copied."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType

BEGINNING = """\
to begin with:
  grader doctor                              does a grade work on this machine?
  grader grade starter                       grade the code that you edit
  grader explain 3a.sigterm-finishes-task    what does a check want, and why?
  grader grade starter --only 3a.starts      one check alone

`grader COMMAND --help` has examples for each command.
"""

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "grade": """\
  grader grade starter                everything
  grader grade starter --part 3a      one exercise
  grader grade starter --only 3a.starts 3a.sigint
  grader grade ada --output reports/ada --format junit,gradescope
  grader grade ada --seed 4711        the same titles, ids and orders again""",
        "watch": """\
  grader watch starter                grade again at each save, until Ctrl-C
  grader watch starter --part 3a      one exercise""",
        "judge": """\
  grader judge reports/ada            after a check or its points were changed
  grader judge reports/ada --output reports/new    and keep the old report""",
        "convert": """\
  grader convert reports/ada --format junit,ctrf
  grader convert reports/ada --format gradescope --output results.json
  grader convert reports/ada --format summary --output -""",
        "gradebook": """\
  grader gradebook reports --output grades.csv    a row for each folder there
  grader gradebook reports/ada reports/ben        these two, printed""",
        "run": """\
  grader run starter    then, in another window: curl the address it prints""",
        "schedules": """\
  grader schedules solution                    the steps, and the orders of them
  grader schedules solution --preemptions 2    more orders""",
        "replay": """\
  grader replay reports/ada 3b.interleavings    what broke it, once more
  grader replay reports/ada 3b.interleavings --pause""",
        "checks": """\
  grader checks    ids, points, and what each asks""",
        "explain": """\
  grader explain 3a.sigterm-finishes-task
  grader explain 3b.skip-locked 3b.atomic-claim""",
        "doctor": """\
  grader doctor                      exit status 0: a grade works here
  grader doctor --postgres docker    with PostgreSQL from there""",
        "completion": """\
  grader completion bash >~/.local/share/bash-completion/completions/grader
  grader completion zsh >~/.zfunc/_grader    with ~/.zfunc in fpath""",
        "starter": """\
  grader starter solution starter    after the solution was changed
  grader starter --check             do the two still fit together?""",
    }
)
"""By command; what stands after two spaces or more is a remark."""


def teach(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Give each command's help its examples."""
    for name, parser in commands.items():
        if name in EXAMPLES:
            parser.formatter_class = argparse.RawDescriptionHelpFormatter
            parser.epilog = f"examples:\n{EXAMPLES[name]}"
