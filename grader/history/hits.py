"""Which limits services ran into in a scenario, in words and as evidence. Pure."""

from __future__ import annotations

from grader.history.events import LimitHit, LogCut
from grader.history.timeline import History
from grader.model import Evidence


def limits_hit(history: History) -> tuple[Evidence, ...]:
    """Each limit that was hit, at the moment when it was noticed; a log that was cut counts as one."""
    found = [
        Evidence(hit.at, f"hit a limit: {hit.limit}", None if hit.service == "scenario" else hit.service)
        for hit in history.of(LimitHit)
    ]
    found += [
        Evidence(
            cut.at, f"hit a limit: log: what came after the first {cut.kept_bytes} bytes is not kept", cut.service
        )
        for cut in history.of(LogCut)
    ]
    return tuple(sorted(found, key=lambda evidence: evidence.at))


def limit_words(hits: tuple[Evidence, ...]) -> str:
    """All of them in one line, each once."""
    named = [f"{hit.service or 'the scenario'} {hit.text}" for hit in hits]
    return "; ".join(dict.fromkeys(named))
