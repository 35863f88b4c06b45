"""Markdown that all pages are made of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

_MADE = "<!-- Made from the code by `python -m reference`: change the code, then run that. -->"


def made(text: str) -> str:
    """Finish a page: say where it comes from, end it with one newline."""
    return f"{_MADE}\n\n{text.strip()}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a table; what stands in a cell stays in it."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines).replace("|  |", "| |")


def prose(docstring: str | None) -> str:
    """Turn a docstring into Markdown: quoted names, examples after ``::``."""
    text = inspect.cleandoc(docstring or "").replace("``", "`")
    parts, example = [], False
    for part in re.split(r"\n{2,}", text):
        if example and part.startswith("    "):
            parts.append(part.replace("\n    ", "\n").removeprefix("    "))
            continue
        if example:
            parts[-1] += "\n```"
            example = False
        if part.strip() == "::":
            parts.append("```python")
            example = True
        else:
            parts.append(part)
    text = "\n\n".join(parts) + ("\n```" if example else "")
    return re.sub(r"^```python\n\n", "```python\n", text, flags=re.MULTILINE)
