"""Landlock: what a thread, and whatever it starts, may still do with files, TCP ports and other processes.

Linux only, from 5.13 on, where the kernel was built with it; it takes no rights to use. The numbers are those of
``linux/landlock.h``, and the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_FILES_OF_FIRST = (1 << 13) - 1
"""Every right that the first version knew; the second added REFER, the third TRUNCATE."""

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_MAKE_DEVICES = 1 << 6 | 1 << 11

_CONNECT_TCP = 1 << 1
_SCOPES = 1 << 0 | 1 << 1
"""Abstract Unix sockets, and signals."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Everything else is refused. Ports are of TCP, on any address; UDP is not kept, nor who listens."""

    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    """Folders in which everything but device files may be made, and single files."""
    connects: tuple[int, ...]


@cache
def version() -> int:
    """The version of Landlock that this kernel has; 0 where there is none.

    4 and later know TCP ports, 6 and later keep signals inside.
    """
    try:
        return offered() if sys.platform == "linux" else 0
    except OSError:
        return 0


def offered() -> int:
    """The version that a Linux kernel has. Raises OSError, which says why there is none."""
    return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))


def restrict_thread(allowed: Allowed) -> None:
    """Keep the calling thread, and what it starts from now on, to what is allowed. There is no way back.

    Paths that are not there are left out. Raises OSError.
    """
    newest = version()
    files = _FILES_OF_FIRST | (1 << 13 if newest >= 2 else 0) | (_TRUNCATE if newest >= 3 else 0)
    attributes = struct.pack("QQQ", files, _CONNECT_TCP if newest >= 4 else 0, _SCOPES if newest >= 6 else 0)
    size = 24 if newest >= 6 else 16 if newest >= 4 else 8
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    try:
        _add_paths(ruleset, allowed.reads, _READ)
        _add_paths(ruleset, allowed.writes, files & ~_MAKE_DEVICES)
        if newest >= 4:
            for port in allowed.connects:
                _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("QQ", _CONNECT_TCP, port), 0)
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _add_paths(ruleset: int, paths: Iterable[Path], rights: int) -> None:
    for path in paths:
        with suppress(FileNotFoundError, PermissionError):
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                kept = rights if path.is_dir() else rights & _OF_A_FILE
                _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", kept, descriptor), 0)
            finally:
                os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
