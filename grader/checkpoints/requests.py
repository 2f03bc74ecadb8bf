"""Requests that the api-service must refuse, and titles that it must not touch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A request that makes no sense. ``what`` names it in a report; ``{task}`` in its path is a task that is there."""

    what: str
    method: str
    path: str
    body: bytes | None = None


def _post(what: str, body: bytes) -> BadRequest:
    return BadRequest(what, "POST", "/tasks", body)


def _put(what: str, body: bytes) -> BadRequest:
    return BadRequest(f"{what} in a PUT", "PUT", "/tasks/{task}", body)


BAD_REQUESTS: tuple[BadRequest, ...] = (
    _post("no title", b'{"description": "no title here"}'),
    _post("an empty title", b'{"title": ""}'),
    _post("a blank title", b'{"title": " \\t "}'),
    _post("a title that is null", b'{"title": null}'),
    _post("a title that is a number", b'{"title": 7}'),
    _post("a title that is NaN", b'{"title": NaN}'),
    _post("a title that is a list", b'{"title": ["a"]}'),
    _post("a NUL byte in the title", b'{"title": "a\\u0000b"}'),
    _post("a description of the wrong type", b'{"title": "fine", "description": 7}'),
    _post("a NUL byte in the description", b'{"title": "fine", "description": "\\u0000"}'),
    _post("a type of the wrong type", b'{"title": "fine", "type": {}}'),
    _post("a payload that is no object", b'{"title": "fine", "payload": "text"}'),
    _post("a NUL byte in the payload", b'{"title": "fine", "payload": {"a": "\\u0000"}}'),
    _post("broken JSON", b'{"title": "fine"'),
    _post("a JSON array", b'[{"title": "fine"}]'),
    _post("an empty body", b""),
    _put("an empty title", b'{"title": ""}'),
    _put("a blank title", b'{"title": " \\t "}'),
    _put("a title that is a number", b'{"title": 7}'),
    _put("a NUL byte in the title", b'{"title": "a\\u0000b"}'),
    _put("a description of the wrong type", b'{"title": "fine", "description": 7}'),
    _put("a NUL byte in the description", b'{"title": "fine", "description": "\\u0000"}'),
    _put("broken JSON", b'{"title": "fine"'),
    BadRequest("an unknown status filter", "GET", "/tasks?status=sleeping"),
    BadRequest("a limit that is no number", "GET", "/tasks?limit=many"),
    BadRequest("a negative limit", "GET", "/tasks?limit=-1"),
    BadRequest("a negative offset", "GET", "/tasks?offset=-1"),
    BadRequest("an id that is none", "PUT", "/tasks/no-such-id", b'{"title": "fine"}'),
    BadRequest("an id that is none", "DELETE", "/tasks/no-such-id"),
)

BAD_IDS: tuple[str, ...] = ("no-such-id", "1.5", "9223372036854775808", "9" * 40, "%00", "1%20OR%201=1")

_SQL = "'; DROP TABLE tasks; --"

HARMLESS_TITLES: tuple[str, ...] = (
    _SQL,
    _SQL,  # two tasks may have one title
    'It\'s "quoted" and 100% $1 {fine} \\ %s',
    "żółw 任务 🐘 e\u0301",
    "<script>alert(1)</script>",
)
