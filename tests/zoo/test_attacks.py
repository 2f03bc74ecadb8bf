"""That the hostile entries are sound before any of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.checkpoints import all_checks, select
from tests.zoo.attacks import LEVELS, OUTCOMES, Attack, all_attacks, make
from tests.zoo.hostile_grades import at_least
from tests.zoo.run_hostile import table

ATTACKS = all_attacks()
TARGETS = {"canary": "/nonexistent/canary", "token": "attack-0"}


def test_there_are_forty_or_more() -> None:
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_names_checks_that_there_are_and_can_be_made(attack: Attack, tmp_path: Path) -> None:
    known = {check.id for check in all_checks()}
    assert set(attack.checks) <= known
    assert attack.must_fail <= set(attack.checks)
    assert attack.may_fail <= known
    assert attack.why.endswith(".")
    assert select(all_checks(), only=list(attack.checks))
    made = make(attack, tmp_path, TARGETS)
    assert (made / "hostile.py").is_file()
    sources = [path for path in attack.folder.rglob("*.py*") if "__pycache__" not in path.parts]
    for path in sources:
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_a_level_does_not_stop_is_explained(attack: Attack) -> None:
    worst = max((attack.outcome[level] for level in LEVELS), key=OUTCOMES.index)
    assert worst != "not stopped" or attack.note


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_passes_the_levels_for_strangers_unnoticed(attack: Attack) -> None:
    assert attack.outcome["bubblewrap"] != "not stopped"
    assert attack.outcome["container"] != "not stopped"


def test_outcomes_have_an_order() -> None:
    assert at_least("stopped", "contained")
    assert not at_least("not stopped", "noticed")


def test_the_table_of_nothing_counts_nothing() -> None:
    assert "*stopped* | *0*" in table([], {}, {"self-check": "x"})
