"""A submission as its folder and its manifest describe it, checked before anything of it runs.

``load_submission`` reads ``flowforge.toml`` and answers with a ``Submission`` or with one line of
``BadSubmission``. Whatever is read here may be hostile: no file is opened through a link, none without a bound,
and nothing of the folder is imported or executed. The manifest is described in the submission contract.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from grader.durations import DurationForm
from grader.errors import BadSubmission
from grader.submission_files import decoded, mode_of, read_bytes, reason_of

MANIFEST = "flowforge.toml"
LABS = ("lab-03",)
"""The labs that this grader has checkpoints for."""

_SECTIONS: Mapping[str, frozenset[str]] = {
    "api": frozenset({"command"}),
    "worker": frozenset({"command"}),
    "build": frozenset({"command"}),
    "database": frozenset({"migrations"}),
    "documents": frozenset({"data_flow", "answers"}),
}
_TOP_LEVEL = frozenset({"lab", "durations", *_SECTIONS})

_MANIFEST_LIMIT = 64 * 1024
_MIGRATIONS_LIMIT = 1000
_MIGRATION_NAME = re.compile(r"(?P<number>[0-9]{4})_[A-Za-z0-9][A-Za-z0-9_.-]*\.up\.sql")


@dataclass(frozen=True, slots=True)
class Submission:
    """A folder that can be graded. All paths are absolute, in a folder whose own path has no links.

    Commands are as the manifest has them; ``executable_command`` makes them ready to run. ``migrations`` is None
    where the submission has none; ``migration_files`` are in the order in which they are applied. The documents
    need not exist.
    """

    folder: Path
    name: str
    lab: str
    durations: DurationForm
    api: tuple[str, ...]
    worker: tuple[str, ...]
    build: tuple[str, ...] | None
    migrations: Path | None
    migration_files: tuple[Path, ...]
    data_flow: Path
    answers: Path


def load_submission(folder: Path) -> Submission:
    """The submission in ``folder``.

    Commands are looked for at once, unless a build may still make them: then ``check_commands`` does it later.
    Raises BadSubmission for whatever cannot be used, with what to change.
    """
    root = _existing_folder(folder)
    manifest = _Manifest(root, _read_manifest(root))
    migrations = manifest.migrations()
    submission = Submission(
        folder=root,
        name=root.name or str(root),
        lab=manifest.choice("lab", LABS),
        durations="go" if manifest.choice("durations", ("seconds", "go")) == "go" else "seconds",
        api=manifest.service_command("api", "api_service"),
        worker=manifest.service_command("worker", "worker_service"),
        build=manifest.command("build"),
        migrations=migrations,
        migration_files=_migration_files(root, migrations) if migrations else (),
        data_flow=manifest.path("documents", "data_flow", default="docs/data-flow.md"),
        answers=manifest.path("documents", "answers", default="answers/lab-03.md"),
    )
    if submission.build is None:
        check_commands(submission)
    return submission


# ---------------------------------------------------------------- the manifest


class _Manifest:
    """The parsed manifest of one folder; every method answers with a checked value or raises BadSubmission."""

    def __init__(self, folder: Path, content: Mapping[str, Any]) -> None:
        self._folder = folder
        self._content = content
        self._known_keys(content, _TOP_LEVEL, where="")
        for section, keys in _SECTIONS.items():
            table = content.get(section, {})
            if not isinstance(table, dict):
                raise BadSubmission(f"{MANIFEST}: {section} must be a section, [{section}]")
            self._known_keys(table, keys, where=f" in [{section}]")

    @staticmethod
    def _known_keys(table: Iterable[str], known: frozenset[str], where: str) -> None:
        for key in table:
            if key not in known:
                raise BadSubmission(f"{MANIFEST}: unknown key {key!r}{where}; {_suggestion(key, known)}")

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """The value of a top-level key; the first of its ``choices`` is the default."""
        value = self._content.get(key, choices[0])
        if not isinstance(value, str):
            raise BadSubmission(f'{MANIFEST}: {key} must be a string, such as "{choices[0]}"')
        if value not in choices:
            raise BadSubmission(f"{MANIFEST}: {key} = {value!r} is not known; {_suggestion(value, choices)}")
        return value

    def command(self, section: str) -> tuple[str, ...] | None:
        """The section's command; None where there is no such section."""
        if section not in self._content:
            return None
        command = self._content[section].get("command")
        if command is None:
            raise BadSubmission(f'{MANIFEST}: [{section}] has no command; add command = ["program", "word"]')
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise BadSubmission(
                f'{MANIFEST}: [{section}] command must be a list of strings: ["program", "argument"]'
            )
        if not command or not command[0].strip():
            raise BadSubmission(f"{MANIFEST}: [{section}] command is empty; name the program to run")
        if any("\0" in word for word in command):
            raise BadSubmission(f"{MANIFEST}: [{section}] command holds a NUL character, which no program can get")
        return tuple(command)

    def service_command(self, section: str, package: str) -> tuple[str, ...]:
        """The section's command; without the section, the one that runs ``package``, if that is there."""
        if (command := self.command(section)) is not None:
            return command
        if stat.S_ISDIR(mode_of(self._folder / package, package)):
            return ("python", "-m", package)
        raise BadSubmission(
            f"{self._folder}: nothing to run as the {section}: no folder {package}, and no [{section}] command "
            f"in {MANIFEST}{_nested_submission(self._folder)}"
        )

    def path(self, section: str, key: str, *, default: str) -> Path:
        """A path inside the folder, whether anything is there or not."""
        value = self._content.get(section, {}).get(key, default)
        name = f"{MANIFEST}: {key} in [{section}]"
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise BadSubmission(f'{name} must be a path, such as "{default}"')
        relative = PurePosixPath(value)
        if relative.is_absolute() or ".." in relative.parts:
            raise BadSubmission(f"{name} leaves the submission: {value!r}; name a path inside the folder")
        path = self._folder / relative
        for step in [path, *path.parents]:
            if step == self._folder:
                break
            if stat.S_ISLNK(mode_of(step, f"{name} = {value!r}", follow=False)):
                raise BadSubmission(f"{name} goes through a link: {value!r}; put the file itself there")
        return path

    def migrations(self) -> Path | None:
        """The folder of migrations: the one that is named, the default one if it is there, or None."""
        folder = self.path("database", "migrations", default="migrations")
        relative = folder.relative_to(self._folder)
        if stat.S_ISDIR(mode := mode_of(folder, str(relative))):
            return folder
        if "migrations" not in self._content.get("database", {}) and not mode:
            return None
        raise BadSubmission(f"{MANIFEST}: migrations: there is no folder {relative} in {self._folder}")


def _existing_folder(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except FileNotFoundError:
        raise BadSubmission(
            f"{folder}: no such folder; give the folder that holds {MANIFEST}, or api_service and worker_service"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # no permission, a loop of links, a NUL in the name
        raise BadSubmission(f"{folder}: cannot be opened ({error}); give the submission's folder") from None
    if not root.is_dir():
        raise BadSubmission(
            f"{folder}: not a folder; give the submission's folder (to be graded, also a .zip or .tar.gz of it)"
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise BadSubmission(f"{folder}: cannot be read; give yourself permission to read and enter it")
    return root


def _read_manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / MANIFEST
    try:
        content = read_bytes(folder, path, _MANIFEST_LIMIT + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSubmission(f"{path}: cannot be read: {reason_of(error)}") from None
    if len(content) > _MANIFEST_LIMIT:
        raise BadSubmission(f"{path}: larger than {_MANIFEST_LIMIT // 1024} KiB; a manifest is a few lines")
    text = decoded(content, str(path))
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BadSubmission(f"{path}: not TOML that can be read: nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError names line and column
        raise BadSubmission(f"{path}: not TOML: {error}") from None


def _suggestion(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def _nested_submission(folder: Path) -> str:
    """A hint for the folder in the folder that unpacking an archive leaves."""
    for entry in sorted(folder.iterdir())[:100]:
        with suppress(OSError):  # what cannot be looked at was not meant
            if entry.is_dir() and ((entry / MANIFEST).is_file() or (entry / "worker_service").is_dir()):
                return f"; did you mean {entry}?"
    return ""


def _migration_files(root: Path, folder: Path) -> tuple[Path, ...]:
    """The migrations in order. A file that looks like one but would not be applied is refused, not skipped."""
    by_number: dict[str, Path] = {}
    try:
        with os.scandir(folder) as entries:
            files = sorted(Path(entry.path) for entry in entries if entry.name.endswith(".sql"))
    except OSError as error:
        raise BadSubmission(f"{folder.relative_to(root)}: cannot be read: {reason_of(error)}") from None
    if len(files) > _MIGRATIONS_LIMIT:
        raise BadSubmission(f"{folder.relative_to(root)}: more than {_MIGRATIONS_LIMIT} migrations")
    for path in files:
        shown = path.relative_to(root)
        if path.name.endswith(".down.sql"):
            continue
        if (named := _MIGRATION_NAME.fullmatch(path.name)) is None:
            raise BadSubmission(f"{shown}: a migration is named NNNN_name.up.sql, such as 0001_tasks.up.sql")
        if not stat.S_ISREG(mode_of(path, str(shown), follow=False)):
            raise BadSubmission(f"{shown}: not a regular file; put the migration itself there")
        if (other := by_number.setdefault(named["number"], path)) != path:
            raise BadSubmission(f"{shown}: has the same number as {other.name}; number each migration once")
    return tuple(by_number.values())


# ---------------------------------------------------------------- commands


def check_commands(submission: Submission) -> None:
    """Raises BadSubmission unless the programs of both services are there to be run."""
    executable_command(submission.folder, submission.api)
    executable_command(submission.folder, submission.worker)


def executable_command(folder: Path, command: Sequence[str]) -> tuple[str, ...]:
    """``command`` with the absolute path of its program as first word.

    ``python`` and ``python3`` mean ``interpreter``; a word with a slash is a path in the submission's ``folder``; any
    other is looked for on PATH. Raises BadSubmission when there is no such program, or no right to run it.
    """
    program, *arguments = command
    if program in ("python", "python3"):
        return (interpreter(folder), *arguments)
    if "/" not in program:
        if (on_path := shutil.which(program)) is None:
            raise BadSubmission(f"the command {program!r} is not on PATH; install it, or correct {MANIFEST}")
        return (str(Path(on_path).absolute()), *arguments)
    if ".." in PurePosixPath(program).parts:
        raise BadSubmission(f"the command {program!r} leaves the submission; name a program inside the folder")
    own = folder / program
    if not stat.S_ISREG(mode_of(own, f"the command {program!r}")):
        raise BadSubmission(f"the command {program!r} does not exist in {folder}")
    if not os.access(own, os.X_OK):
        raise BadSubmission(f"the command {program!r} is not executable; run chmod +x on it")
    return (str(own), *arguments)


def interpreter(folder: Path) -> str:
    """The Python of a submission: its own ``.venv`` where it has one, else the one that the grader runs in.

    Raises BadSubmission for a ``.venv`` without a usable interpreter, such as one copied from another machine.
    """
    environment = folder / ".venv"
    if not stat.S_ISDIR(mode_of(environment, str(environment))):
        return sys.executable
    own = environment / "bin" / "python"
    if not (stat.S_ISREG(mode_of(own, str(own))) and os.access(own, os.X_OK)):
        raise BadSubmission(f"{environment}: has no bin/python that runs here; make it again, or delete it")
    return str(own)
