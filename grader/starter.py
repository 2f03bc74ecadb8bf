"""The starter, made from the solution: what the lab asks for is taken out, and a TODO says what belongs there.

A block of the solution is marked by comments on lines of their own, written as the file's language has them::

    # lab 3a part 2: Find the oldest pending task, and make it yours.
    # lab: 3b part 1: ... so that many workers can do so at the same time.
    ...                                              the solution, taken out
    # lab end: raise NotImplementedError("claim")

In the starter the first lines become the text of a TODO, and what follows ``lab end:`` a statement (there need not
be one). Blocks do not nest.

``generate`` owns the files that it wrote, and those alone: their names and digests are in ``.generated`` in the
starter. What was changed since, or was there before, is somebody's work: it is neither overwritten nor removed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import BadCall, EnvironmentFailed

RECORD = ".generated"
"""Which files of a starter were generated: lines of digest and path, as ``sha256sum`` writes and checks them."""

_NOT_COPIED = frozenset({"__pycache__", ".venv", "reports"})


@dataclass(frozen=True, slots=True)
class _Comments:
    """How a language writes a comment on a line of its own."""

    begin: str
    end: str = ""

    def text_of(self, line: str) -> str | None:
        """What the comment says; None for a line that is no comment."""
        words = line.strip()
        if not (words.startswith(self.begin) and words.endswith(self.end)):
            return None
        return words[len(self.begin) : len(words) - len(self.end)].strip()

    def write(self, indent: str, text: str) -> str:
        return f"{indent}{self.begin} {text} {self.end}".rstrip() + "\n"


_COMMENTS: Mapping[str, _Comments] = {
    ".py": _Comments("#"),
    ".toml": _Comments("#"),
    ".sql": _Comments("--"),
    ".md": _Comments("<!--", "-->"),
}
_MARKER = re.compile(r"lab(?: (?P<where>[^:]+))?(?:: (?P<text>.+))?")


def generate(solution: Path, starter: Path) -> None:
    """Write the starter; what an earlier call wrote, and the solution has no more, is removed.

    Raises BadCall for markers that do not fit together and for files in the way, before anything is written.
    """
    wanted = _starter_files(solution)
    owned = _read_record(starter)
    in_the_way = [
        name for name in sorted({*wanted, *owned}) if _is_in_the_way(starter / name, name, wanted, owned)
    ]
    if in_the_way:
        raise BadCall(
            f"{starter / in_the_way[0]} is not as it was generated; move it away first"
            + (f", and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else "")
        )
    try:
        for name in sorted(owned.keys() - wanted.keys()):
            (starter / name).unlink(missing_ok=True)
            _remove_empty_folders(starter, (starter / name).parent)
        for name, content in {**wanted, RECORD: _record(wanted)}.items():
            (starter / name).parent.mkdir(parents=True, exist_ok=True)
            (starter / name).write_bytes(content)
    except OSError as error:
        raise EnvironmentFailed(f"the starter cannot be written: {error}; check the folder {starter}") from None


def _is_in_the_way(path: Path, name: str, wanted: Mapping[str, bytes], owned: Mapping[str, str]) -> bool:
    found = _content(path)
    return found is not None and found != wanted.get(name) and _digest(found) != owned.get(name)


def differences(solution: Path, starter: Path) -> list[str]:
    """What ``generate`` would change, one line a file; empty: the starter is up to date.

    Files of the starter that were not generated are not compared. Raises BadCall like ``generate``.
    """
    wanted = _starter_files(solution)
    wanted[RECORD] = _record(wanted)
    found = []
    for name in sorted({*wanted, *_read_record(starter)}):
        content = _content(starter / name)
        if content == wanted.get(name):
            continue
        if content is None:
            found.append(f"{starter / name} is missing")
        elif name not in wanted:
            found.append(f"{starter / name} is not in the solution any more")
        else:
            found.append(f"{starter / name} differs from what the solution makes of it")
    return found


def starter_text(text: str, name: str) -> str:
    """The text of the file ``name`` without its marked blocks. Raises BadCall with file and line."""
    comments = _COMMENTS.get(PurePosixPath(name).suffix)
    return text if comments is None else "".join(_without_blocks(text, name, comments))


def _without_blocks(text: str, name: str, comments: _Comments) -> Iterator[str]:
    begun: int | None = None
    in_heading = False
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        marker = _MARKER.fullmatch(comments.text_of(line) or "")
        where, words = (marker["where"], marker["text"]) if marker else (None, None)
        indent = line[: len(line) - len(line.lstrip())]
        if marker is None:
            in_heading = False
            if begun is None:
                yield line
        elif where == "end":
            if begun is None:
                raise BadCall(f"{name}, line {number}: the block that ends here has no beginning")
            begun = None
            if words:
                yield f"{indent}{words}\n"
        elif where is not None:
            if begun is not None:
                raise BadCall(f"{name}, line {number}: the block that begins in line {begun} has no end")
            if not words:
                raise BadCall(f"{name}, line {number}: say after a colon what is asked for")
            begun, in_heading = number, True
            yield comments.write(indent, f"TODO {where}: {words}")
        elif in_heading and words:
            yield comments.write(indent, f"     {words}")
        else:
            raise BadCall(f"{name}, line {number}: 'lab:' goes on with the first line of a block; there is none")
    if begun is not None:
        raise BadCall(f"{name}, line {begun}: the block that begins here has no end")


# ---------------------------------------------------------------- files


def _starter_files(solution: Path) -> dict[str, bytes]:
    """The whole starter: name, with slashes, to content."""
    if not (solution / "flowforge.toml").is_file():
        raise BadCall(f"{solution} has no flowforge.toml; name the folder of the solution")
    files = {}
    for path in sorted(solution.rglob("*")):
        name = path.relative_to(solution)
        if path.is_file() and not _NOT_COPIED.intersection(name.parts) and name.name != RECORD:
            content = path.read_bytes()
            if path.suffix in _COMMENTS:
                content = starter_text(content.decode(), str(path)).encode()
            files[name.as_posix()] = content
    return files


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _record(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{_digest(content)}  {name}\n" for name, content in sorted(files.items())).encode()


def _read_record(starter: Path) -> dict[str, str]:
    """Name to digest. Names that lead out of the starter are nothing that was generated."""
    lines = (_content(starter / RECORD) or b"").decode(errors="replace").splitlines()
    entries = [line.split("  ", 1) for line in lines if "  " in line]
    return {
        name: digest
        for digest, name in entries
        if not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    }


def _remove_empty_folders(starter: Path, folder: Path) -> None:
    while folder != starter and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
