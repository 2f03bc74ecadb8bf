"""What a client may send. Each form is checked when it is made; Invalid says what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self

STATUSES = ("pending", "processing", "completed", "failed")
BIGGEST_ID = 2**63 - 1


class Invalid(Exception):
    pass


@dataclass(frozen=True)
class NewTask:
    title: str
    description: str
    type: str
    payload: dict[str, Any]

    @classmethod
    def of(cls, body: bytes) -> Self:
        fields = _object(body)
        payload = fields.get("payload", {})
        if not isinstance(payload, dict):
            raise Invalid("payload is not an object")
        return cls(
            _title(fields.get("title")),
            _text("description", fields.get("description", "")),
            _text("type", fields.get("type", "default")),
            payload,
        )


@dataclass(frozen=True)
class Change:
    """None: as it was."""

    title: str | None
    description: str | None

    @classmethod
    def of(cls, body: bytes) -> Self:
        fields = _object(body)
        return cls(
            _title(fields["title"]) if "title" in fields else None,
            _text("description", fields["description"]) if "description" in fields else None,
        )


@dataclass(frozen=True)
class Page:
    status: str | None
    limit: int
    offset: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        status = query.get("status")
        if status is not None and status not in STATUSES:
            raise Invalid("status is none of " + ", ".join(STATUSES))
        return cls(status, min(_number(query, "limit", 100), 500), _number(query, "offset", 0))


def task_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= BIGGEST_ID):
        raise Invalid("an id is a number")
    return int(text)


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Invalid("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Invalid("the body is not a JSON object")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _title(value: Any) -> str:
    if not _text("title", value).strip():
        raise Invalid("title is blank")
    return str(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{name} is not a text")
    # PostgreSQL stores no NUL; half a surrogate pair has no UTF-8.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"{name} has a character that cannot be stored")
    return value


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(f"{name} is not a number")
    return int(text)
