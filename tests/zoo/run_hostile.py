"""Run every attack at every level that this machine offers: ``python -m tests.zoo.run_hostile [NAME …]``.

Writes the table attack by level as JSON and as Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Console
from rich.text import Text

from grader.ending import Ended, ended_by_signals
from grader.engine import find_engine
from grader.errors import EnvironmentFailed
from grader.files import write_atomically
from grader.postgres import Server
from grader.postgres.embedded import start_embedded
from grader.report.text import line
from grader.run_folder import default_parent, run_folder
from grader.services import Engine
from grader.services.choose import IsolationChoice, Wanted, choose
from tests.zoo.attacks import LEVELS, OUTCOMES, Attack, all_attacks
from tests.zoo.hostile_grades import Found, at_least, held, held_together

Results = Mapping[str, Mapping[str, Found]]


def offered(wanted: Sequence[str], console: Console, image: str | None) -> dict[str, str]:
    """The levels that work here, with what they are made of."""
    found: dict[str, str] = {}
    url = find_engine()
    engine = None if url is None else Engine(url, {}, lambda _name: None)
    for level in wanted:
        asked: Wanted = (
            "self-check" if level == "self-check" else "bubblewrap" if level == "bubblewrap" else "container"
        )
        with tempfile.TemporaryDirectory(prefix="hostile-", dir=default_parent()) as place:
            Path(place).chmod(0o711)
            try:
                isolation = choose(IsolationChoice(asked, image=image), Path(place), lambda _line: None, engine)
            except EnvironmentFailed as problem:
                console.print(Text(f"{level} is left out: {line(str(problem))}", style="yellow"), soft_wrap=True)
                continue
            found[level] = isolation.detail
            isolation.sweep()
    return found


def make_conninfo_url(server: Server) -> str:
    """The address of a server that listens on a socket, as the grader takes it."""
    place = urlencode({"host": server.address.host, "port": server.address.port})
    return f"postgresql://{server.admin.user}:{server.admin.password}@/{server.maintenance}?{place}"


def table(attacks: Sequence[Attack], results: Results, levels: Mapping[str, str]) -> str:
    """The results as a table in Markdown, with what the levels were and how often each outcome was seen."""
    rows = ["| attack | " + " | ".join(levels) + " |", "|---" * (len(levels) + 1) + "|"]
    for attack in attacks:
        cells = (results[attack.name][level].outcome if level in results[attack.name] else "" for level in levels)
        rows.append(f"| {attack.name}: {attack.why} | " + " | ".join(cells) + " |")
    for outcome in OUTCOMES:
        counts = (Counter(results[a.name][level].outcome for a in attacks)[outcome] for level in levels)
        rows.append(f"| *{outcome}* | " + " | ".join(f"*{count}*" for count in counts) + " |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 when no attack came further than it may."""
    options = _parser().parse_args(arguments)
    try:
        with ended_by_signals():
            return run(options, Console(highlight=False))
    except Ended as ended:
        print(f"hostile: {ended}", file=sys.stderr)
        return ended.exit_status


def run(options: argparse.Namespace, console: Console) -> int:
    """Run what was asked for, and write the table."""
    attacks = [attack for attack in all_attacks() if not options.names or attack.name in options.names]
    levels = offered(options.levels, console, options.image)
    more = ("--service-image", options.image) if options.image else ()
    results: dict[str, dict[str, Found]] = {}
    worse = 0
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="hostile-", dir=default_parent()))
        Path(place).chmod(0o711)
        server = stack.enter_context(start_embedded(stack.enter_context(run_folder()), "for all attacks"))
        url = make_conninfo_url(server)
        together: dict[str, dict[str, Found]] = {}
        for level in levels:
            if quiet := [attack for attack in attacks if attack.is_quiet(level)]:
                together[level] = held_together(
                    quiet, level, Path(place), url=url, more=more if level == "container" else ()
                )
                console.print(f"{len(together[level])} of {len(quiet)} at once at {level}")
        for attack in attacks:
            results[attack.name] = {}
            for level in levels:
                found = together.get(level, {}).get(attack.name) or held(
                    attack, level, Path(place), url=url, more=more if level == "container" else ()
                )
                results[attack.name][level] = found
                is_fine = at_least(found.outcome, attack.outcome[level])
                worse += not is_fine
                style = "" if is_fine else "bold red"
                said = f"{attack.name}, {level}: {found.outcome} ({found.seconds:g} s): {line(found.why, 200)}"
                console.print(Text(said, style=style), soft_wrap=True)
            write(options.output, attacks[: len(results)], results, levels)
    console.print(
        f"{len(attacks)} attacks; the table: {options.output / 'hostile.md'}; {worse} came further than expected"
    )
    return 1 if worse else 0


def write(output: Path, attacks: Sequence[Attack], results: Results, levels: Mapping[str, str]) -> None:
    """The table, as JSON and as Markdown."""
    output.mkdir(parents=True, exist_ok=True)
    content = {
        "made_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.release()}",
        "levels": levels,
        "attacks": {name: {level: asdict(f) for level, f in found.items()} for name, found in results.items()},
    }
    write_atomically(output / "hostile.json", json.dumps(content, indent=1) + "\n")
    write_atomically(output / "hostile.md", table(attacks, results, levels))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.zoo.run_hostile", description="Run the attacks of the zoo."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone (default: all)")
    parser.add_argument(
        "--levels", nargs="+", choices=LEVELS, default=LEVELS, metavar="LEVEL", help="these levels alone"
    )
    parser.add_argument("--image", metavar="IMAGE", help="for the level container: what services run in")
    parser.add_argument("--output", type=Path, default=Path("reports/hostile"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
