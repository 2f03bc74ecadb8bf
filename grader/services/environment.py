"""What a command of a submission finds in its environment: what it was given, and nothing of the grader's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def service_environment(tmp: Path, *, database_url: str | None, settings: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a service: ``settings`` and what the contract has besides.

    ``tmp`` is its TMPDIR; without a URL there is no DATABASE_URL.
    """
    url = {} if database_url is None else {"DATABASE_URL": database_url}
    return base_environment(tmp) | url | dict(settings)


def base_environment(tmp: Path) -> dict[str, str]:
    """What every command of a submission gets, its build as well."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TMPDIR": str(tmp)}
