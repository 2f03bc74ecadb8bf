"""What every client program does, in one order, and how it tells what it saw.

A program is called with a database URL, a flavour of its driver, and the names of acts (all, if none); it
prints one JSON object: what each act saw. All statements but those of transactions contain the word ``wire``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol

ACTS = (
    "select",
    "write",
    "commit",
    "rollback",
    "error",
    "failed",
    "parameters",
    "large",
    "rows",
    "notify",
    "prepared",
)

LARGE = 1_000_000
ROWS = 5_000

SELECT = "SELECT 1 + 1 AS wire"
INSERT = "INSERT INTO wire_items (n, name) VALUES (1, 'one')"
UPDATE = "UPDATE wire_items SET name = 'two' WHERE n = 1"
FAIL = "SELECT 1 / 0 AS wire"
MANY = f"SELECT n, 'wire ' || n FROM generate_series(1, {ROWS}) n"
LISTEN = "LISTEN wire_channel"
NOTIFY = "NOTIFY wire_channel, 'hello'"


class Client(Protocol):
    """One driver: a method for each act, which returns what it saw; ``notify`` None where it cannot listen."""

    def close(self) -> None: ...


def main(connect: Callable[[str, str], Client]) -> None:
    """Do the acts and print what they saw."""
    url, flavour, *names = sys.argv[1:]
    client = connect(url, flavour)
    seen: dict[str, Any] = {name: getattr(client, name)() for name in names or ACTS}
    client.close()
    print(json.dumps(seen))
