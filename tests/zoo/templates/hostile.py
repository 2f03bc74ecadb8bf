"""What an attack is aimed at, and how it tells what came of it. Copied into every hostile submission."""

import contextlib
import json
import sys
from pathlib import Path

targets = json.loads(Path(__file__).with_name("targets.json").read_text())


def succeeded(how):
    """The attack got what it wanted."""
    _tell("succeeded", how)


def refused(why):
    """It did not."""
    _tell("refused", why)


def contained(how):
    """It did something that is to have no effect on anybody else; others see whether it had."""
    _tell("contained", how)


def attempt(action):
    """Tell what came of an action that is refused by an exception, or not at all."""
    try:
        action()
    except Exception as problem:
        refused(f"{type(problem).__name__}: {problem}")
    else:
        succeeded("done")


def daemon_command():
    """A program for a daemon, with arguments by which it is found if it is left."""
    return sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(240)", targets["token"]]


def succeeded_in_the_grader(name):
    """Where a module of the submission's is imported by somebody who may write what a service may not."""
    with contextlib.suppress(OSError):
        Path(targets["canary"], f"imported-{name}").write_text("x")


def run_all(folder):
    """Run every attack in a folder, one after the other, each under its own name."""
    for path in sorted(Path(folder).glob("*.py")):
        _name.append(f"[{path.stem}] ")
        try:
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": path.stem})
        except Exception as problem:
            _tell("failed", f"{type(problem).__name__}: {problem}")
        _name.pop()


_name = []
"""Whose attack it is, where several run in one submission."""


def _tell(word, text):
    print(f"ATTACK {''.join(_name)}{word}: {text}", file=sys.stderr, flush=True)
