"""The typical faults that ``grader explain`` tells of, drawn from the zoo: ``python -m tests.zoo.typical``.

The installed grader has no zoo; it reads what this writes into its package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from grader.checkpoints import all_checks
from grader.checkpoints.explanation import FAULTS
from tests.zoo.submissions import Wrong, all_wrong

FILE = Path(__file__).parents[2] / "grader" / "checkpoints" / FAULTS

MOST = 5
"""So many faults of one check are told."""


def typical(entries: Sequence[Wrong]) -> str:
    """The file's text: for each check the faults that it finds and few others do.

    Those come first that it finds alone, and rare ones last.
    """
    found = {}
    for check in all_checks():
        caught = [entry for entry in entries if check.id in entry.must_fail]
        caught.sort(key=lambda entry: (entry.rare, len(entry.must_fail), len(entry.may_fail), entry.name))
        found[check.id] = [entry.why for entry in caught[:MOST]]
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(typical(all_wrong()), encoding="utf-8")
