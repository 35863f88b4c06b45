"""What goes to standard output: tables for people, one JSON object for programs.

Text that jobs wrote is shown with its control characters spelled out, so it can't drive a terminal.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

WIDTH = 80
"""Columns of a table where standard output is no terminal, or one that doesn't say."""


def open_streams() -> None:
    """Open standard streams that are closed, and have what an encoding lacks spelled out."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # this is the one that was closed: else a connection would get its number
    os.close(fd)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def kept_clear(clear: bool) -> Iterator[None]:
    """Have all that is written to standard output go to standard error, for the object."""
    if not clear:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def print_json(**nouns: Any) -> None:
    """Write the envelope with these in it, on one line, in ASCII."""
    click.echo(json.dumps({"schema": 1, **nouns}, default=str))


def say(text: str = "") -> None:
    """Write a line for people."""
    click.echo(text)


def note(text: str, hint: str = "") -> None:
    """Write to standard error what is no data: ``horus: ...``, and what to try."""
    for line in text.splitlines():
        click.echo(f"horus: {line}", err=True)
    if hint:
        click.echo(f"  try: {hint}", err=True)


def count(number: int, noun: str) -> str:
    """Write a count: ``1 job``, ``1,204 jobs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def jobs_wait(number: int) -> str:
    """Write how many jobs wait: ``1 job waits``, ``12 jobs wait``."""
    return f"{count(number, 'job')} wait{'s' * (number == 1)}"


def size(bytes_: int) -> str:
    """Write bytes for people: ``1.9GiB``."""
    number, unit = float(bytes_), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.1f}{unit}" if number < 10 and unit != "B" else f"{number:.0f}{unit}"


def clean(text: str) -> str:
    """Spell out what would drive a terminal; newlines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def wrap(text: str, room: int) -> list[str]:
    """Break a text into lines, but not at a hyphen: a path or a name is there to be copied."""
    return textwrap.wrap(text, room, break_on_hyphens=False)


def paint(text: str, colour: str) -> str:
    """Colour a text where people see it: on a terminal, without NO_COLOR."""
    plain = (
        not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    )
    return text if plain else click.style(text, fg=colour, bold=True)


def width() -> int:
    """Tell how wide a table may be: the terminal's width, or 80."""
    if not sys.stdout.isatty():
        return WIDTH
    try:
        return max(40, os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH)
    except OSError:
        return WIDTH


FAIR = 12
"""What a column keeps while another one is wider: enough to know a name by its beginning."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``right`` aligns numbers; one that has ``give`` may be cut, the highest first.

    One that is cut keeps ``least`` characters, and ``FAIR`` of them while another has more to give.
    """

    head: str
    right: bool = False
    give: int = 0
    least: int = 6


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Write a table with its heads."""
    for line in table(columns, rows, width()):
        say(line)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], most: int) -> list[str]:
    """Lay a table out in lines of at most ``most`` columns, without white space at their ends."""
    heads = [column.head for column in columns]
    cells = [heads, *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(_columns(row[at]) for row in cells) for at in range(len(columns))]
    giving = [at for at in range(len(columns)) if columns[at].give]
    giving.sort(key=lambda at: -columns[at].give)
    for fair, at in itertools.product((FAIR, 0), giving):
        over = sum(widths) + 2 * (len(columns) - 1) - most
        keeps = max(len(heads[at]), columns[at].least, fair, widths[at] - over)
        widths[at] = min(widths[at], keeps)
    return [_line(columns, row, widths)[: 4 * most].rstrip() for row in cells]


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    shown = []
    for column, cell, wide in zip(columns, row, widths, strict=True):
        text = _cut(cell, wide)
        gap = " " * (wide - _columns(text))
        shown.append(gap + text if column.right else text + gap)
    return "  ".join(shown)


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _columns(text: str) -> int:
    """Tell how many columns a text takes: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else _wide(c) for c in text)


def _wide(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, most: int) -> str:
    """Cut a text to so many columns; an ellipsis shows that something is missing."""
    if _columns(text) <= most:
        return text
    while _columns(text) > most - 1:
        text = text[:-1]
    return text + "…"


def fact(name: str, text: str) -> None:
    """Write a named fact; further lines of it stand under its first."""
    first, *rest = clean(text).rstrip("\n").split("\n")
    say(f"{name:<9} {first}".rstrip())
    for line in rest:
        say(f"{'':<9} {line}".rstrip())
