"""The line of each key, against documents that are written here key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from horus_supervisor.config.lines import DEEPEST, Lines, scan
from tests.support.patience import BUSY

ROOT = Path(__file__).resolve().parents[2]

Where = dict[tuple[str | int, ...], int]

NAMES = st.sampled_from(["a", "b-1", "_", "9", "a.b", "x y", "é", 'q"', "=", "[x]", "#", "", "\\n"])
STRINGS = st.sampled_from(
    [
        *('"x"', "''", r'"\"] # a = 1 \\"', "'[x] = \"'", '""', "'\\'"),
        *('"""a"""', '"""""a\\""""""', "''''''''", '"""\r\n"""'),
        *('"""\n[redis]\nurl = 1 # \\\n"""', "'''\n\\[x]\ny = '1'\n'''"),
    ]
)
SCALARS = STRINGS | st.sampled_from(
    ["1", "0x1F", "1_0.5e-3", "inf", "true", "2026-01-01 07:00:00.5+01:00"]
)
GAPS = st.sampled_from(["", " ", "\t", "\n", "\r\n", " # ] } a = 1\n", "\n\n# [x]\n"])
KEY_GAPS = st.sampled_from(["", " ", "\t "])
ENDS = st.sampled_from(["\n", "\r\n", " # x = [\n", "\n\n  \t", "\n# [a]\n#b = 1\n"])


class Writer:
    """Writes a document piece by piece, and notes on which line each key came to stand."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.text = ""
        self.where: Where = {}

    def put(self, text: str) -> None:
        self.text += text

    def gap(self, gaps: st.SearchStrategy[str]) -> None:
        self.put(self._draw(gaps))

    def note(self, *path: str | int) -> None:
        self.where.setdefault(path, self.text.count("\n") + 1)

    def key(self, *names: str) -> None:
        """Write a dotted key, each part in one of the ways in which it can be written."""
        for at, name in enumerate(names):
            if at:
                self.gap(KEY_GAPS)
                self.put(".")
                self.gap(KEY_GAPS)
            bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            ways = [f'"{escaped}"', '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"']
            ways += [f"'{name}'"] + [name] * bare
            self.put(self._draw(st.sampled_from(ways)))

    def names(self) -> list[str]:
        """Draw names of a table, none twice."""
        return self._draw(st.lists(NAMES, unique=True, max_size=4))

    def pairs(self, table: tuple[str | int, ...], depth: int, end: st.SearchStrategy[str]) -> None:
        """Write the pairs of a table, some with dots."""
        for at, name in enumerate(self.names()):
            if at and end is not ENDS:
                self.put(",")
            self.gap(KEY_GAPS)
            dotted = [name, *self._draw(st.lists(NAMES, max_size=2))]
            for length in range(len(dotted)):
                self.note(*table, *dotted[: length + 1])
            self.key(*dotted)
            self.gap(KEY_GAPS)
            self.put("=")
            self.gap(KEY_GAPS)
            self.value((*table, *dotted), depth)
            self.gap(end)

    def value(self, path: tuple[str | int, ...], depth: int) -> None:
        kind = self._draw(st.sampled_from(["scalar", "array", "table"] if depth else ["scalar"]))
        if kind == "scalar":
            self.put(self._draw(SCALARS))
        elif kind == "table":
            self.put("{")
            self.pairs(path, depth - 1, KEY_GAPS)
            self.put(" }")
        else:
            self.put("[")
            count = self._draw(st.integers(0, 3))
            for at in range(count):
                self.gap(GAPS)
                self.note(*path, at)
                self.value((*path, at), depth - 1)
                self.gap(GAPS)
                self.put("," if at < count - 1 or self._draw(st.booleans()) else "")
            self.gap(GAPS)
            self.put("]")

    def header(self, table: tuple[str, ...], item: int | None) -> tuple[str | int, ...]:
        """Write ``[table]``, or the header of an item of an array of tables."""
        brackets = 1 if item is None else 2
        path: tuple[str | int, ...] = table
        for length in range(len(table)):
            self.note(*table[: length + 1])
        if item is not None:
            path = (*table, item)
            self.note(*path)
        self.put("[" * brackets)
        self.gap(KEY_GAPS)
        self.key(*table)
        self.gap(KEY_GAPS)
        self.put("]" * brackets)
        self.put(self._draw(ENDS))
        return path


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Where]:
    """Draw a document with the line of each of its keys."""
    writer = Writer(draw)
    writer.gap(GAPS)
    writer.pairs((), 2, ENDS)
    used = {path[0] for path in writer.where}
    for name in writer.names():
        if name in used:
            continue
        rest = tuple(draw(st.lists(NAMES, max_size=2)))
        items = draw(st.sampled_from([None, 1, 3]))
        for item in [None] if items is None else range(items):
            path = writer.header((name, *rest), item)
            writer.pairs(path, 2, ENDS)
            if item is not None and draw(st.booleans()):  # a table in this item
                inner = tuple(step for step in path if isinstance(step, str))
                sub = (*path, "sub of the item")
                writer.note(*sub)
                writer.put("[")
                writer.key(*inner, "sub of the item")
                writer.put("]\n")
                writer.pairs(sub, 1, ENDS)
    return writer.text, writer.where


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of everything that ``tomllib`` found."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in inside:
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, step))


@settings(max_examples=40, **BUSY)
@given(documents())
def test_each_key_of_a_document_is_found_on_the_line_where_it_was_written(
    document: tuple[str, Where],
) -> None:
    text, where = document
    found = scan(text).found
    assert found == where
    assert set(found) == set(paths(tomllib.loads(text)))


@settings(**BUSY)
@given(st.text() | st.text(alphabet="a.=[]{}'\"\\#,\n 1é"))
@example("a = [" * 20_000)
@example("[" * 20_000)
@example("a" + ".a" * 20_000 + " = 1")
@example('a = """' + "\\" * 20_000)
@example('"\\x" = 1')
@example("a = {")
@example("a =")
def test_whatever_the_text_is_the_scan_ends(text: str) -> None:
    lines = scan(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.found.values())


@settings(max_examples=40, **BUSY)
@given(documents(), st.data())
def test_half_a_document_has_the_lines_of_the_whole(
    document: tuple[str, Where], data: st.DataObject
) -> None:
    text, where = document
    found = scan(text[: data.draw(st.integers(0, len(text)))]).found
    cut = {path for path in found if path not in where}  # a bare key that was cut in two
    assert len(cut) <= 1
    assert {path: where[path] for path in found.keys() - cut}.items() <= where.items()


@pytest.mark.parametrize("file", [*ROOT.glob("*.toml"), *ROOT.glob("deploy/**/*.toml")], ids=str)
def test_every_key_of_our_own_files_is_found(file: Path) -> None:
    text = file.read_text()
    assert set(scan(text).found) == set(paths(tomllib.loads(text)))


def test_a_key_that_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    lines = scan("\n[groups.a]\nrunners = 1\n")
    assert lines.of("groups", "a", "queues") == 2
    assert lines.of("log", "level") is None


def test_what_lies_too_deep_has_the_line_of_what_holds_it() -> None:
    lines = scan("\n" + ".".join("a" * 40) + " = 1")
    assert max(map(len, lines.found)) == DEEPEST
    assert lines.of(*("a" * 40)) == 2


@pytest.mark.parametrize(
    ("text", "line", "twice"),
    [
        ("a = 1\nb = 1\na = 2", 3, (("a",), 1)),
        ("[a]\n[b]\n[a]", 3, (("a",), 1)),
        ("a = 1\n[a.b]", 2, (("a",), 1)),
        ("[a]\nb.c = 1\n[a.b]", 3, (("a", "b"), 2)),
        ("[a]\nb = '''\nx\n'''\nb = '''\n'''", 6, (("a", "b"), 2)),
        ("a = 1\nb = 1", 2, None),
        ("", 1, None),
    ],
)
def test_what_is_there_twice_is_found_with_its_first_line(
    text: str, line: int, twice: tuple[tuple[str, ...], int] | None
) -> None:
    assert scan(text).twice(line) == twice
    assert Lines().twice(line) is None
