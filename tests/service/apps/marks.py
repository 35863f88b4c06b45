"""Marks that jobs leave in files."""

from __future__ import annotations

import os
from pathlib import Path


def mark(path: str, text: str = "") -> None:
    """Add a line to a file: one write, so that it is whole."""
    with open(path, "a") as file:
        file.write(f"{text or os.getpid()}\n")


def marks(path: str) -> list[str]:
    """The lines of a file."""
    return Path(path).read_text().splitlines() if os.path.exists(path) else []
