"""Tasks for a scenario to hand out: random by seed, so that no submission can know the grader by them."""

from __future__ import annotations

import random
from dataclasses import dataclass

_VERBS = ("Water", "Index", "Rotate", "Resize", "Archive", "Label", "Render", "Verify", "Encode", "Translate")
_THINGS = (
    "ferns",
    "invoices",
    "backups",
    "thumbnails",
    "reports",
    "parcels",
    "maps",
    "contracts",
    "songs",
    "menus",
)


@dataclass(frozen=True, slots=True)
class Task:
    """A task in the table: its id as text and its title (ASCII, no quotes, unique)."""

    id: str
    title: str

    @property
    def names(self) -> frozenset[str]:
        """What a row or a parameter that speaks of this task may hold."""
        return frozenset((self.id, self.title))


def title(random_source: random.Random) -> str:
    """A plain title that does not occur twice."""
    verb, thing = random_source.choice(_VERBS), random_source.choice(_THINGS)
    return f"{verb} the {thing} {random_source.randrange(16**6):06x}"
