"""The folders of a grading platform's container, as a root of their own: no image is needed, only Linux and root.

A mount namespace holds it, so that nothing of it is left when the command that runs inside has ended. The system's
programs, this Python and its packages are bound in, read-only in effect: nobody writes there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
"""Where it is outside: it may know its libraries by their absolute paths."""

_PIP = '''
"""Stands for pip: what is to be installed is there already, but for the project itself."""
import sys, sysconfig
from pathlib import Path
assert "--constraint" in sys.argv and "--editable" in sys.argv, sys.argv
places = ["/opt/packages", sys.argv[sys.argv.index("--editable") + 1]]
(Path(sysconfig.get_path("purelib")) / "there.pth").write_text("\\n".join(places) + "\\n")
'''

_VENV = f"""#!/bin/sh
# Stands for an interpreter whose venvs have a pip.
if [ "$1" = -m ] && [ "$2" = venv ]; then
    {PYTHON} -m venv --without-pip "$3"
    mkdir -p "$3"/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/pip
    cp /opt/pip.py "$3"/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/pip/__main__.py
else
    exec {PYTHON} "$@"
fi
"""


class Layout:
    """A root folder; ``place`` puts things into it, ``run`` runs a command in it as root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o755)
        for name in ("usr", "etc", "proc", "dev", "tmp", "opt/packages", "root", "run", "var/tmp"):
            (root / name).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        self._python_home = root / sys.base_prefix.lstrip("/")
        self._python_home.mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "opt" / "pip.py").write_text(_PIP)
        self.python = self.script("/opt/python-with-pip", _VENV)

    def script(self, path: str, text: str) -> str:
        """Write an executable; its path inside."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755)
        return path

    def place(self, source: Path, path: str) -> None:
        """Copy a file or a folder to ``path`` inside."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            shutil.copy2(source, target)

    def inside(self, path: str) -> Path:
        """Where ``path`` is, seen from outside."""
        return self.root / path.lstrip("/")

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command; its variables are ``settings`` and the fewest others."""
        environment: Mapping[str, str] = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHON": self.python,
            **settings,
        }
        root = shlex.quote(str(self.root))
        mounts = [
            f"mount --rbind {root} {root}",
            f"mount --rbind /usr {root}/usr",
            f"mount --rbind /etc {root}/etc",
            f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc",
            f"mount --bind {shlex.quote(sys.base_prefix)} {shlex.quote(str(self._python_home))}",
            f"mount --bind {shlex.quote(sysconfig.get_path('purelib'))} {root}/opt/packages",
            # As containers are made: in a changed root alone (chroot), nobody could make a user namespace.
            f"cd {root}",
            "mkdir -p before",
            "pivot_root . before",
            "umount -l /before",
            f"exec {shlex.join(command)}",
        ]
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", "\n".join(mounts)],
            env=dict(environment),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def is_possible() -> bool:
    """Whether this process may make such a namespace."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None
