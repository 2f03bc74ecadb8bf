"""A run on disk: ``run.json`` and one history a scenario, enough to judge it again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.errors import BadCall
from grader.files import write_atomically
from grader.history import store
from grader.history.events import Event
from grader.history.timeline import History
from grader.judging import Take
from grader.model import PostgresInfo

FORMAT = "grader/run/1"
_RUN = "run.json"
_HISTORIES = "history"


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run besides its histories; see ``Report`` for the fields that it shares."""

    lab: str
    submission: str
    source: str
    """Where the submission came from, as the call gave it, without a password."""
    folder: str
    """The same, to be found from anywhere: an absolute path, or the address of a repository."""
    isolation: str
    postgres: PostgresInfo
    seed: int
    patience: float
    started_at: str
    duration_s: float
    checks: tuple[str, ...]
    """The ids that the run was asked for."""
    complete: bool
    notes: tuple[str, ...]
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """One take of a scenario as it was recorded, and how many times slower than a quiet machine this one was then."""

    scenario: str
    events: Sequence[Event]
    seconds: float
    error: str | None
    patience: float = 1.0


def save(folder: Path, run: Run, recordings: Sequence[Recording]) -> None:
    """Write a run, in the place of one that is there. A second take of a scenario goes beside the first one.

    Raises OSError; nothing of either run is left then.
    """
    # First to go and last to come: while it is there, it tells of what is beside it.
    (folder / _RUN).unlink(missing_ok=True)
    try:
        index = _save_histories(folder / _HISTORIES, recordings)
        text = json.dumps({"format": FORMAT, **asdict(run), "takes": index}, indent=1)
        write_atomically(folder / _RUN, text + "\n")
    except BaseException:
        shutil.rmtree(folder / _HISTORIES, ignore_errors=True)
        raise


def _save_histories(folder: Path, recordings: Sequence[Recording]) -> list[dict[str, Any]]:
    index: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for recording in recordings:
        number = seen[recording.scenario] = seen.get(recording.scenario, 0) + 1
        name = recording.scenario if number == 1 else f"{recording.scenario}.{number}"
        store.save(recording.events, folder / f"{name}.jsonl")
        index.append(
            {
                "scenario": recording.scenario,
                "history": f"{name}.jsonl",
                "seconds": recording.seconds,
                "error": recording.error,
                "patience": recording.patience,
            }
        )
    return index


def load(folder: Path) -> tuple[Run, dict[str, list[Take]]]:
    """Read a run; BadCall, naming the file, when the folder does not hold one."""
    path = folder / _RUN
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        if fields.pop("format") != FORMAT:
            raise ValueError("another format")
        index = fields.pop("takes")
        run = Run(
            **{
                # Runs that were saved before these were noted.
                "folder": "",
                "source": fields.get("folder", ""),
                **fields,
                "postgres": PostgresInfo(**fields["postgres"]),
                "checks": tuple(fields["checks"]),
                "notes": tuple(fields["notes"]),
            }
        )
        return run, _takes(folder, index, run.patience)
    except FileNotFoundError as problem:
        raise BadCall(f"{folder}: no saved run there ({problem.filename} is missing)") from problem
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BadCall(f"{path}: not a saved run of this grader ({problem})") from problem


def _takes(folder: Path, index: Sequence[Mapping[str, Any]], patience: float) -> dict[str, list[Take]]:
    takes: dict[str, list[Take]] = {}
    for entry in index:
        name = Path(entry["history"]).name
        history = History(store.load(folder / _HISTORIES / name), entry.get("patience", patience))
        takes.setdefault(entry["scenario"], []).append(Take.recorded(history, entry["seconds"], entry["error"]))
    return takes
