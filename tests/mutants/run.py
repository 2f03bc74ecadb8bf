"""Make small faults in the grader's own code, and see whether the tests notice: ``python -m tests.mutants.run``.

cosmic-ray makes the mutants, one at a time, in copies of the project. A mutant that no test notices has survived: a
test is missing, or the change makes no difference. A random sample, chosen by a seed, gives the share of killed ones
with an interval; the list of the survivors is what to work on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

from grader.ending import Ended, ended_by_signals
from grader.files import write_atomically
from tests.mutants.groups import GROUPS, Group, driving_lines

ROOT = Path(__file__).parents[2]
COPIED = ("grader", "labs", "pyproject.toml", "solution", "starter", "tests")

LONGEST = 60.0
"""Seconds for the tests of one mutant on a quiet machine; one that takes longer is killed: it does not end."""

WITHOUT = ("BitOr", "RemoveDecorator")
"""Operators that are left out: ``|`` stands mostly in annotations, which nobody evaluates; and without its decorator a
check is simply not there."""

Z = 1.96
"""Of the normal distribution, for 95 %."""


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the sample of one group. ``total``: the mutants there are, of which ``killed + survived`` ran."""

    group: str
    total: int
    killed: int
    survived: tuple[tuple[str, str], ...]
    """Where each survivor is, and its diff."""

    @property
    def sampled(self) -> int:
        """How many were tried."""
        return self.killed + len(self.survived)

    @property
    def interval(self) -> tuple[float, float]:
        """The share of killed mutants at 95 % (Wilson's interval)."""
        n = self.sampled
        share = self.killed / n
        middle = share + Z**2 / (2 * n)
        width = Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        return (middle - width) / (1 + Z**2 / n), (middle + width) / (1 + Z**2 / n)

    def told(self) -> str:
        """The score in one line."""
        low, high = self.interval
        return (
            f"{self.group}: {self.killed} of {self.sampled} killed ({self.killed / self.sampled:.0%}; "
            f"of all {self.total}: {low:.0%} to {high:.0%} at 95%)"
        )


@contextmanager
def copies(number: int) -> Iterator[list[Path]]:
    """Copies of the project to make faults in; they are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        made = []
        for index in range(number):
            copy = Path(folder) / str(index)
            copy.mkdir()
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
                else:
                    shutil.copy2(source, copy / name)
            made.append(copy)
        yield made


def environment() -> dict[str, str]:
    """For the tests. Without bytecode: two mutants of one second and one size would share it."""
    return os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}


def test_command(group: Group) -> list[str]:
    """Runs the group's tests until one fails."""
    files = [str(path) for path in group.test_files(ROOT)]
    return [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", *files]


def prepare(group: Group, copy: Path, sample: Sequence[MutationSpec] | None, longest: float = LONGEST) -> Path:
    """A session of cosmic-ray in that copy: of all mutants, or of the ``sample`` alone."""
    modules = ", ".join(f'"{path}"' for path in group.files(ROOT))
    config = copy / "mutants.toml"
    config.write_text(
        f"[cosmic-ray]\nmodule-path = [{modules}]\ntimeout = {longest}\nexcluded-modules = []\n"
        f"test-command = {json.dumps(' '.join(test_command(group)))}\n\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    session = copy / "mutants.sqlite"
    _cosmic_ray(copy, "init", "--force", config.name, session.name)
    if sample is not None:
        wanted = {_key(spec) for spec in sample}
        with use_db(str(session), WorkDB.Mode.open) as db:
            for item in list(db.pending_work_items):
                if _key(item.mutations[0]) not in wanted:
                    db.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    return session


def _key(spec: MutationSpec) -> tuple[str, str, int]:
    return str(spec.module_path), spec.operator_name, spec.occurrence


def _cosmic_ray(copy: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "cosmic_ray.cli", *arguments]
    subprocess.run(command, cwd=copy, env=environment(), check=True, stdout=subprocess.DEVNULL)


def mutants(session: Path) -> list[MutationSpec]:
    """The mutants that tests can kill."""
    driving: dict[Path, set[int]] = {}
    found = []
    with use_db(str(session), WorkDB.Mode.open) as db:
        for item in db.work_items:
            [spec] = item.mutations
            if spec.module_path not in driving:
                driving[spec.module_path] = driving_lines((ROOT / spec.module_path).read_text())
            is_left_out = any(name in spec.operator_name for name in WITHOUT)
            if spec.start_pos[0] not in driving[spec.module_path] and not is_left_out:
                found.append(spec)
    return found


def chosen(all_of_them: Sequence[MutationSpec], size: int, seed: int) -> list[MutationSpec]:
    """A random sample: first places in the code, then one change of each, so that no place counts more than another."""
    places: dict[tuple[Path, tuple[int, int]], list[MutationSpec]] = {}
    for spec in all_of_them:
        places.setdefault((spec.module_path, spec.start_pos), []).append(spec)
    draw = random.Random(seed)
    picked = draw.sample(sorted(places), min(size, len(places)))
    return [draw.choice(places[place]) for place in picked]


def score(group: Group, folders: Sequence[Path], size: int, seed: int, longest: float) -> Score:
    """Try a sample of a group's mutants, so many at a time as there are copies, each for ``longest`` seconds."""
    baseline = subprocess.run(
        test_command(group), cwd=folders[0], env=environment(), capture_output=True, text=True, check=False
    )
    if baseline.returncode:
        raise SystemExit(f"mutants: the tests of {group.name} fail without any fault:\n{baseline.stdout[-2000:]}")
    everything = mutants(prepare(group, folders[0], None))
    sample = chosen(everything, size, seed)
    sessions = [prepare(group, copy, sample[index :: len(folders)], longest) for index, copy in enumerate(folders)]
    with ExitStack() as stack:
        running = []
        for copy, session in zip(folders, sessions, strict=True):
            command = [sys.executable, "-m", "cosmic_ray.cli", "exec", "mutants.toml", session.name]
            process = subprocess.Popen(command, cwd=copy, env=environment(), stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            running.append(process)
        for process in running:
            process.wait()
    killed, survived = 0, []
    for session in sessions:
        with use_db(str(session), WorkDB.Mode.open) as db:
            outcomes = dict(db.results)
            for item in db.work_items:
                result = outcomes.get(item.job_id)
                if result is None or result.worker_outcome is WorkerOutcome.SKIPPED:
                    continue
                [spec] = item.mutations
                if result.test_outcome is TestOutcome.SURVIVED:
                    survived.append((f"{spec.module_path}:{spec.start_pos[0]}", _changed(result.diff or "")))
                else:
                    killed += 1
    return Score(group.name, len(everything), killed, tuple(sorted(survived)))


def _changed(diff: str) -> str:
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status: 0 whatever survived, 2 a bad call, 128 + n ended by signal n."""
    options = _parser().parse_args(arguments)
    groups = [group for group in GROUPS if not options.groups or group.name in options.groups]
    options.output.mkdir(parents=True, exist_ok=True)
    scores: list[Score] = []
    try:
        with ended_by_signals(), copies(options.jobs) as folders:
            for group in groups:
                found = score(group, folders, options.sample, options.seed, options.longest)
                scores.append(found)
                print(found.told(), flush=True)
                text = "\n".join(f"{where}\n{diff}\n" for where, diff in found.survived)
                write_atomically(options.output / f"{group.name}.txt", text)
    except Ended as ended:
        print(f"mutants: {ended}", file=sys.stderr)
        return ended.exit_status
    print(f"The survivors: {options.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__.partition("\n")[0])
    names = [group.name for group in GROUPS]
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument(
        "--sample", type=int, default=200, metavar="N", help="mutants of each (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sample (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="at a time (default: %(default)s)")
    parser.add_argument(
        "--longest",
        type=float,
        default=LONGEST,
        metavar="S",
        help="seconds for the tests of one (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, default=Path("reports/mutants"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
