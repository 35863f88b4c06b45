"""The rules of the house that a program can check; the others are for readers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("horus_supervisor", "tests", "examples", "bench", "reference")

TO_COPY = "horus_supervisor/cli/first"
"""What ``horus init`` writes for others."""

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def ours() -> Iterator[Path]:
    """Every text file of the project: none that is made, none of a hidden folder but ``.ci``."""
    made = {"var", "build", "dist", "__pycache__", ".git"}
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") for part in parts[:-1] if part != ".ci")
        egg = any(part.endswith(".egg-info") for part in parts)
        if path.is_file() and not (hidden or egg or made & set(parts)):
            yield path


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_one_place_in_the_tests_sleeps() -> None:
    """Waiting for a condition is ``wait_until``; the jobs in ``apps/`` are what is waited for."""
    sleeping = [
        f"{where(path)}:{node.lineno}"
        for path in python_files("tests")
        if "apps" not in path.parts and "sleep" in path.read_text()  # what no tree need be made of
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (isinstance(f := node.func, ast.Attribute | ast.Name))
        and (f.attr if isinstance(f, ast.Attribute) else f.id) == "sleep"
    ]
    assert [place.split(":")[0] for place in sleeping] == ["tests/support/waiting.py"], sleeping


def test_no_file_names_a_package_registry() -> None:
    hosts = "|".join(
        ["py" + r"pi\.org", "python" + "hosted", r"registry\.np" + "mjs", "np" + r"mjs\.org"]
    )
    named = [where(path) for path in ours() if re.search(hosts, path.read_text(errors="replace"))]
    assert named == []


def test_files_are_short_enough_to_be_read() -> None:
    lengths = {where(p): len(p.read_text().splitlines()) for p in python_files(*CODE)}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_functions_fit_on_a_screen() -> None:
    long = {}
    for path in python_files("horus_supervisor", "examples", "bench", "reference"):
        for node in ast.walk(tree(path)):
            if isinstance(node, Function):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{where(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        where(path)
        for path in python_files(*CODE)
        if (text := path.read_text()).strip() and not re.match(r'(#.*\n|\n)*"""[^"]', text)
    ]
    assert silent == []


def test_no_except_is_bare() -> None:
    """Whoever means everything, ``SystemExit`` too, writes ``BaseException``."""
    bare = [
        f"{where(path)}:{node.lineno}"
        for path in python_files(*CODE)
        if re.search(r"\bexcept\s*:", path.read_text())
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_each_room_is_a_package() -> None:
    """A zip and who freezes programs do not find one without ``__init__.py``."""
    rooms = {path.parent for path in python_files("horus_supervisor")} - {ROOT / TO_COPY}
    assert [where(room) for room in rooms if not (room / "__init__.py").exists()] == []
