"""Why a schedule was not walked to its end."""

from __future__ import annotations


class Undecided(Exception):
    """A schedule could not be walked to its end; the sentence says why."""


class SleepsOn(Undecided):
    """A worker sent nothing more, for longer than it was waited for."""
