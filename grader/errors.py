"""What can go wrong for the grader itself, in one tree.

The class decides the exit status of the command; the message is one line for a person: what happened, to
what, and what to do about it.

    GraderError                 exit status 3: the grader or its environment failed
    ├── EnvironmentFailed       no PostgreSQL, no Docker, a folder that cannot be written
    └── Internal                a broken promise inside the grader: a bug of ours
    CannotGrade                 exit status 2: the call or the submission cannot be graded
    ├── BadCall                 unknown check, contradicting options, a folder that is no saved run
    └── BadSubmission           missing folder, bad manifest, build or migration that fails

What a submission does while it runs is never an exception: it is recorded, and judged.
"""

from __future__ import annotations


class GraderError(Exception):
    """The grader or its environment failed; no verdict of this run may be held against the submission."""

    exit_status = 3


class EnvironmentFailed(GraderError):
    """Something the grader needs from the machine is missing or broken."""


class Internal(GraderError):
    """A promise inside the grader was broken."""


class CannotGrade(Exception):
    """The call or the submission cannot be graded as it is; the message says what to change."""

    exit_status = 2


class BadCall(CannotGrade):
    """The command line asks for something that does not exist or does not fit together."""


class BadSubmission(CannotGrade):
    """The submission's folder, manifest, build or migrations cannot be used."""
