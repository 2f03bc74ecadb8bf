"""The command line: what is no number is one clear line, and so is every refusal, whatever is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader import cli
from grader.commands import watch
from grader.commands.completion import SHELLS
from grader.errors import BadCall


@pytest.mark.parametrize("flag", ["--jobs", "--max-memory", "--max-run"])
@pytest.mark.parametrize("word", ["many", "0", "-1", "1.5", ""])
def test_what_is_no_number_of_something_is_told_in_words(
    flag: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["grade", "starter", flag, word])
    assert ended.value.code == 2
    assert f"argument {flag}: {word!r} is no whole number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["some", "-1"])
def test_what_is_no_number_of_preemptions_is_told_in_words(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["schedules", "starter", "--preemptions", word])
    assert f"{word!r} is no whole number of at least 0" in capsys.readouterr().err


def test_a_refusal_is_one_line_without_control_characters_whatever_a_submission_put_into_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flowforge.toml").write_text(
        '[api]\ncommand = ["true"]\n[worker]\ncommand = ["true"]\n[database]\nmigrations = "a\\nb\\u001b[2J"\n'
    )
    assert cli.main(["run", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("grader: flowforge.toml: migrations: there is no folder a b in ")
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_github_takes_nothing_of_what_watch_prints_for_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*_arguments: object) -> int:
        print("::error::said by a submission")
        raise BadCall("enough")

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(watch, "watch", shown)
    assert cli.main(["watch", "starter"]) == 2
    first, said, *_between, last = capsys.readouterr().out.splitlines()
    assert first.startswith("::stop-commands::")
    assert said == "::error::said by a submission"
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


def test_a_shell_that_is_not_known_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["completion", "tcsh"])
    told = capsys.readouterr().err
    assert all(shell in told for shell in SHELLS)


def test_shtab_is_loaded_for_completion_alone() -> None:
    code = "import sys; from grader import cli; cli._parser(); sys.exit('shtab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_that_leads_to_itself_cannot_be_watched_and_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert cli.main(["watch", str(tmp_path / "loop")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
