"""Imports of the package point down, and the walls hold (``docs/design.md`` has the plan)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "horus_supervisor"

FLOORS = {
    6: "cli",
    5: "web testing",
    4: "supervisor template runner keeper guard",
    3: "client async_client enqueue tries protocol",
    2: "store",
    1: "job config crash_record scoreboard backoff logs events messages channel embedded"
    " ids address imports",
    0: "badge fresh linux proc lifecycle clock errors stacks",
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}

NEIGHBOURS = {("template", "runner")}
"""Imports between rooms of floor 4: none but these."""

WALLS = {
    "supervisor": "store client job redis hiredis subprocess threading asyncio",
    "guard": "store client job redis hiredis threading asyncio",
    "store": "job psutil structlog",
    "keeper": "job redis hiredis",
    "runner": "redis",
    "template": "redis",
    "job": "redis hiredis psutil",
    "imports": "job config redis hiredis psutil",
    "config": "job redis hiredis psutil",
}
"""Room -> what it must not import, of ours or of others', though the floors would let it."""

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(file: Path) -> list[tuple[int, str]]:
    """Every import in a file, those inside functions too: its line, and a room or a package."""
    return list(_imports(file))


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            yield node.lineno, rest[0] if first == PACKAGE.name and rest else first


def test_imports_point_down_and_the_walls_hold() -> None:
    for file in FILES:
        room = room_of(file)
        if room == "__init__":
            continue  # finds public names wherever they are, at first use
        assert room in FLOOR, f"{room} has no floor yet: give it one in FLOORS"
        for line, name in imports(file):
            where = f"{file.relative_to(PACKAGE)}:{line} imports {name}"
            assert name not in WALLS.get(room, "").split(), f"{where}, behind a wall"
            if name in FLOOR and name != room and name not in sys.stdlib_module_names:
                assert FLOOR[name] <= FLOOR[room], f"{where}, which is upstairs"
                same_floor = FLOOR[name] == FLOOR[room] == 4
                assert not same_floor or (room, name) in NEIGHBOURS, f"{where}, a neighbour"


@pytest.mark.parametrize(
    ("package", "users"),
    [
        (
            "redis",
            {
                *("store/connection.py", "store/async_connection.py"),
                *("store/links.py", "store/exchange.py"),
                *("client.py", "async_client.py"),  # a caller may bring a client
            },
        ),
        ("hiredis", {"store/wire.py"}),
    ],
)
def test_few_modules_know_a_redis_library(package: str, users: set[str]) -> None:
    found = {
        str(file.relative_to(PACKAGE))
        for file in FILES
        if package in file.read_text()
        for _, name in imports(file)
        if name == package
    }
    assert found <= users
