"""Makes networks, and TCP sockets in them, for whoever holds the other end of a socket pair.

Run as a program of its own, with the number of its end as argument, by an interpreter without site-packages: it changes
namespaces, which a process with several threads cannot. It imports nothing of ours.

Each question is a line of JSON, ``{"do": …}``, and so is each answer; descriptors go with them. ``user``: the user
namespace that the agent made for itself, without which only root may make networks. ``network``: a new network, with
its loopback up. ``socket``: a TCP socket in the network whose descriptor came with the question.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def main() -> None:
    """Answer until the other end is closed."""
    line = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, given = _receive(line)
        if not text:
            return
        try:
            answer, descriptors = _answer(json.loads(text)["do"], given)
        except OSError as problem:
            answer, descriptors = {"problem": problem.strerror or str(problem)}, []
        socket.send_fds(line, [json.dumps(answer).encode() + b"\n"], descriptors)
        for descriptor in (*given, *descriptors):
            os.close(descriptor)


def _answer(question: str, given: list[int]) -> tuple[dict[str, str], list[int]]:
    if question == "user":
        _become_owner_of_a_user_namespace()
        return {}, [os.open("/proc/self/ns/user", os.O_RDONLY)]
    if question == "network":
        _call("unshare", _CLONE_NEWNET)
        _raise_loopback()
        return {}, [os.open("/proc/self/ns/net", os.O_RDONLY)]
    _call("setns", given[0], _CLONE_NEWNET)
    return {}, [socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP).detach()]


def _become_owner_of_a_user_namespace() -> None:
    """In which we have every right, and are who we are outside."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib loads too much
            file.write(text)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    descriptors = array.array("i")
    text = b""
    while not text.endswith(b"\n"):
        part, ancillary, _, _ = line.recvmsg(1024, socket.CMSG_LEN(4 * descriptors.itemsize))
        for _level, _kind, data in ancillary:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        if not part:
            return b"", []
        text += part
    return text, list(descriptors)


if __name__ == "__main__":
    main()
