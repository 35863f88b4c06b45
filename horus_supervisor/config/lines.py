"""The line of each key of a TOML text, which ``tomllib`` does not tell.

Passes over the text once: keys are read, values are only skipped. Never raises: what is no TOML
ends the scan, and all before it is known. Property-tested against generated documents, whose keys
it must find where they were written, and all of which ``tomllib`` finds.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys from the outermost inwards; an int is the place in an array."""

DEEPEST = 16
"""Levels that are told apart; ours has four. What lies deeper has the line of what holds it."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_COMMAS = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
_STRINGS = (
    r'"""(?:[^\\]|\\.)*?""""{0,2}',  # two quotes may stand before the closing three
    r"'''.*?''''{0,2}",
    r'(?!""")"(?:[^"\\\n]|\\.)*"',
    r"(?!''')'[^'\n]*'",
)
_BARE = r"[^\s,\]}#\"'\[{][^,\]}#\n]*"
_VALUE = re.compile("|".join((*_STRINGS, _BARE)), re.DOTALL)


@dataclass(slots=True)
class Lines:
    """Where the keys of a text stand: ``found`` has each with the first line that names it."""

    found: dict[Path, int] = field(default_factory=dict)
    named: list[tuple[Path, int]] = field(default_factory=list)
    """Every key and header in the order of the text, with its line."""
    unclosed: int | None = None
    """The line of the key whose value has no end, where the scan came to one."""

    def of(self, *path: str | int) -> int | None:
        """Tell the line of a key, or else of the nearest that holds it; None: there is none."""
        while path and path not in self.found:
            path = path[:-1]
        return self.found.get(path)

    def twice(self, line: int) -> tuple[Path, int] | None:
        """Tell what the last statement up to ``line`` names again, and where it stood before."""
        for path, at in reversed(self.named):
            if at <= line:
                earlier = (path[:end] for end in range(len(path), 0, -1))
                found = ((p, self.found[p]) for p in earlier if self.found.get(p, at) < at)
                return next(found, None)
        return None


def scan(text: str) -> Lines:
    """Find the lines of all keys, as far as the text is TOML."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    """One pass over one text; ``_at`` is where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._items: dict[Path, int] = {}  # arrays of tables: their last item
        self.lines = Lines()

    def document(self) -> None:
        """Pass over headers and pairs."""
        table: Path = ()
        while self._skip(_SPACE) and self._at < len(self._text):
            if self._text[self._at] == "[":
                header = self._header()
                if header is None:
                    return
                table = header
            elif not self._pair(table):
                return

    def _header(self) -> Path | None:
        """Pass over ``[a.b]`` or ``[[a.b]]``; tell which table begins."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        line = self._line()
        self._at += brackets
        parts = self._key()
        if not parts or not self._text.startswith("]" * brackets, self._at):
            return None
        self._at += brackets
        path: Path = ()
        for part in parts[:-1]:
            path = self._name(path, part, line)
            if path in self._items:
                path = _under(path, self._items[path])
        path = self._name(path, parts[-1], line)
        if brackets == 2:
            self._items[path] = self._items.get(path, -1) + 1
            path = self._name(path, self._items[path], line)
        else:
            self.lines.named.append((path, line))
        return path

    def _pair(self, table: Path) -> bool:
        """Pass over ``key = value`` in a table; False where that is not what is there."""
        line = self._line()
        path = self._named_key(table)
        if path is None or self._value(path):
            return path is not None
        self.lines.unclosed = line
        return False

    def _value(self, path: Path) -> bool:
        """Pass over a value and all in it, without recursion: arrays nest deeper than Python."""
        holders: list[tuple[Path, int | None]] = []  # an array with its next place, or a table
        while self._skip(_SPACE):
            match self._text[self._at : self._at + 1]:
                case "[":
                    holders.append((path, 0))
                    self._at += 1
                case "{":
                    holders.append((path, None))
                    self._at += 1
                case _ if not self._skip(_VALUE):
                    return False
            inner = self._next(holders)
            if not holders:
                return True
            if inner is None:
                return False
            path = inner
        return False

    def _next(self, holders: list[tuple[Path, int | None]]) -> Path | None:
        """Close what is closed here; name what comes next in what is still open."""
        while holders and self._skip(_COMMAS):
            if self._text[self._at : self._at + 1] in ("]", "}"):
                holders.pop()
                self._at += 1
                continue
            path, place = holders[-1]
            if place is None:
                return self._named_key(path)
            holders[-1] = (path, place + 1)
            return self._name(path, place, self._line())
        return None

    def _named_key(self, table: Path) -> Path | None:
        """Pass over ``a.b =``, and name the key and what its dots open."""
        line = self._line()
        parts = self._key()
        if not parts or not self._text.startswith("=", self._at):
            return None
        self._at += 1
        path = table
        for part in parts:
            path = self._name(path, part, line)
        self.lines.named.append((path, line))
        return path

    def _key(self) -> list[str]:
        """Pass over ``a."b".c``; nothing where there is no key."""
        parts: list[str] = []
        while found := _PART.match(self._text, self._at):
            self._at = found.end()
            parts.append(_unquoted(found[1]))
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1
        return []

    def _name(self, path: Path, part: str | int, line: int) -> Path:
        path = _under(path, part)
        self.lines.found.setdefault(path, line)
        return path

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found is not None

    def _line(self) -> int:
        return bisect.bisect_left(self._ends, self._at) + 1


def _under(path: Path, part: str | int) -> Path:
    return path if len(path) == DEEPEST else (*path, part)


def _unquoted(part: str) -> str:
    if part.startswith("'"):
        return part[1:-1]
    if not part.startswith('"'):
        return part
    try:
        return str(tomllib.loads(f"k = {part}")["k"])
    except tomllib.TOMLDecodeError:  # an escape that there is not
        return part[1:-1]
