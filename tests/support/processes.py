"""What the kernel tells of a service's processes: who they are, what they hold, their size."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import AnyStr

from horus_supervisor import linux

PROGRAMS = ("horus-keeper", "horus-template", "horus-redis")


class Bounded(subprocess.Popen[AnyStr]):
    """A process that does not outlive a block that failed: who waits for it would for ever."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, stack)


def name(pid: int) -> str:
    """A process's short name; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def state(pid: int) -> str:
    """A process's state, one letter; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def offspring(pid: int) -> list[int]:
    """The children of a process, of all its threads; zombies too."""
    try:
        files = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for file in files for child in file.read_text().split()]
    except OSError:
        return []


def program(supervisor: int, called: str) -> int | None:
    """The pid of the one child with this name; None where there is none, or more."""
    found = [pid for pid in offspring(supervisor) if name(pid) == called]
    return found[0] if len(found) == 1 else None


def runners(supervisor: int) -> list[int]:
    """The children that bear a runner's name."""
    return [pid for pid in offspring(supervisor) if name(pid).startswith("horus ")]


def tagged(tag: str) -> Iterator[int]:
    """All processes that were started with this in their environment, zombies not."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if tag.encode() in (folder / "environ").read_bytes():
                yield int(folder.name)
        except OSError:
            continue


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def held(pid: int) -> dict[Path, str]:
    """What a process's descriptors are of; one may be closed while the others are read."""
    found = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[fd] = os.readlink(fd)
    return found


def pidfds(pid: int) -> int:
    """Count the processes that a process has a descriptor of, none where it has ended."""
    with contextlib.suppress(FileNotFoundError):
        return sum("pidfd" in what for what in held(pid).values())
    return 0


def own_kb(pid: int) -> int:
    """How much memory a process has for itself, in KiB: what nobody shares."""
    return linux.private_memory_bytes(pid) // 1024
