"""Whose words are whose: marks in the output pipe around what a job prints.

Jobs follow each other faster than the supervisor reads, and one pipe holds the words of all. What
goes through ``sys.stdout`` and ``sys.stderr``, those of the import too, notes a mark before a job's
first word, a job that starts a process notes it before that has a word to say, and the runner notes
another after the last. A job that does neither costs nothing; what C code writes to the descriptors
has no mark of its own. Where a job has put a file in the place of our pipe, no mark goes there.
"""

from __future__ import annotations

import _posixsubprocess
import contextlib
import io
import os
import sys
from typing import Any

from horus_supervisor import messages
from horus_supervisor.runner import calls

_STARTS = (
    *((os, name) for name in ("posix_spawn", "posix_spawnp", "system")),
    (_posixsubprocess, "fork_exec"),  # of ``subprocess`` and ``multiprocessing``
)
"""What starts a program without a fork that ``os.register_at_fork`` is told of."""

_job: tuple[bytes, int] | None = None
_begun = False
_pipe: tuple[int, int] | None = None
"""Device and inode of the output pipe."""
_kept: list[io.TextIOWrapper] = []
"""A stream that goes closes its buffer, of which an import may have made another one."""


class _Marked(io.RawIOBase):
    """Writes to a descriptor, which it does not close, with a mark before a job's first word."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: Any, /) -> int:
        """Write all of it: a text stream drops what a signal kept from being written."""
        begin()
        rest = memoryview(data)
        size = rest.nbytes
        while (written := os.write(self._fd, rest)) < rest.nbytes:
            rest = rest.cast("B")[written:]
        return size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd


def mark_streams() -> None:
    """Let ``sys.stdout`` and ``sys.stderr`` mark what is written to them from now on."""
    _kept.extend([marked(1), marked(2)])
    sys.stdout, sys.stderr = _kept[-2:]
    note_pipe()


def note_pipe() -> None:
    """Note which file is the output pipe: a fork has another one."""
    global _pipe
    with contextlib.suppress(OSError):
        _pipe = _file(1)


def _file(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def mark_programs() -> None:
    """Have a mark stand before what a program writes that a job starts. For a template."""
    imported = (sys.modules.get("subprocess"), "_fork_exec")  # by site-packages, before us
    calls.precede(begin, *_STARTS, imported)


def marked(fd: int) -> io.TextIOWrapper:
    """Make a stream on a descriptor that marks whose words it writes."""
    return io.TextIOWrapper(
        _Marked(fd),  # type: ignore[arg-type]  # what a text wrapper asks of a raw file it has
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def say(text: str) -> None:
    """Tell a job's author something, as if the job itself had printed it; it may have closed 2."""
    begin()
    with contextlib.suppress(OSError):
        os.write(2, text.encode("utf-8", "backslashreplace"))


def expect(job: bytes, attempt: int) -> None:
    """Say whose words come from now on; ``job``: id, name and queue, parted by NUL."""
    global _job
    _job = job, attempt


def begin() -> None:
    """Mark that a job's words follow, unless that was done: on that of 1 and 2 which is ours."""
    global _begun
    if _begun or _job is None or not _kept:
        return
    for fd in (1, 2):
        with contextlib.suppress(OSError):  # a job may have closed it
            if _file(fd) == _pipe:
                _begun = True  # first: whatever strikes now, the end is marked
                os.write(fd, messages.words_of(*_job))
                return


def end() -> None:
    """Mark the end of a job's words, if it had any."""
    global _job, _begun
    _job = None
    if _begun:
        _begun = False
        os.write(1, messages.ENDED)
