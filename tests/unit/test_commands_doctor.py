"""``grader doctor``: one line a finding, what to do, and a status that says whether a grade works."""

from __future__ import annotations

import io
import os
import resource
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console

from grader.commands import doctor, machine
from grader.commands.machine import Finding, Level
from grader.commands.stage import ServerChoice

QUICK = [
    machine.python,
    machine.memory,
    machine.open_files,
    machine.ports,
    machine.docker,
    machine.user_namespaces,
    machine.bubblewrap,
    machine.landlock,
    machine.isolation,
]


def shown(findings: Iterable[Finding], encoding: str = "utf-8") -> tuple[int, str]:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=80, _environ={})
    status = doctor.show(findings, console)
    console.file.flush()
    return status, raw.getvalue().decode(encoding)


def test_each_finding_is_a_line_and_notes_stop_no_grade() -> None:
    status, page = shown(
        [
            Finding(Level.OK, "Python", "3.11.7"),
            Finding(Level.NOTE, "bubblewrap", "not installed " * 20, "install it\nnow\x1b[2J"),
        ]
    )
    assert status == 0
    first, second, last = page.splitlines()
    assert first == "ok      Python      3.11.7"
    assert second.startswith("note    bubblewrap  not installed")
    assert second.endswith("→ install it now")
    assert last == "a grade works here"


def test_a_problem_is_a_failure_of_the_environment() -> None:
    status, page = shown([Finding(Level.PROBLEM, "disk", "full", "make room")], encoding="ascii")
    assert status == 3
    assert page == "problem disk        full -> make room\n1 problem to be solved before a grade works\n"


@pytest.mark.parametrize("probe", QUICK, ids=lambda probe: probe.__name__)
def test_a_probe_finds_something_out_and_says_what_to_do_unless_all_is_well(probe: object) -> None:
    found = probe()  # type: ignore[operator]
    assert found.found
    assert found.advice or found.level is Level.OK


def test_a_probe_that_breaks_stops_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken() -> Finding:
        raise RuntimeError("surprise")

    for name in ("postgres", "processor"):
        monkeypatch.setattr(machine, name, lambda *_: Finding(Level.OK, "it", "fine"))
    monkeypatch.setattr(machine, "ports", broken)
    choice = ServerChoice("auto", None, "postgres:18-alpine")
    findings = list(machine.Machine(choice, tmp_path / "not" / "yet").findings())
    assert len(findings) == 13
    assert [f.found for f in findings if f.subject == "ports"] == [
        "could not be found out: RuntimeError('surprise')"
    ]


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "DISK_NEEDED", 1 << 80)
    assert machine.disk(tmp_path, "reports").level is Level.PROBLEM
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "choose --output" in machine.disk(tmp_path, "reports").advice


def test_few_open_files_are_a_problem_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    found = machine.open_files()
    assert (found.level, found.advice) == (Level.PROBLEM, "1024 are needed: ulimit -n 1024")


def test_a_server_that_cannot_be_reached_is_a_problem_and_its_password_is_not_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"postgresql://me:swordfish@127.0.0.1:{taken.getsockname()[1]}/postgres"
        found = machine.postgres(ServerChoice("given", url, ""))
    assert found.level is Level.PROBLEM
    assert "127.0.0.1" in found.found
    assert "swordfish" not in f"{found}"
