"""What is said of a text that is no TOML: the line, the column, what to do.

Quotes ``tomllib`` and keys, never a value: it may be a password.
"""

from __future__ import annotations

import re

from horus_supervisor.config.lines import Lines, scan
from horus_supervisor.errors import Mistake

_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_BARE_UNIT = re.compile(r"\s*([\w.\"-]+)\s*=\s*([0-9][0-9_.]*\s?(?:ms|[smhd]|[kKMGT]?i?B)\w*)")

_QUOTED_KEY = "a name with other characters than A-Z a-z 0-9 _ - needs quotes"
_CLOSE = "a string ends on its line, with the quotes it began with; over more lines with three"
_REMEDIES = {
    "Expected newline": "a line holds one key = value; a string has quotes around it",
    "Expected '='": "write key = value, or [table]",
    "Expected ']": f"write [name]; {_QUOTED_KEY}",
    "Expected ": _CLOSE,
    "Found invalid character": _CLOSE,
    "Illegal character": _CLOSE,
    "Unterminated string": _CLOSE,
    "Invalid statement": "a line is [table], key = value or # a comment",
    "Invalid initial character for a key": _QUOTED_KEY,
    "Invalid value": 'a value is "a string", a number, true, false, [an array] or {a = "table"}',
    "Invalid date": "write 2026-08-24, or a string",
    "Invalid hex": r"write \uXXXX with four hexadecimal digits, or the character itself",
    "Unclosed array": "put commas between its values and ] behind the last",
    "Unclosed inline table": "put commas between its pairs and } behind the last, on the same line",
    "Unescaped '\\'": r"write \\ for a backslash, or put the string in 'single quotes'",
}
"""How tomllib's message begins -> what to do; the first that fits."""

_AGAIN = ("Cannot ", "Duplicate ")
_REMEDIES |= dict.fromkeys(_AGAIN, "keep one of them")


def syntax_mistake(file: str, text: str, error: Exception) -> Mistake:
    """Tell where the TOML breaks off, and how to mend it."""
    found = _PLACE.fullmatch(str(error))
    if found is None:  # a number of 5,000 digits, [[[[…
        return Mistake(file, f"not TOML: {error}")
    lines, rows = scan(text), text.rstrip().split("\n")
    if found[2]:
        line, column = int(found[2]), int(found[3])
    else:
        line, column = len(rows), len(rows[-1]) + 1
    what, remedy = found[1], _remedy(found[1])
    if lines.unclosed and (not found[2] or what.startswith("Unterminated")):
        begun = f"not TOML: {what}: the value that begins here has no end"
        return Mistake(file, f"{begun}: {remedy}", lines.unclosed)
    if what.startswith(_AGAIN) and (again := _again(lines, line)):
        return Mistake(file, f"not TOML: {again}: {remedy}", line, column)
    if slip := _BARE_UNIT.match(text.split("\n")[line - 1]):
        remedy = f'durations and sizes are strings: write {slip[1]} = "{slip[2]}"'
    return Mistake(file, ": ".join(filter(None, ["not TOML", what, remedy])), line, column)


def _again(lines: Lines, line: int) -> str | None:
    """Say what this line names a second time, and where it stood first."""
    twice = lines.twice(line)
    if twice is None:
        return None
    path, first = twice
    name = ".".join(str(part) for part in path if isinstance(part, str))
    return f"{name} is there already, on line {first}"


def _remedy(message: str) -> str:
    return next((what for begin, what in _REMEDIES.items() if message.startswith(begin)), "")
