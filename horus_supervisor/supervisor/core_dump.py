"""Where the kernel has put a core dump, as far as that can be known. core(5).

A path is told only where such a file is there and was written since the process was born.
"""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import stat
from pathlib import Path

_PATTERN = Path("/proc/sys/kernel/core_pattern")
_USES_PID = Path("/proc/sys/kernel/core_uses_pid")


def find(pid: int, signal: int, born_wall: float) -> tuple[str | None, str | None]:
    """Tell a core's path, and what is known where there is none.

    A relative pattern means the working folder, which our children share; a deploy may have
    removed it.
    """
    try:
        pattern = os.fsdecode(_PATTERN.read_bytes()).strip()
        uses_pid = _USES_PID.read_text().strip() != "0"
    except OSError:
        return None, None
    if pattern.startswith("|"):
        program = pattern[1:].split(" ")[0]
        return None, f"its core was handed to {_written(program)}"
    paths = glob.glob(as_glob(pattern, uses_pid, pid, signal))
    found = [path for path in paths if _is_new(path, born_wall - 1)]
    return (_written(os.path.abspath(found[0])), None) if len(found) == 1 else (None, None)


def _is_new(path: str, since: float) -> bool:
    with contextlib.suppress(OSError):  # it may be fetched away at once
        status = os.stat(path)
        return stat.S_ISREG(status.st_mode) and status.st_mtime >= since
    return False


def _written(path: str) -> str:
    """Write a path as JSON can: ``%e`` is a name cut at 15 bytes, maybe within a character."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def as_glob(pattern: str, uses_pid: bool, pid: int, signal: int) -> str:
    """Turn the kernel's pattern into one for files; what we can't know becomes ``*``."""
    known = {"p": str(pid), "s": str(signal), "h": socket.gethostname(), "%": "%"}
    known |= {"u": str(os.getuid()), "g": str(os.getgid())}
    text, rest = "", iter(pattern)
    for character in rest:
        if character != "%":
            text += glob.escape(character)
        elif specifier := next(rest, ""):  # a lone % at the end is dropped, as by the kernel
            text += glob.escape(known[specifier]) if specifier in known else "*"
    if uses_pid and "%p" not in pattern:
        text += f".{pid}"
    return text
