"""What is mutated, and by which tests its mutants are to be killed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DRIVING_TYPES = frozenset({"Lab", "Api", "Worker", "HeldWorker"})
"""A function that is given one of these drives services: only a grade can kill its mutants, not a unit test."""


@dataclass(frozen=True, slots=True)
class Group:
    """Modules with one subject. ``modules`` and ``tests`` are patterns from the project's folder."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    def files(self, root: Path) -> list[Path]:
        """The modules, from the project's folder."""
        return sorted({path.relative_to(root) for pattern in self.modules for path in root.glob(pattern)})

    def test_files(self, root: Path) -> list[Path]:
        """The tests, from the project's folder."""
        return sorted({path.relative_to(root) for pattern in self.tests for path in root.glob(pattern)})


GROUPS = (
    Group(
        "checks",
        ("grader/checkpoints/*.py", "grader/judgement.py"),
        ("tests/unit/test_checks*.py", "tests/unit/test_explore_checks.py", "tests/unit/test_labs.py"),
    ),
    Group(
        "judging",
        ("grader/judging.py", "grader/history/[!_]*.py", "grader/saved.py"),
        (
            "tests/unit/test_judging.py",
            "tests/unit/test_history*.py",
            "tests/unit/test_saved.py",
            "tests/unit/test_checks*.py",
        ),
    ),
    Group(
        "exploring",
        tuple(
            f"grader/explore/{name}.py"
            for name in (
                "counterexample",
                "life",
                "minimise",
                "point_rules",
                "rounds",
                "rules",
                "search",
                "visible",
            )
        ),
        ("tests/unit/test_explore_*.py",),
    ),
    Group(
        "wire",
        tuple(f"grader/wire/{name}.py" for name in ("framing", "messages", "steps", "transaction")),
        ("tests/unit/test_wire_*.py",),
    ),
)


def driving_lines(source: str) -> set[int]:
    """The lines of functions that drive services, with their decorators."""
    lines: set[int] = set()
    for function in _functions(ast.parse(source)):
        if _drives(function):
            first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
            lines.update(range(first, (function.end_lineno or first) + 1))
    return lines


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _drives(function: ast.FunctionDef) -> bool:
    arguments = (*function.args.args, *function.args.kwonlyargs)
    annotations = (ast.unparse(a.annotation) for a in arguments if a.annotation is not None)
    return any(annotation in DRIVING_TYPES for annotation in annotations)
