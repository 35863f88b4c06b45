"""What ``/proc`` tells of a process, ours or another. Answers may be old; who is gone has none.

Never decides anything: callers say what it means. proc(5) and its pages have the formats.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")


def memory_use(pid: int) -> tuple[int, int] | None:
    """Tell what a process's page faults may have brought it so far, and its resident size.

    Bytes; one read, 15 microseconds. A page becomes private at a fault, but for those that come
    several at once, as huge pages, and make the resident size grow.
    """
    try:
        fields = _stat(pid)
    except OSError:  # it was reaped
        return None
    return (int(fields[7]) + int(fields[9])) * _PAGE, int(fields[21]) * _PAGE


def started(pid: int) -> tuple[int, int]:
    """Tell when a process began, to compare: ticks since the machine did, and its pid in a tick.

    A child's pid is lower than its parent's where the numbers began anew in between. proc(5). Who
    is gone, or may not be looked at, is the last to have begun.
    """
    with contextlib.suppress(OSError):
        return int(_stat(pid)[19]), pid
    return sys.maxsize, pid


def lives(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    with contextlib.suppress(OSError):
        return _stat(pid)[0] not in (b"Z", b"X")
    return False


def _stat(pid: int) -> list[bytes]:
    """Give the fields of ``/proc/PID/stat`` from the state on, which is the third."""
    fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)  # a ``Path`` would take 50 microseconds
    try:
        return os.read(fd, 1024).rpartition(b")")[2].split()
    finally:
        os.close(fd)


def _text(pid: int, file: str) -> str:
    """Read a file of a process. Its name may be in there, cut at 15 bytes within a character."""
    return Path(f"/proc/{pid}/{file}").read_bytes().decode("utf-8", "replace")


def doing(pid: int) -> str | None:
    """Say what the kernel sees a process do: its state, where it waits, in which system call.

    And who traces it: a debugger keeps it from going on, and from ending.
    """
    with contextlib.suppress(OSError):
        status = _text(pid, "status")
        found = re.search(r"^State:\s+(.*)$", status, re.MULTILINE)
        parts = [f"state {found[1]}"] if found else []
        if tracer := re.search(r"^TracerPid:\s+([1-9]\d*)$", status, re.MULTILINE):
            parts.append(f"traced by {name(int(tracer[1]))} (pid {tracer[1]})")
        for file in ("wchan", "syscall"):
            with contextlib.suppress(OSError):  # another user's, or a kernel that doesn't tell
                text = _text(pid, file).strip()
                if text not in ("", "0", "running"):
                    parts.append(f"{file} {text}")
        return ", ".join(parts) or None
    return None


def dumps_core(pid: int) -> bool:
    """Tell whether the kernel is writing a process's core dump; a SIGKILL would cut it short."""
    with contextlib.suppress(OSError):
        return "\nCoreDumping:\t1\n" in _text(pid, "status")
    return False


def our_children() -> list[int]:
    """List our children, adopted ones and those that have ended too."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    return []


def variable(pid: int, name: str) -> str | None:
    """Tell a variable of the environment that a process was started with."""
    with contextlib.suppress(OSError):
        start = f"{name}=".encode()
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(start):
                return os.fsdecode(entry[len(start) :])
    return None


def name(pid: int) -> str:
    """Tell the short name of a process; ``?`` where it is gone."""
    try:
        return _text(pid, "comm").strip()
    except OSError:
        return "?"
