"""``--help`` teaches, and shells complete."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from grader import cli
from grader.checkpoints import all_checks
from grader.commands.completion import SHELLS
from grader.commands.teaching import BEGINNING, EXAMPLES
from grader.report import BY_NAME


def commands() -> list[str]:
    """The names of all commands."""
    parser = cli._parser()
    [subparsers] = [action for action in parser._actions if action.dest == "command"]
    return list(subparsers.choices or ())


def calls(text: str) -> Iterator[list[str]]:
    """The words of each example, without its remark and what a shell does with it."""
    for row in text.splitlines():
        if row.startswith("  grader "):
            yield shlex.split(row.strip().split("  ")[0].split(" >")[0])[1:]


def test_every_command_has_an_example_and_no_other_has() -> None:
    assert sorted(EXAMPLES) == sorted(commands())


@pytest.mark.parametrize("name", commands())
def test_the_help_of_a_command_has_its_examples_in_eighty_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    page = capsys.readouterr().out
    assert EXAMPLES[name] in page
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize("name", commands())
def test_every_example_can_be_called(name: str) -> None:
    examples = list(calls(EXAMPLES[name]))
    assert examples
    for words in examples:
        assert cli._parser().parse_args(words).command == name


def test_the_help_begins_with_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    page = capsys.readouterr().out
    assert BEGINNING in page
    assert max(map(len, BEGINNING.splitlines())) <= 80
    assert all(re.search(rf"^    {name}\b", page, re.MULTILINE) for name in commands())
    for words in calls(BEGINNING):
        cli._parser().parse_args(words)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_checks_and_formats(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*commands(), *(check.id for check in all_checks()), *BY_NAME):
        assert word in script


def test_bash_completes_a_check_by_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    ask = """
COMP_WORDS=(grader explain 3a.sigt) COMP_CWORD=2
_shtab_grader
printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(
        ["bash", "-c", capsys.readouterr().out + ask], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == [
        "3a.sigterm-finishes-task",
        "3a.sigterm-takes-no-more",
        "3a.sigterm-while-waiting",
    ]
