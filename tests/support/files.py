"""Files that a running service reads while a test writes them, and some that nobody may see."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def write_whole(path: Path, text: str) -> None:
    """Write a file that each look finds whole, as it was or as it is: by a rename."""
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)


def refuse_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody in this process look into a folder, as if it were another user's: root neither."""

    def but_there(look: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Any, *how: Any, **more: Any) -> Any:
            if str(path).startswith(f"{folder}/"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return look(path, *how, **more)

        return refuse

    monkeypatch.setattr(os, "stat", but_there(os.stat))
    monkeypatch.setattr(os, "open", but_there(os.open))
