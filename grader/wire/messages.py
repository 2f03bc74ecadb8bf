"""What the bodies of messages say, as far as the grader wants to know. Pure, and bounded whatever comes.

Source: PostgreSQL manual, "Message Formats". Every function takes a body that may be cut off at
``HEAD_LIMIT`` and reads what is there; one that makes no sense raises ``Unreadable`` and is left to the server.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

SQL_LIMIT: Final = 4000
"""Characters of a statement that are kept."""
CELL_LIMIT: Final = 200
"""Characters of one value or parameter that are kept."""
CELLS_LIMIT: Final = 2000
"""Characters of all values, or all parameters, of one step that are kept."""

NULL: Final = "NULL"
"""How a NULL is told among values and parameters."""

_INT16: Final = struct.Struct("!h").unpack_from
_UINT16: Final = struct.Struct("!H").unpack_from
_INT32: Final = struct.Struct("!i").unpack_from
_UINT32: Final = struct.Struct("!I").unpack_from

# Type oids, from src/include/catalog/pg_type.dat: fixed for all servers.
_BOOL, _UUID, _JSONB = 16, 2950, 3802
_INTEGERS: Final = frozenset({20, 21, 23, 26})
_FLOATS: Final = {700: struct.Struct("!f"), 701: struct.Struct("!d")}
_TEXTS: Final = frozenset({18, 19, 25, 114, 142, 705, 1042, 1043})


class Unreadable(ValueError):
    """A body that is not laid out as its type asks for."""


def text(raw: bytes, limit: int) -> str:
    """Bytes as text of at most ``limit`` characters; what is no UTF-8 is replaced."""
    return raw[: 4 * limit].decode("utf-8", "replace")[:limit]


def c_string(body: bytes, at: int) -> tuple[bytes, int]:
    """The zero-terminated string at an offset, and the offset after it; a cut-off one reaches to the end."""
    end = body.find(b"\0", at)
    return (body[at:], len(body)) if end < 0 else (body[at:end], end + 1)


def sql_text(raw: bytes) -> str:
    """A statement's text, bounded."""
    return text(raw, SQL_LIMIT)


@dataclass(frozen=True, slots=True)
class Parse:
    """A prepared statement: its name (empty: the unnamed one), text, and the parameter types that were given."""

    name: bytes
    sql: str
    types: tuple[int, ...]


def read_parse(body: bytes) -> Parse:
    """The body of a Parse message."""
    name, at = c_string(body, 0)
    sql, at = c_string(body, at)
    types: tuple[int, ...] = ()
    if len(body) >= at + 2:
        count = _UINT16(body, at)[0]
        if len(body) >= at + 2 + 4 * count:
            types = struct.unpack_from(f"!{count}I", body, at + 2)
    return Parse(name, sql_text(sql), types)


@dataclass(frozen=True, slots=True)
class Bind:
    """A portal: its name, its statement's name, its parameters, and how the client wants the columns."""

    portal: bytes
    statement: bytes
    parameters: tuple[tuple[bytes | None, bool], ...]
    """Each with whether it is in binary form; those beyond ``HEAD_LIMIT`` are missing."""
    formats: tuple[int, ...]


def read_bind(body: bytes) -> Bind:
    """The body of a Bind message. Raises Unreadable."""
    portal, at = c_string(body, 0)
    statement, at = c_string(body, at)
    try:
        formats, at = _formats(body, at)
        count = _UINT16(body, at)[0]
        cells = list(_cells(body, at + 2, count))
        at += 2 + sum(4 + len(cell or b"") for cell in cells)
        results = _formats(body, at)[0] if len(cells) == count and at + 2 <= len(body) else ()
    except struct.error as problem:
        raise Unreadable("Bind") from problem
    return Bind(
        portal,
        statement,
        tuple((cell, is_binary(formats, number)) for number, cell in enumerate(cells)),
        results,
    )


def is_binary(formats: Sequence[int], number: int) -> bool:
    """Whether a list of format codes says binary for this parameter or column (none: text; one: for all)."""
    if len(formats) <= 1:
        return bool(formats and formats[0])
    return bool(number < len(formats) and formats[number])


def _formats(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count = _UINT16(body, at)[0]
    return struct.unpack_from(f"!{count}H", body, at + 2), at + 2 + 2 * count


def _cells(body: bytes, at: int, count: int) -> Iterator[bytes | None]:
    """Length-prefixed cells; ends early where the body is cut off, with what is there of the last one."""
    size = len(body)
    for _ in range(count):
        if at + 4 > size:
            return
        length = _INT32(body, at)[0]
        at += 4
        yield None if length < 0 else body[at : at + length]
        at += max(length, 0)
        if at > size:
            return


def row_cells(body: bytes) -> list[bytes | None]:
    """The cells of a DataRow."""
    return list(_cells(body, 2, _UINT16(body)[0])) if len(body) >= 2 else []


def column_types(body: bytes) -> list[tuple[int, bool]]:
    """Type oid of each column of a RowDescription, and whether it comes in binary form."""
    found: list[tuple[int, bool]] = []
    at = 2
    while at < len(body):
        _, at = c_string(body, at)
        if at + 18 > len(body):
            break
        found.append((_UINT32(body, at + 6)[0], _INT16(body, at + 16)[0] == 1))
        at += 18
    return found


def parameter_types(body: bytes) -> tuple[int, ...]:
    """The type oids of a ParameterDescription."""
    if len(body) < 2:
        return ()
    count = min(_UINT16(body)[0], (len(body) - 2) // 4)
    return struct.unpack_from(f"!{count}I", body, 2)


def readable(cell: bytes | None, oid: int, *, binary: bool) -> str:
    """A value as PostgreSQL would write it, bounded; ``\\x…``, its bytes, where its binary form is unknown."""
    if cell is None:
        return NULL
    if not binary:
        return text(cell, CELL_LIMIT)
    if oid in _INTEGERS and len(cell) in (2, 4, 8):
        return str(int.from_bytes(cell, "big", signed=oid != 26))
    if oid == _UUID and len(cell) == 16:
        return str(uuid.UUID(bytes=bytes(cell)))
    if oid == _BOOL and len(cell) == 1:
        return "t" if cell[0] else "f"
    if oid in _FLOATS and len(cell) == _FLOATS[oid].size:
        return repr(_FLOATS[oid].unpack(cell)[0])
    if oid == _JSONB and cell[:1] == b"\x01":
        return text(cell[1:], CELL_LIMIT)
    if oid in _TEXTS or (oid == 0 and _looks_like_text(cell)):
        return text(cell, CELL_LIMIT)
    return f"\\x{cell[: CELL_LIMIT // 2 - 1].hex()}"


def _looks_like_text(cell: bytes) -> bool:
    try:
        return cell[:CELL_LIMIT].decode().isprintable()
    except UnicodeDecodeError:
        return False


def parameters_text(bind: Bind, types: Sequence[int]) -> tuple[str, ...]:
    """The parameters of a Bind as text, bounded in all."""
    found: list[str] = []
    left = CELLS_LIMIT
    for number, (cell, binary) in enumerate(bind.parameters):
        shown = readable(cell, types[number] if number < len(types) else 0, binary=binary)[:left]
        found.append(shown)
        left -= len(shown)
        if left <= 0:
            break
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ServerError:
    """What an ErrorResponse says; ``is_fatal``: the session ends with it."""

    sqlstate: str
    message: str
    is_fatal: bool = False


def read_error(body: bytes) -> ServerError:
    """The body of an ErrorResponse."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(body) and body[at]:
        code = body[at]
        fields[code], at = c_string(body, at + 1)
    severity = fields.get(ord("V"), fields.get(ord("S"), b""))  # S is translated, V (since 9.6) never
    return ServerError(
        text(fields.get(ord("C"), b""), 5),
        text(fields.get(ord("M"), b""), SQL_LIMIT),
        severity in (b"FATAL", b"PANIC"),
    )


def backend_pid(body: bytes) -> int | None:
    """The process id of a BackendKeyData; the key after it has any length."""
    return int(_UINT32(body)[0]) if len(body) >= 4 else None


def called_function(body: bytes) -> int:
    """The oid of the function in a FunctionCall."""
    return int(_UINT32(body)[0]) if len(body) >= 4 else 0
