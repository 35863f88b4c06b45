"""Settings come from the TOML file and the command line; the environment says three things.

And systemd speaks by it (sd_notify(3)): that is no setting.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "horus_supervisor"

SETTINGS = {"HORUS_CONFIG", "HORUS_URL", "NO_COLOR"}
TERMINAL = {"TERM"}
"""Says what a terminal can do, and nothing of Horus."""

SYSTEMD = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

HANDED_ON = {"supervisor/children.py", "runner/household.py", "runner/settings.py"}
"""Where the whole environment is given to a child, set for jobs, or put back after one."""

NAMES = {"environ", "environb", "getenv", "getenvb"}


def reads(tree: ast.AST) -> Iterator[str]:
    """Every read of the environment: the name that is asked for, or ``*`` for any other use."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from ("*" for alias in node.names if alias.name in NAMES)
        if not (isinstance(node, ast.Attribute) and node.attr in NAMES):
            continue
        around = parents[node]
        if isinstance(around, ast.Attribute) and around.attr in ("get", "pop"):
            around = parents[around]
        match around:
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Subscript(slice=ast.Constant(value=str(name))):
                yield name
            case ast.Compare(left=ast.Constant(value=str(name))):
                yield name
            case _:
                yield "*"


@cache
def found() -> dict[str, set[str]]:
    """File -> what it reads of the environment."""
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    asking = {name: text for name, text in texts.items() if any(word in text for word in NAMES)}
    return {name: set(reads(ast.parse(text))) for name, text in asking.items()}


def test_three_settings_are_read_from_the_environment_and_no_other() -> None:
    named = {name for names in found().values() for name in names} - {"*"}
    assert named - TERMINAL - SYSTEMD == SETTINGS


def test_the_whole_environment_is_only_handed_on() -> None:
    assert {file for file, names in found().items() if "*" in names} == HANDED_ON


def test_no_option_of_a_command_is_read_from_the_environment() -> None:
    pattern = re.compile(r"auto_envvar_prefix|\benvvar\b|show_envvar")
    assert [str(p) for p in PACKAGE.rglob("*.py") if pattern.search(p.read_text())] == []


def test_each_way_to_read_the_environment_is_seen() -> None:
    ways = ["os.environ['A']", "os.environ.get('A')", "os.getenv('A', '')", "'A' in os.environ"]
    ways += ["os.environ.pop('A', '')"]
    assert [set(reads(ast.parse(way))) for way in ways] == [{"A"}] * len(ways)
    whole = ["from os import environ", "dict(os.environ)", "os.environ[name]", "os.getenv(name)"]
    assert [set(reads(ast.parse(way))) for way in whole] == [{"*"}] * len(whole)
