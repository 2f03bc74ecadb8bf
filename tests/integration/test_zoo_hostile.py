"""A slice of the hostile zoo: every quiet attack at once, and the kinds that have an effect, at the levels for strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.run_folder import default_parent
from tests.zoo.attacks import Attack, all_attacks
from tests.zoo.hostile_grades import at_least, held, held_together

ATTACKS = {attack.name: attack for attack in all_attacks()}
SLICE = (
    "daemon",
    "memory-hog",
    "table-of-its-own",
    "completed-by-the-api",
    "link-for-migrations",
    "build-that-writes",
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A short way, which root's services may pass through."""
    folder = default_parent() / f"hostile-{tmp_path.name[-8:]}"
    folder.mkdir(mode=0o711)
    return folder


def test_quiet_attacks_are_all_refused(place: Path) -> None:
    quiet = [attack for attack in ATTACKS.values() if attack.is_quiet("bubblewrap")]
    assert len(quiet) >= 25
    found = held_together(quiet, "bubblewrap", place)
    place.rmdir()
    left = {attack.name for attack in quiet} - set(found)
    assert len(left) <= 2, left  # those that have to be looked at one by one


@pytest.mark.parametrize("name", SLICE)
def test_an_attack_comes_no_further_than_it_may(name: str, place: Path) -> None:
    attack: Attack = ATTACKS[name]
    found = held(attack, "bubblewrap", place)
    place.rmdir()
    assert at_least(found.outcome, attack.outcome["bubblewrap"]), found
