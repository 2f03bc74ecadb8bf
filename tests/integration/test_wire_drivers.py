"""Every driver sees through the relay what it sees without, and the relay tells what it did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from grader.history.events import ConnectionClosed, ConnectionOpened, ConnectionReady
from grader.history.sql import is_transaction_control
from grader.postgres import ScenarioDatabase, Server
from grader.wire import SYNC_COMMIT, Wire
from tests.integration.wire_server import Bench, bench, forwarder, one_by_one, steps

DRIVERS = Path(__file__).parent / "drivers"
NODE_PG = "8.23.1"

TABLE = "CREATE TABLE wire_items (n int, name text)"


@dataclass(frozen=True)
class Driver:
    """A client program and how its driver is to be used."""

    program: str
    flavour: str = "plain"
    listens: bool = True
    closes: tuple[str, ...] = ("terminate",)
    """How it ends its connections."""

    def __str__(self) -> str:
        return f"{Path(self.program).stem}-{self.flavour}"


LISTENER = ("client", "terminate")
"""lib/pq listens on a connection of its own, and just drops it in the end."""

ALL = [
    Driver("dbapi_client.py", "psycopg"),
    Driver("dbapi_client.py", "prepared"),
    Driver("dbapi_client.py", "psycopg2"),
    Driver("dbapi_client.py", "pg8000"),
    Driver("pipeline_client.py"),
    Driver("asyncpg_client.py"),
    Driver("sqlalchemy_client.py", listens=False),
    Driver("lib_pq", closes=LISTENER),
    Driver("lib_pq", "prepared", closes=LISTENER),
    Driver("node_pg.js"),
    Driver("node_pg.js", "prepared"),
]

every_driver = pytest.mark.parametrize("driver", ALL, ids=str)


# ---------------------------------------------------------------- programs and where they run


@pytest.fixture(scope="session")
def lib_pq(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    folder = tmp_path_factory.mktemp("lib_pq")

    def build() -> Path:
        program = folder / "lib_pq"
        if program.exists():
            return program
        go, sources = shutil.which("go"), Path("/usr/share/gocode")
        if go is None or not (sources / "src/github.com/lib/pq").is_dir():
            pytest.skip("needs Go and lib/pq (Debian: golang-go, golang-github-lib-pq-dev)")
        settings = {"GOPATH": str(sources), "GO111MODULE": "off", "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
        subprocess.run(
            [go, "build", "-o", str(program), "."],
            cwd=DRIVERS / "lib_pq",
            env={**os.environ, **settings},
            check=True,
            timeout=300,
        )
        return program

    return build


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    folder = tmp_path_factory.mktemp("node_pg")

    def install() -> Path:
        modules = folder / "node_modules"
        if modules.exists():
            return modules
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip("needs Node and npm")
        command = [
            npm,
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--prefix",
            str(folder),
            f"pg@{NODE_PG}",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot install pg: {done.stderr.strip().splitlines()[-1:]}")
        return modules

    return install


Start = Callable[[Driver, str, Sequence[str]], "subprocess.Popen[str]"]


@pytest.fixture
def start(lib_pq: Callable[[], Path], node_modules: Callable[[], Path]) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start(driver: Driver, url: str, acts: Sequence[str]) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        if driver.program == "lib_pq":
            command = [str(lib_pq())]
        elif driver.program.endswith(".js"):
            environment["NODE_PATH"] = str(node_modules())
            command = ["node", str(DRIVERS / driver.program)]
        else:
            command = [sys.executable, str(DRIVERS / driver.program)]
        process = subprocess.Popen(
            [*command, url, driver.flavour, *acts],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def seen_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture
def made(
    wire: Wire, embedded_server: Server, database: ScenarioDatabase, service: psycopg.Connection[Any]
) -> Iterator[Bench]:
    service.execute(TABLE)
    with bench(wire, embedded_server, database) as made:
        yield made


# ---------------------------------------------------------------- what the record has to say

Told = tuple[str, int | None, str, bool]
"""Tag or SQLSTATE, rows, state afterwards, whether it committed."""

BEGIN: Told = ("BEGIN", None, "T", False)
ROLLBACK: Told = ("ROLLBACK", None, "I", False)
ONE: Told = ("SELECT 1", 1, "I", False)
INSIDE: Told = ("INSERT 0 1", 1, "T", False)

EXPECTED: dict[str, list[Told]] = {
    "select": [ONE],
    "write": [("INSERT 0 1", 1, "I", True)],
    "commit": [BEGIN, INSIDE, ("UPDATE 2", 2, "T", False), ("COMMIT", None, "I", True)],
    "rollback": [BEGIN, INSIDE, ROLLBACK],
    "error": [("22012", None, "I", False), ONE],
    "failed": [BEGIN, INSIDE, ("22012", None, "E", False), ROLLBACK],
    "parameters": [ONE],
    "large": [ONE],
    "rows": [("SELECT 5000", 5000, "I", False)],
    "notify": [("LISTEN", None, "I", False), ("NOTIFY", None, "I", True)],
    "prepared": [ONE] * 7,
}


def expected(driver: Driver) -> list[Told]:
    return [told for act, found in EXPECTED.items() if act != "notify" or driver.listens for told in found]


def told(made: Bench) -> list[Told]:
    """The record without what a driver does for itself, alike for all drivers.

    A commit by Sync is counted to its statement; a transaction without a statement is left out.
    """
    found: list[Told] = []
    for began, ended in steps(list(made.recorder.events())):
        assert ended is not None, began
        if began.sql == SYNC_COMMIT:
            assert (ended.tag, ended.transaction, ended.committed) == ("COMMIT", "I", True)
            found[-1] = (*found[-1][:3], True)
            continue
        is_ours = "wire" in began.sql and not began.sql.startswith("DEALLOCATE") and "UNLISTEN" not in began.sql
        is_control = is_transaction_control(began.sql) and not ended.tag.startswith(("SAVEPOINT", "RELEASE"))
        if not is_ours and not is_control:
            continue
        tag = ended.sqlstate or ended.tag or f"SELECT {ended.rows}"
        one = (tag.replace("START TRANSACTION", "BEGIN"), ended.rows, ended.transaction, ended.committed)
        if one[0] == "ROLLBACK" and (not found or found[-1] == BEGIN or found[-1][2] == "I"):
            if found and found[-1] == BEGIN:
                found.pop()
            continue
        found.append(one)
    return found


# ---------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def directly() -> dict[Driver, dict[str, Any]]:
    """What each driver saw without a relay; filled by the tests that compare."""
    return {}


def seen_directly(
    driver: Driver, made: Bench, start: Start, known: dict[Driver, dict[str, Any]]
) -> dict[str, Any]:
    if driver not in known:
        with forwarder(made.server) as port:
            known[driver] = seen_by(start(driver, made.database.service_url("127.0.0.1", port), ()))
        with made.server.connect(database=made.database.name) as connection:
            connection.execute("TRUNCATE wire_items")
    return known[driver]


@every_driver
def test_a_driver_sees_the_same_through_the_relay_and_every_step_is_told(
    driver: Driver, made: Bench, start: Start, directly: dict[Driver, dict[str, Any]]
) -> None:
    without = seen_directly(driver, made, start, directly)
    assert seen_by(start(driver, made.url, ())) == without
    assert sorted(made.until_closed(len(driver.closes))) == list(driver.closes)
    assert told(made) == expected(driver)
    assert made.rows("SELECT n, name FROM wire_items") == [(1, "two")] * 2
    assert len(made.of(ConnectionOpened)) == len(made.of(ConnectionReady)) == len(driver.closes)


@every_driver
def test_parameters_and_values_are_told(driver: Driver, made: Bench, start: Start) -> None:
    seen_by(start(driver, made.url, ["parameters"]))
    [ended] = [
        ended for began, ended in steps(list(made.recorder.events())) if ended and began.sql.endswith("AS wire")
    ]
    assert ended.values == ("7", "NULL", "żółw")
    if driver.flavour != "psycopg2":  # which puts them into the text
        assert ended.parameters == ("7", "NULL", "żółw")


@every_driver
@pytest.mark.parametrize("withhold", [False, True], ids=["granted", "withheld-and-given"])
def test_a_driver_sees_the_same_with_every_step_granted_one_by_one(
    driver: Driver, withhold: bool, made: Bench, start: Start, directly: dict[Driver, dict[str, Any]]
) -> None:
    without = seen_directly(driver, made, start, directly)
    with one_by_one(made, withhold=withhold) as granted:
        assert seen_by(start(driver, made.url, ())) == without
        assert sorted(made.until_closed(len(driver.closes))) == list(driver.closes)
    assert told(made) == expected(driver)
    began = [(began.connection, began.step, began.sql) for began, _ in steps(list(made.recorder.events()))]
    assert [(step.connection, step.step, step.sql) for step in granted] == began


@every_driver
@pytest.mark.parametrize("act", ["write", "commit"])
@pytest.mark.parametrize(("where", "rows"), [("before", []), ("answer", [1])], ids=["before", "answer"])
def test_a_commit_that_is_cut_is_undone_before_and_done_after_the_server_saw_it(
    driver: Driver, act: str, where: Any, rows: list[int], made: Bench, start: Start
) -> None:
    hold = made.relay.hold_commits(where)
    process = start(driver, made.url, [act])
    step = hold.wait(30)
    assert step is not None
    assert (step.wrote or act == "write", step.answer is not None) == (True, where == "answer")
    assert process.poll() is None
    hold.cut()
    made.until("the backend to be gone", lambda: made.backend_is_gone(step.backend_pid))
    assert [n for (n,) in made.rows("SELECT n FROM wire_items")] == rows
    process.communicate(timeout=30)
    assert process.returncode != 0 or driver.program == "lib_pq"  # whose pool tries again by itself
    [first, *_] = made.of(ConnectionClosed)
    assert first.by == "grader"
