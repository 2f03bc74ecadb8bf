"""What one service may use of the machine. What it hits is told, and named where it is judged."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one service with all that comes of it.

    Sizes in bytes, rates in bytes a second. ``processes`` counts threads as well, where the kernel does the counting.
    ``disk`` is all that it may keep in its temporary folder, ``file`` one file of it. ``scenario`` and ``run`` are
    seconds on a quiet machine; the run's is None where nothing bounds it.
    """

    processes: int = 256
    memory: int = 1024 * MIB
    file: int = 64 * MIB
    disk: int = 64 * MIB
    log: int = MIB
    log_rate: int = 64 * MIB
    open_files: int = 1024
    scenario: float = 300.0
    run: float | None = None


def size_words(size: float) -> str:
    """A size in bytes as people say it: ``1.5 GiB``."""
    units = iter(("bytes", "KiB", "MiB", "GiB"))
    unit = next(units)
    while size >= 1024 and unit != "GiB":
        size, unit = size / 1024, next(units)
    return f"{size:.4g} {unit}"
