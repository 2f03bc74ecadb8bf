"""Which server a run uses: what was asked for, or the best that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, assert_never

from grader.engine import find_engine
from grader.errors import BadCall, EnvironmentFailed
from grader.postgres.docker import start_docker
from grader.postgres.embedded import start_embedded
from grader.postgres.given import use_given
from grader.postgres.server import Server
from grader.run_folder import RunFolder

Provider = Literal["auto", "docker", "embedded", "given"]
"""Where to take the server from."""

DEFAULT_IMAGE = "postgres:18-alpine"

_PULL_TIMEOUT = 300.0
_PULL_TIMEOUT_OF_AUTO = 20.0
"""Seconds: with ``auto`` there is another way, so nobody waits long for an image."""


@contextmanager
def start_server(
    run: RunFolder,
    *,
    provider: Provider = "auto",
    url: str | None = None,
    image: str = DEFAULT_IMAGE,
    pull_timeout: float | None = None,
) -> Iterator[Server]:
    """The server for a run, until the context is left.

    ``auto`` takes the URL when there is one, else Docker when an engine answers and has the image or gets it
    soon, else the embedded binaries; the reason is in the server's ``info``. ``pull_timeout`` in seconds.
    Raises EnvironmentFailed when there is none, BadCall for ``given`` without a URL.
    """
    with ExitStack() as stack:
        match provider:
            case "auto":
                server = _best(stack, run, url, image, pull_timeout or _PULL_TIMEOUT_OF_AUTO)
            case "docker":
                server = stack.enter_context(start_docker(run, image, "as asked", pull_timeout or _PULL_TIMEOUT))
            case "embedded":
                server = stack.enter_context(start_embedded(run, "as asked"))
            case "given":
                if url is None:
                    raise BadCall("a given server needs its URL: set GRADER_DATABASE_URL")
                server = stack.enter_context(use_given(url, "as asked"))
            case _:
                assert_never(provider)
        yield server


def _best(stack: ExitStack, run: RunFolder, url: str | None, image: str, pull_timeout: float) -> Server:
    if url is not None:
        return stack.enter_context(use_given(url, "a database URL is set"))
    if find_engine() is None:
        return stack.enter_context(start_embedded(run, "no Docker engine answers"))
    try:
        return stack.enter_context(start_docker(run, image, "a Docker engine answers", pull_timeout))
    except EnvironmentFailed as problem:
        return stack.enter_context(start_embedded(run, f"Docker is of no use here: {problem}"))
