"""``--probe``: whether the service that runs with a file lives, or is ready. Asks no process.

The kernel tells whether it is there (its lock, its pid), its status file what its loop said last.
It is asked where it runs: in its container, on its host.
"""

from __future__ import annotations

import os
import re
import time
import tomllib
from pathlib import Path
from typing import Any

from horus_supervisor.config import content
from horus_supervisor.embedded import is_held
from horus_supervisor.supervisor import status

WITHIN_S = 10.0
"""A loop that has not turned for longer hangs: its longest wait is under a second."""

_STATE_DIR = re.compile(r"""^\s*state_dir\s*=\s*(["'])(.*?)\1""", re.M)


def probe(file: Path, what: str) -> int:
    """Say in one line whether a service is ``what``: ``live`` or ``ready``. 0: it is; 1: not."""
    try:
        good, text = ask(state_dir(file), what)
    except OSError as error:
        good, text = False, f"{error.filename or file}: {error.strerror}"
    print(f"{what}: {text}" if good else f"not {what}: {text}")
    return 0 if good else 1


def ask(folder: Path, what: str, within_s: float = WITHIN_S) -> tuple[bool, str]:
    """Tell whether the service of a state folder is live or ready, and what there is to say."""
    if not is_held(folder / "lock"):
        return False, f"no service runs on {folder}"
    told = status.read(folder)
    since_s = time.monotonic() - told.turned_at if told else 0.0
    if told is None or since_s < 0:  # said before the machine started anew
        return False, "the service starts, and has not turned its loop yet"
    if not _is_there(told.pid):
        return False, f"the supervisor (pid {told.pid}) is gone"
    if since_s > within_s:
        return (
            False,
            f"the loop of the supervisor (pid {told.pid}) stands still for {since_s:.0f} s",
        )
    return told.ready or what == "live", told.text


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def state_dir(file: Path) -> Path:
    """Find a file's state folder. Mistakes elsewhere in it end no service that runs, so none here.

    Raises ``OSError``.
    """
    text = content.content(file).decode("utf-8-sig", "replace")
    named: Any = None
    try:
        named = tomllib.loads(text).get("supervisor", {}).get("state_dir")
    except (ValueError, AttributeError, RecursionError):
        if found := _STATE_DIR.search(text):
            named = found[2]
    return content.state_dir(file, named)
