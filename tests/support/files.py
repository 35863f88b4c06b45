"""Files that a running service reads while a test writes them."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that each look finds whole, as it was or as it is: by a rename."""
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)
