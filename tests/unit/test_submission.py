"""Folder and manifest of a submission: defaults, and one clear line for everything that is wrong."""

from __future__ import annotations

import codecs
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.errors import BadSubmission
from grader.submission import Submission, executable_command, interpreter, load_submission


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "alice"
    for package in ("api_service", "worker_service"):
        (folder / package).mkdir(parents=True)
    return folder


def load(folder: Path, manifest: str) -> Submission:
    (folder / "flowforge.toml").write_text(manifest)
    return load_submission(folder)


def refusal(folder: Path, manifest: str | None = None) -> str:
    with pytest.raises(BadSubmission) as refused:
        load_submission(folder) if manifest is None else load(folder, manifest)
    message = str(refused.value)
    assert "\n" not in message
    return message


def program(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


# ---------------------------------------------------------------- what is taken


def test_without_a_manifest_the_contracts_defaults_hold(folder: Path) -> None:
    assert load_submission(folder) == Submission(
        folder=folder,
        name="alice",
        lab="lab-03",
        durations="seconds",
        api=("python", "-m", "api_service"),
        worker=("python", "-m", "worker_service"),
        build=None,
        migrations=None,
        migration_files=(),
        data_flow=folder / "docs/data-flow.md",
        answers=folder / "answers/lab-03.md",
    )


def test_an_empty_manifest_changes_nothing(folder: Path) -> None:
    without = load_submission(folder)
    assert load(folder, "[documents]\n[database]\n") == without


def test_every_key_of_the_manifest_is_used(folder: Path) -> None:
    (folder / "sql").mkdir()
    (folder / "sql/0001_a.up.sql").touch()
    submission = load(
        folder,
        """
        lab = "lab-03"
        durations = "go"
        [api]
        command = ["bin/api", "--verbose"]
        [worker]
        command = ["bin/worker"]
        [build]
        command = ["go", "build", "-o", "bin/", "./..."]
        [database]
        migrations = "sql"
        [documents]
        data_flow = "flow.md"
        answers = "a.md"
        """,
    )
    assert submission == Submission(
        folder=folder,
        name="alice",
        lab="lab-03",
        durations="go",
        api=("bin/api", "--verbose"),
        worker=("bin/worker",),
        build=("go", "build", "-o", "bin/", "./..."),
        migrations=folder / "sql",
        migration_files=(folder / "sql/0001_a.up.sql",),
        data_flow=folder / "flow.md",
        answers=folder / "a.md",
    )


def test_the_folder_is_resolved(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_submission(tmp_path / "link").folder == folder


def test_migrations_are_ordered_and_other_files_ignored(folder: Path) -> None:
    (folder / "migrations").mkdir()
    for name in ("0002_b.up.sql", "0010_c.up.sql", "0001_a.up.sql", "0001_a.down.sql", "README.md"):
        (folder / "migrations" / name).touch()
    names = [path.name for path in load_submission(folder).migration_files]
    assert names == ["0001_a.up.sql", "0002_b.up.sql", "0010_c.up.sql"]


# ---------------------------------------------------------------- what is refused


def test_a_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    assert "no such folder; give the folder that holds flowforge.toml" in refusal(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "alice.zip").touch()
    assert "not a folder" in refusal(tmp_path / "alice.zip")


def test_a_folder_around_the_submission_is_recognised(folder: Path, tmp_path: Path) -> None:
    assert f"did you mean {folder}?" in refusal(tmp_path)


def test_a_manifest_that_is_no_utf8_names_the_line(folder: Path) -> None:
    (folder / "flowforge.toml").write_bytes(b'lab = "lab-03"\n# caf\xe9\n')
    assert "not UTF-8 in line 2" in refusal(folder)


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("lab = 'lab-03'\n[api\n", "line 2"),
        ("x = " + "[" * 5000, "not TOML"),
        ("x = " + "9" * 5000, "not TOML"),
        ("#" * 70_000, "larger than 64 KiB"),
        ("wroker = 1", "unknown key 'wroker'; did you mean 'worker'?"),
        ("zzz = 1", "unknown key 'zzz'; known: api,"),
        ("[api]\ncomand = ['x']", "unknown key 'comand' in [api]; did you mean 'command'?"),
        ("lab = 'lab-04'", "did you mean 'lab-03'?"),
        ("lab = 3", "lab must be a string"),
        ("durations = 'minutes'", "durations = 'minutes' is not known"),
        ("api = 'python'", "api must be a section"),
        ("[worker]", "[worker] has no command"),
        ("[worker]\ncommand = 'python -m worker'", "must be a list of strings"),
        ("[worker]\ncommand = ['python', 1]", "must be a list of strings"),
        ("[worker]\ncommand = []", "command is empty"),
        ("[worker]\ncommand = ['']", "command is empty"),
        ("[build]", "[build] has no command"),
        ('[worker]\ncommand = ["sh", "\\u0000"]', "NUL"),
        ("[worker]\ncommand = ['no-such-program-here']", "'no-such-program-here' is not on PATH"),
        ("[worker]\ncommand = ['bin/none']", "'bin/none' does not exist"),
        ("[worker]\ncommand = ['../worker']", "leaves the submission"),
        ("[database]\nmigrations = 'sql'", "there is no folder sql"),
        ("[database]\nmigrations = 'flowforge.toml'", "there is no folder flowforge.toml"),
        ("[database]\nmigrations = 7", "must be a path"),
        ("[database]\nmigrations = '../sql'", "leaves the submission"),
        ("[documents]\nanswers = '/etc/passwd'", "leaves the submission"),
        ("[documents]\nanswers = 'a/../../b'", "leaves the submission"),
        ("[documents]\nanswers = ''", "must be a path"),
        ('[documents]\nanswers = "a\\u0000b"', "must be a path"),
    ],
)
def test_a_wrong_manifest_is_told_in_one_line(folder: Path, manifest: str, told: str) -> None:
    assert told in refusal(folder, manifest)


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (f"[documents]\nanswers = '{'a' * 300}'", "answers in [documents]"),
        (f"[documents]\ndata_flow = '{'a/' * 3000}b'", "data_flow in [documents]"),
        (f"[database]\nmigrations = '{'m' * 300}'", "migrations in [database]"),
        (f"[worker]\ncommand = ['./{'w' * 300}']", "the command './www"),
    ],
)
def test_a_path_that_is_longer_than_a_name_can_be_is_told_in_one_line(
    folder: Path, manifest: str, told: str
) -> None:
    message = refusal(folder, manifest)
    assert told in message
    assert message.endswith("cannot be looked at: File name too long")


@contextmanager
def shut(folder: Path, mode: int) -> Iterator[None]:
    """A folder of the submission with a file in it, with these rights; for root, who has them all, as somebody else."""
    program(folder / "0001_a.up.sql")
    folder.chmod(mode)
    us = os.geteuid()
    if us == 0:
        for each in folder.parents:
            if each == Path(tempfile.gettempdir()):
                break
            each.chmod(0o755)
        codecs.lookup("utf-8-sig")  # Python itself may be where somebody else cannot read it
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(us)
        folder.chmod(0o755)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_migrations_that_cannot_be_read_are_told_in_one_line(folder: Path, mode: int) -> None:
    with shut(folder / "migrations", mode):
        message = refusal(folder)
    assert message.startswith("migrations")
    assert message.endswith("Permission denied")


def test_a_program_in_a_folder_that_cannot_be_entered_is_told_in_one_line(folder: Path) -> None:
    (folder / "flowforge.toml").write_text("[worker]\ncommand = ['bin/0001_a.up.sql']")
    with shut(folder / "bin", 0o600):
        assert refusal(folder) == "the command 'bin/0001_a.up.sql': cannot be looked at: Permission denied"


def test_an_environment_that_cannot_be_entered_is_told_in_one_line(folder: Path) -> None:
    with shut(folder / ".venv", 0o600):
        assert refusal(folder).endswith("/.venv/bin/python: cannot be looked at: Permission denied")


def test_a_folder_that_cannot_be_entered_is_no_submission_that_was_meant(folder: Path) -> None:
    (folder / "worker_service").rmdir()
    with shut(folder / "ada", 0o600):
        assert "no folder worker_service" in refusal(folder)


@pytest.mark.parametrize("package", ["api_service", "worker_service"])
def test_a_service_that_is_nowhere_is_named(folder: Path, package: str) -> None:
    (folder / package).rmdir()
    assert f"no folder {package}" in refusal(folder)


def test_a_program_without_the_right_to_run_says_chmod(folder: Path) -> None:
    program(folder / "run.sh", mode=0o644)
    assert "chmod +x" in refusal(folder, "[worker]\ncommand = ['./run.sh']")


def test_programs_that_a_build_will_make_are_not_missed_yet(folder: Path) -> None:
    assert load(folder, "[build]\ncommand = ['make']\n[worker]\ncommand = ['bin/worker']").worker == (
        "bin/worker",
    )


def test_nothing_goes_through_a_link(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    (folder / "linked").symlink_to(outside)
    assert "through a link" in refusal(folder, "[documents]\nanswers = 'linked/secret.md'")
    assert "through a link" in refusal(folder, "[database]\nmigrations = 'linked'")


def test_a_manifest_that_is_a_link_is_not_opened(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("secret = 1")
    (folder / "flowforge.toml").symlink_to(tmp_path / "other.toml")
    message = refusal(folder)
    assert "it is a link" in message
    assert "secret" not in message


def test_a_manifest_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "flowforge.toml")
    assert "not a regular file" in refusal(folder)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["0001_a.up.sql", "0001_b.up.sql"], "0001_b.up.sql: has the same number as 0001_a.up.sql"),
        (["1_a.up.sql"], "named NNNN_name.up.sql"),
        (["init.sql"], "named NNNN_name.up.sql"),
    ],
)
def test_migrations_that_would_be_skipped_or_clash_are_refused(folder: Path, names: list[str], told: str) -> None:
    (folder / "migrations").mkdir()
    for name in names:
        (folder / "migrations" / name).touch()
    assert told in refusal(folder)


def test_a_migration_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "migrations").mkdir()
    (folder / "migrations/0001_a.up.sql").symlink_to("/etc/hostname")
    assert "not a regular file" in refusal(folder)


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_is_the_graders_own_without_a_venv(folder: Path, name: str) -> None:
    assert executable_command(load_submission(folder).folder, (name, "-m", "x")) == (sys.executable, "-m", "x")


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_is_the_submissions_own_where_it_has_one(folder: Path, name: str) -> None:
    own = program(folder / ".venv/bin/python")
    assert executable_command(load_submission(folder).folder, (name,)) == (str(own),)


def test_a_venv_that_cannot_run_here_is_refused(folder: Path) -> None:
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to("/no/such/python3.9")
    with pytest.raises(BadSubmission, match="make it again, or delete it"):
        interpreter(folder)


def test_a_path_is_looked_up_in_the_folder_and_a_name_on_path(folder: Path) -> None:
    own = program(folder / "bin/worker")
    submission = load(folder, "[worker]\ncommand = ['bin/worker']")
    assert executable_command(folder, submission.worker) == (str(own),)
    assert Path(executable_command(folder, ("sh",))[0]).is_absolute()
