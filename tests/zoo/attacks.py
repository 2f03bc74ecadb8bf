"""The hostile part of the zoo: what each attack is, and how its submission is made.

``hostile/NAME/`` holds ``expected.toml``, and the attack: ``worker.py`` and ``api.py`` run at the start of a service of
the solution's, which goes on as usual; ``attack.sql`` is a migration more; what is in ``files/`` lies in the
submission's folder (a last ending ``.attack`` is taken off, so that no tool here takes it for its own).
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.zoo.submissions import EXPECTED, SOLUTION, ZOO

HOSTILE = ZOO / "hostile"
OUTCOMES = ("stopped", "contained", "noticed", "not stopped")
"""From the best to the worst: it had no effect; it harmed itself alone; it had an effect, and the report says so; it
had an effect."""

LEVELS = ("self-check", "bubblewrap", "container")
USUAL_CHECKS = ("3a.processes",)

_PROGRAM = ZOO / "templates" / "hostile.py"
_MADE_OFF = ".attack"
_KEYS = frozenset(
    {"why", "note", "checks", "must_fail", "may_fail", "arguments", "refused", "links", "outcome", "on_the_grader"}
)


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack and what must hold of it.

    ``outcome`` is the worst that may come of it, by level. ``must_fail`` are checks that it must not pass; ``may_fail``
    it may spoil for itself. ``refused``: the grader does not even begin. ``note`` says why an outcome is what it is.
    """

    name: str
    why: str
    outcome: Mapping[str, str]
    note: str = ""
    checks: tuple[str, ...] = USUAL_CHECKS
    must_fail: frozenset[str] = frozenset()
    may_fail: frozenset[str] = frozenset()
    arguments: tuple[str, ...] = ()
    refused: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    on_the_grader: bool = False
    """It looks for the grader's process: that is then started as everybody starts it."""

    @property
    def folder(self) -> Path:
        """Where it is written down."""
        return HOSTILE / self.name

    def is_quiet(self, level: str) -> bool:
        """Whether it only tries something, and is expected to be refused: others may be tried by the same worker."""
        alone = (
            self.arguments or self.must_fail or self.may_fail or self.on_the_grader or self.refused or self.links
        )
        files = [path.name for path in self.folder.iterdir() if path.name != "__pycache__"]
        return not alone and self.outcome[level] == "stopped" and sorted(files) == [EXPECTED, "worker.py"]


def all_attacks() -> tuple[Attack, ...]:
    """Every attack, by name. ValueError for an ``expected.toml`` that does not make sense."""
    folders = sorted(path for path in HOSTILE.iterdir() if (path / EXPECTED).is_file())
    return tuple(_attack(folder, tomllib.loads((folder / EXPECTED).read_text())) for folder in folders)


def _attack(folder: Path, content: Mapping[str, Any]) -> Attack:
    if unknown := set(content) - _KEYS:
        raise ValueError(f"{folder.name}: {EXPECTED} has {sorted(unknown)}")
    outcome = dict(content["outcome"])
    if set(outcome) != set(LEVELS) or not set(outcome.values()) <= set(OUTCOMES):
        raise ValueError(f"{folder.name}: an outcome for each of {LEVELS}, of {OUTCOMES}")
    return Attack(
        name=folder.name,
        why=content["why"],
        outcome=outcome,
        note=content.get("note", ""),
        checks=tuple(content.get("checks", USUAL_CHECKS)),
        must_fail=frozenset(content.get("must_fail", ())),
        may_fail=frozenset(content.get("may_fail", ())),
        arguments=tuple(content.get("arguments", ())),
        refused=content.get("refused", False),
        links=dict(content.get("links", {})),
        on_the_grader=content.get("on_the_grader", False),
    )


def make_together(attacks: Sequence[Attack], folder: Path, targets: Mapping[str, Any]) -> Path:
    """One submission whose worker tries quiet attacks one after the other, in the new folder ``folder/together``."""
    made = _copied(folder / "together", targets)
    (made / "attacks").mkdir()
    for attack in attacks:
        shutil.copyfile(attack.folder / "worker.py", made / "attacks" / f"{attack.name}.py")
    code = "from hostile import run_all\n\nrun_all('attacks')\n"
    (made / "worker_service" / "__init__.py").write_text(code)
    return _readable(made)


def _copied(folder: Path, targets: Mapping[str, Any]) -> Path:
    made = Path(shutil.copytree(SOLUTION, folder, ignore=shutil.ignore_patterns("__pycache__", ".venv")))
    shutil.copyfile(_PROGRAM, made / "hostile.py")
    (made / "targets.json").write_text(json.dumps(dict(targets)))
    return made


def _readable(made: Path) -> Path:
    for path in (made, *made.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return made


def make(attack: Attack, folder: Path, targets: Mapping[str, Any]) -> Path:
    """The hostile submission, in the new folder ``folder/NAME``, aimed at ``targets``."""
    made = _copied(folder / attack.name, targets)
    for name, place in (("worker.py", "worker_service"), ("api.py", "api_service")):
        if (attack.folder / name).is_file():
            shutil.copyfile(attack.folder / name, made / place / "__init__.py")
    if (attack.folder / "attack.sql").is_file():
        shutil.copyfile(attack.folder / "attack.sql", made / "migrations" / "0099_attack.up.sql")
    for path in sorted((attack.folder / "files").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            target = made / path.relative_to(attack.folder / "files")
            target = target.with_name(target.name.removesuffix(_MADE_OFF))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for name, leads_to in attack.links.items():
        link = made / name
        if link.is_dir():
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        link.symlink_to(leads_to.format(**targets))
    return _readable(made)
