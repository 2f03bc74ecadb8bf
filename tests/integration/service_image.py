"""An image for services where none can be pulled: this machine's Python with its packages, a shell and a few tools.

Compiled modules are in it, as in every image that pip made: who compiles FastAPI at each start is late for everything.
"""

from __future__ import annotations

import importlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.docker_image import add_folder

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "task-queue-lab-test-services:latest"

_TOOLS = ("sh", "cat", "env", "grep", "head", "ls", "seq", "sleep", "true")
_PACKAGES = (
    *("annotated_doc", "annotated_types", "anyio", "asyncpg", "click", "fastapi", "h11", "idna", "opentelemetry"),
    *("psycopg", "psycopg_binary", "psycopg_binary.libs", "pydantic", "pydantic_core", "starlette"),
    *("typing_extensions.py", "typing_inspection", "uvicorn"),
)
_LEFT_OUT = (
    "/test/",
    "/tests/",
    "/idlelib/",
    "/tkinter/",
    "/ensurepip/",
    "/site-packages/",
    "/config-",
)


def build(client: DockerClient) -> str:
    """Make the image, unless it is there; its name."""
    if not client.images.list(IMAGE):
        repository, tag = IMAGE.split(":")
        client.api.import_image_from_data(
            _root_file_system(), repository=repository, tag=tag, changes=["ENV PATH=/usr/bin:/bin"]
        )
    return IMAGE


def _root_file_system() -> bytes:
    base, site = Path(sys.base_prefix), Path(importlib.import_module("psycopg").__file__ or "").parents[1]
    python = Path(sys.executable).resolve()
    tools = {Path(found): f"bin/{name}" for name in _TOOLS if (found := shutil.which(name))}
    library = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    modules = [
        path for path in library.rglob("*") if path.is_file() and not any(p in f"{path}" for p in _LEFT_OUT)
    ]
    packages = [path for name in _PACKAGES for path in _files(site / name)]
    binaries = [path for path in (*modules, *packages) if ".so" in path.name]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        files = {python: str(python).lstrip("/"), **tools, **_libraries([python, *tools, *binaries])}
        files |= {path: str(path).lstrip("/") for path in modules}
        target = f"{str(library).lstrip('/')}/site-packages"
        files |= {path: f"{target}/{path.relative_to(site)}" for path in packages}
        parents = {str(parent) for name in files.values() for parent in Path(name).parents}
        for folder in (*sorted(parents - {"."}), "etc", "usr", "usr/bin", "proc", "dev"):
            add_folder(archive, folder, 0o755)
        for source, name in files.items():
            archive.add(source.resolve(), name, filter=_readable)
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(python)
        archive.addfile(link)
        for folder in ("tmp", "task-queue-lab"):
            add_folder(archive, folder, 0o1777)
    return content.getvalue()


def _files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode |= 0o444
    return entry


def _libraries(programs: Iterable[Path]) -> dict[Path, str]:
    """What the programs are linked to, at the places where the loader looks for it."""
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}
    return {path: str(path).lstrip("/") for path in found if "site-packages" not in path.parts}
